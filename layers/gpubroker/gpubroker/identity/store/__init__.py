"""The IdentityTable, by access pattern. docs/identity.md lists its keys."""
