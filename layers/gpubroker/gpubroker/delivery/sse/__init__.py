"""Server-sent events: the same public messages, one way, over plain HTTP."""
