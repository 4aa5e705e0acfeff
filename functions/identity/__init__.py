"""The Lambda functions of identity: one file each."""
