"""Price history: what was seen, rolled up and kept (docs/prices.md, "History")."""
