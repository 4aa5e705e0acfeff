"""The layer of the tiny stack."""

GREETING = "hello"
