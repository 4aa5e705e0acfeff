"""Organisations: several people and one account, with roles and budgets."""
