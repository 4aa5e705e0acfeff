"""Small helpers of the end-to-end tests: a client per role, and waiting for a condition."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Seen = TypeVar("Seen")


def client(environment: dict[str, Any], role: str | None = None) -> httpx.Client:
    """A client of the cloud's one address, signed in as that role."""
    headers = {"Authorization": f"Bearer {environment['credentials'][role]['token']}"} if role else {}
    return httpx.Client(base_url=environment["base_url"], headers=headers, timeout=30, trust_env=False)


def eventually(look: Callable[[], Seen], want: Callable[[Seen], bool], *, seconds: float, every: float = 0.2) -> Seen:
    """What `look` saw when it was as wanted. Fails with the last sight when that takes longer."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if want(seen):
            return seen
        assert time.monotonic() < deadline, f"after {seconds} s it was still: {seen}"
        time.sleep(every)


def ssh_key() -> str:
    """A public key of the right form."""
    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def cheapest(http: httpx.Client, provider: str) -> str:
    """The id of the cheapest offer that can be rented at a provider now."""
    asked = {"provider": provider, "rentable": "true", "availability": "available", "spot": "false", "limit": "1"}
    (offer,) = http.get("/api/v2/providers", params=asked).json()["offers"]
    return str(offer["offer_id"])


@contextmanager
def rented(http: httpx.Client, **wanted: Any) -> Iterator[dict[str, Any]]:
    """A rental that is ended afterwards, whatever happens."""
    answer = http.post("/api/v2/rentals/provision", json={"duration_hours": 1, "ssh_public_key": ssh_key()} | wanted)
    assert answer.status_code == 202, answer.text
    rental: dict[str, Any] = answer.json()
    try:
        yield rental
    finally:
        http.delete(f"/api/v2/rentals/{rental['rental_id']}").raise_for_status()
        over(http, rental)


def ready(http: httpx.Client, rental: dict[str, Any]) -> dict[str, Any]:
    """The rental once it is ready."""
    seen = eventually(lambda: look(http, rental), lambda now: now["status"] in ("ready", "failed", "ended"), seconds=60)
    assert seen["status"] == "ready", seen
    return seen


def over(http: httpx.Client, rental: dict[str, Any]) -> dict[str, Any]:
    """The rental once nothing of it is left."""
    return eventually(lambda: look(http, rental), lambda now: now["status"] in ("failed", "ended"), seconds=60)


def look(http: httpx.Client, rental: dict[str, Any]) -> dict[str, Any]:
    answer = http.get(f"/api/v2/rentals/{rental['rental_id']}")
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen
