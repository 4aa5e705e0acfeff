"""What usage needs of others."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from gpubroker.kernel.caller import Caller


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time in which an instance is charged: [since, until), epoch milliseconds of whole seconds; open while None."""

    since_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Running:
    """One instance of a rental, with all the time it was charged for so far, in order."""

    instance_id: str
    user_id: str
    org_id: str | None
    gpu_count: int
    stretches: tuple[Stretch, ...]


class RunningRentals(Protocol):
    def instances(self) -> Iterable[Running]:
        """Every instance of a rental that is not over and whose customer has it."""


class Organisations(Protocol):
    def may_see_usage(self, caller: Caller, org_id: str) -> bool:
        """Whether the caller is a member of the organisation who may see what it uses."""
