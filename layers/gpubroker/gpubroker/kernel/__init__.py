"""Money, time, ids, errors and callers: no AWS, no HTTP."""
