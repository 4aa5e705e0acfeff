"""What is promised about speed, measured with a peer beside it in the same run: `make bench`."""
