"""What this house promises about speed, measured beside its peers in one run: `make bench`."""
