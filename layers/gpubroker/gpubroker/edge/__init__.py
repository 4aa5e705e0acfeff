"""HTTP: serving routes, callers, problems, cursors and rate limits."""
