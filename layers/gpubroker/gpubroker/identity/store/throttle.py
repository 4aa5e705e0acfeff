"""Identity's counters of tries, in its own table."""

from gpubroker.storage.throttle import Throttle, TooManyAttempts

__all__ = ["TooManyAttempts", "add", "clear", "count", "give_back"]

_throttle = Throttle("IDENTITY_TABLE")
count, add, give_back, clear = _throttle.count, _throttle.add, _throttle.give_back, _throttle.clear
