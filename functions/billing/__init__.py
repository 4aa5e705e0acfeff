"""The Lambda functions of billing: one file each."""
