"""Price changes of the tests' making."""

from datetime import UTC, datetime
from typing import Any

from gpubroker.kernel.time import iso

NOW_MS = 1_779_616_800_000  # 2026-05-24T10:00:00Z


def change(offer: str = "vastai-a", price: int = 2_000_000, *, at_ms: int = NOW_MS, **more: Any) -> dict[str, Any]:
    """A change as the outbox of offers holds it, with an event id that its moment makes."""
    told = {
        "provider": "vastai",
        "offer_id": offer,
        "old_price": 2.0,
        "new_price": price / 1e6,
        "timestamp": iso(datetime.fromtimestamp(at_ms / 1000, UTC)),
        "old_price_micros": 2_000_000,
        "new_price_micros": price,
        "new_price_micros_per_hour": min(price * 8, 10**12),
        "gpu_type": "H100",
        "gpu_count": 8,
        "region": "us-east",
        "spot": False,
        "event_id": f"evt_{offer}.{at_ms}",
    }
    return told | more
