"""What issue-sized promises about speed are held to, each with its peer beside it in the same run: `make bench`."""
