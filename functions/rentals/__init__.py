"""The Lambda functions of rentals: one file each."""
