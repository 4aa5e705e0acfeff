"""The keys that the simulated providers know, fixed and public: they open nothing but this machine's simulation.

And the name of the one variable that they read.
"""

from collections.abc import Mapping
from typing import Any

STATE_VARIABLE = "SIMULATED_PROVIDERS_STATE"
"""Names the directory in which rented instances outlive a restart; without it they do not."""

PAYMENTS_KEY = "local-payments-key"
PAYMENTS_WEBHOOK_SECRET = "whsec_bG9jYWwtcGF5bWVudHMtd2ViaG9vay1zZWNyZXQtMDAx"  # noqa: S105
"""What the simulated card processor and the house know of each other."""

PLATFORM = "platform"
CUSTOMER = "customer"

_SLUGS = (
    "cloudrift",
    "digitalocean",
    "gcp",
    "hyperbolic",
    "hyperstack",
    "jarvislabs",
    "koyeb",
    "lambdalabs",
    "linode",
    "mithril",
    "paperspace",
    "primeintellect",
    "runpod",
    "scaleway",
    "seeweb",
    "shadeform",
    "together",
    "vastai",
    "vultr",
)

# Keys that are objects: which of their parts are secrets, and what the others are.
_PARTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "aws": (("access_key_id", "secret_access_key"), {}),
    "crusoe": (("access_key", "secret_key"), {"project": "local-project"}),
    "cudo": (("api_key",), {"project": "local-project"}),
    "fluidstack": (("api_key",), {"project": "local-project"}),
    "hotaisle": (("api_key",), {"team": "local-team"}),
    "latitude": (("api_key",), {"project": "local-project"}),
    "salad": (("api_key",), {"organization": "local-organization"}),
    "tensordock": (("api_key", "api_token"), {}),
    "verda": (("client_id", "client_secret"), {}),
}


def local_keys(account: str = PLATFORM) -> dict[str, Any]:
    """What the local secret of provider keys holds: slug to key. The prices of Azure and Akash need none.

    `CUSTOMER` is a second account, with instances of its own, for a caller who brings a key.
    """
    keys: dict[str, Any] = {slug: f"local-{slug}-{account}-key" for slug in _SLUGS}
    for slug, (secrets, others) in _PARTS.items():
        keys[slug] = {part: f"local-{slug}-{account}-{part.replace('_', '-')}" for part in secrets} | others
    keys["aws"]["access_key_id"] = f"LOCALAWS{account.upper()}"  # capitals and digits, as theirs are
    return keys


def secrets_of(slug: str, key: Any) -> tuple[str, ...]:
    """What of a key must be shown to nobody."""
    return (key,) if isinstance(key, str) else tuple(key[part] for part in _PARTS[slug][0])


_ACCOUNTS = {
    (slug, secret): account
    for account in (PLATFORM, CUSTOMER)
    for slug, key in local_keys(account).items()
    for secret in secrets_of(slug, key)
}


def account_of(slug: str, key: str) -> str | None:
    """Whose key this is, or part of a key; None for a key that is none."""
    return _ACCOUNTS.get((slug, key))


def account_of_client(credentials: Mapping[str, Any]) -> str | None:
    """Whose OAuth client this is (Verda)."""
    given = {name: credentials.get(name) for name in ("client_id", "client_secret")}
    return next((one for one in (PLATFORM, CUSTOMER) if local_keys(one)["verda"] == given), None)
