"""How long history is kept, as data. Readers check it themselves, since a TTL may lag by days."""

from datetime import timedelta

RAW = timedelta(days=7)
HOURLY = timedelta(days=90)
DAILY = timedelta(days=730)
OBSERVED = timedelta(days=4)
"""What roll-ups are made of. After `REDONE`, a change that comes so late is in raw history only."""
REDONE = timedelta(days=2)

KEPT = {"raw": RAW, "hourly": HOURLY, "daily": DAILY}
