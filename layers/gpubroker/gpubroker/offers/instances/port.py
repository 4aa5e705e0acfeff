"""What a rental needs of a provider that rents, the same for all of them.

Every call is one bounded exchange (see `wire.py` for times and sizes), raises only the errors of `offers/errors.py`,
and may be retried: `get`, `find`, `list` and `end` freely; `create` only after `find(label)` came back empty.
No provider here has a client-chosen id with which a second create would be refused, so the label is what makes a
create findable, and the workflow looks before it creates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gpubroker.offers.errors import (
    BadCredentials,
    InstanceGone,
    NoCapacity,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    UnknownAnswer,
)
from gpubroker.offers.offer import Offer

__all__ = [
    "BadCredentials",
    "Instance",
    "InstanceApi",
    "InstanceGone",
    "InstanceOrder",
    "InstanceStatus",
    "NoCapacity",
    "ProviderError",
    "ProviderUnavailable",
    "QuotaExceeded",
    "RateLimited",
    "UnknownAnswer",
]


class InstanceStatus(StrEnum):
    """Where an instance stands. `failed` still exists (and may cost) until it is ended; `ended` costs nothing."""

    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceOrder:
    """What to create.

    label           unique per rental member, at most 60 characters of [a-z0-9-]: how the instance is found again
    ssh_public_key  one OpenSSH line
    image           a container image. Where the provider runs containers (vast.ai, RunPod) the instance is that
                    container, None takes the adapter's default; a VM (Lambda Cloud, Shadeform) starts it beside itself
    disk_gb         local disk asked for; providers whose shapes have a fixed disk ignore it
    env             environment of the container and of the start script; names are [A-Za-z_][A-Za-z0-9_]*
    start_script    shell text that runs once the machine is up
    """

    label: str
    offer: Offer
    ssh_public_key: str
    image: str | None = None
    disk_gb: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    start_script: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance as the provider tells of it this moment; what it does not (yet) tell is None.

    bid_too_low says of a failed one, in the answer to its create, that the provider wants a higher bid.
    native_status is the provider's own word. `jupyter_url` may hold a token that opens it: show it to its owner only.
    """

    instance_id: str
    label: str | None
    status: InstanceStatus
    native_status: str
    ssh_host: str | None = None
    ssh_port: int | None = None
    ssh_user: str | None = None
    jupyter_url: str | None = field(default=None, repr=False)
    price_micros_per_hour: int | None = None
    bid_too_low: bool = False


class InstanceApi(Protocol):
    """One provider account. All calls are synchronous: a Lambda that creates has nothing else to do meanwhile."""

    def create(self, order: InstanceOrder) -> Instance:
        """Create one instance labelled `order.label`.

        Raises NoCapacity, BadCredentials, QuotaExceeded, RateLimited when nothing was made; ProviderUnavailable or
        UnknownAnswer when it cannot be known: then `find(label)` tells. A create that the provider refused and that
        made an instance nevertheless is returned with status `failed`, so that it is recorded and ended.
        """
        ...

    def find(self, label: str) -> list[Instance]:
        """Every instance with this label that is not ended; normally none or one."""
        ...

    def get(self, instance_id: str) -> Instance | None:
        """The instance, or None when the provider does not know it (any more)."""
        ...

    def end(self, instance_id: str) -> None:
        """Terminate it for good. One that is already gone is success."""
        ...

    def list(self) -> list[Instance]:
        """Every instance of the account that is not ended, ours or not."""
        ...
