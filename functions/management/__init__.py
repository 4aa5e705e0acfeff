"""The Lambda functions of management: one file each."""
