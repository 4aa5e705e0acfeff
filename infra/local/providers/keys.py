"""The keys that the simulated providers know, fixed and public: they open nothing but this machine's simulation.

And the name of the one variable that they read.
"""

from collections.abc import Mapping
from typing import Any

STATE_VARIABLE = "SIMULATED_PROVIDERS_STATE"
"""Names the directory in which rented instances outlive a restart; without it they do not."""

PLATFORM = "platform"
CUSTOMER = "customer"

_SLUGS = (
    "cloudrift",
    "digitalocean",
    "gcp",
    "hyperstack",
    "koyeb",
    "lambdalabs",
    "linode",
    "primeintellect",
    "runpod",
    "scaleway",
    "seeweb",
    "shadeform",
    "vastai",
    "vultr",
)


def local_keys(account: str = PLATFORM) -> dict[str, Any]:
    """What the local secret of provider keys holds: slug to key. Azure's prices need none.

    `CUSTOMER` is a second account, with instances of its own, for a caller who brings a key.
    """
    keys: dict[str, Any] = {slug: f"local-{slug}-{account}-key" for slug in _SLUGS}
    keys["aws"] = {"access_key_id": f"LOCALAWS{account.upper()}", "secret_access_key": f"local-aws-{account}-secret"}
    keys["verda"] = {"client_id": f"local-verda-{account}", "client_secret": f"local-verda-{account}-secret"}
    return keys


_ACCOUNTS = {
    (slug, key): account
    for account in (PLATFORM, CUSTOMER)
    for slug, key in local_keys(account).items()
    if isinstance(key, str)
}


def account_of(slug: str, key: str) -> str | None:
    """Whose key this is; None for a key that is none."""
    return _ACCOUNTS.get((slug, key))


def account_of_client(credentials: Mapping[str, Any]) -> str | None:
    """Whose OAuth client this is (Verda)."""
    given = {name: credentials.get(name) for name in ("client_id", "client_secret")}
    return next((one for one in (PLATFORM, CUSTOMER) if local_keys(one)["verda"] == given), None)
