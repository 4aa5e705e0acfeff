"""Events of analytics: kept raw for a while, counted by type and time."""
