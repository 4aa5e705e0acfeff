"""Handlers of the tiny stack."""
