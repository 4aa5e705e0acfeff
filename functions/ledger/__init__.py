"""The Lambda functions of ledger: one file each."""
