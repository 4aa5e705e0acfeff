"""The signing keys' schedule, and what an operator does to them by hand."""

from typing import Any

from gpubroker.identity.keyring import Ring
from gpubroker.identity.signing import SigningKeys


def rotate(event: dict[str, Any], *, keys: SigningKeys, now: float) -> dict[str, Any]:
    """What the event asks for; from the schedule: rotate when it is time. Gives the ring's public side.

    Raises RotationTooSoon, UnknownKey, Unavailable.
    """
    revoked = event.get("revoke_kid")
    ring = keys.revoke(str(revoked), now) if revoked else keys.rotate(now, force=event.get("force") is True)
    return _shown(ring)


def _shown(ring: Ring) -> dict[str, Any]:
    return {"generation": ring.generation, "keys": [{"kid": key.kid, "status": key.status} for key in ring.keys]}
