"""Rentals: asked for, provisioned, scaled, ended and charged (docs/rentals.md)."""
