"""The Lambda functions of usage: one file each."""
