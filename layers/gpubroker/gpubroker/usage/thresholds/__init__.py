"""Thresholds on usage: what administrators configure, and what is told when a value goes over (docs/thresholds.md)."""
