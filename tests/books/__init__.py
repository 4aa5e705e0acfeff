"""The books under test: a store that fails on purpose, an auditor that knows what every answer may be, and a walk."""
