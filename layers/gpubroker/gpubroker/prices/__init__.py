"""Prices: the stream of changes, what it tells, its history, and alerts."""
