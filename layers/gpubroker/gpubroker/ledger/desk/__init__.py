"""Accounts as their owners, services and administrators see and use them."""
