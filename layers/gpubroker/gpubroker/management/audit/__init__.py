"""The audit log: append-only, in chains of hashes that can be verified."""
