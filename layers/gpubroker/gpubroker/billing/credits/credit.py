"""A credit as it is kept: the grant, and what was consumed of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gpubroker.billing.credits.burning import Burnt
from gpubroker.billing.credits.grant import Grant
from gpubroker.kernel.money import MicroUsd

MOST_BURNT = 40
"""Credits that one invoice burns: each is a write of its transaction. What is left is burnt by the next invoice."""


@dataclass(frozen=True, slots=True)
class Credit:
    """used        micro-USD consumed since `used_since`
    used_since  the reset that `used` counts from, where the grant recurs
    version     counts its writes
    """

    account_id: str
    grant: Grant
    name: str = ""
    granted_by: str = ""
    used: MicroUsd = 0
    used_since: datetime | None = None
    version: int = 1

    @property
    def credit_id(self) -> str:
        return self.grant.grant_id

    def counts(self, since: datetime, until: datetime) -> bool:
        """Whether it pays usage of [since, until): it was in force for a part of that, and is not voided."""
        grant = self.grant
        return grant.voided_at is None and grant.effective_at < until and since < grant.ends_at

    def balance(self, at: datetime) -> MicroUsd:
        """What is left of it at a moment, were it in force: of the recurrence of that moment, where it recurs."""
        reset = self._reset(at)
        if reset is None or self.used_since is None or self.used_since == reset:
            return self.grant.amount - self.used
        # A reset since the last use makes it whole; of a recurrence before it nothing can be had any more.
        return self.grant.amount if self.used_since < reset else 0

    def burnt(self, amount: MicroUsd, at: datetime) -> "Credit":
        reset = self._reset(at)
        used = self.used if reset == self.used_since else 0
        return replace(self, used=used + amount, used_since=reset, version=self.version + 1)

    def given_back(self, amount: MicroUsd, burnt_since: datetime | None) -> "Credit":
        """With an amount back that was burnt; a recurrence that is over takes nothing back."""
        used = self.used - amount if burnt_since == self.used_since else self.used
        return replace(self, used=used, version=self.version + 1)

    def _reset(self, at: datetime) -> datetime | None:
        if self.grant.recurrence is None:
            return None
        return max(self.grant.effective_at, self.grant.recurrence.since(at))


@dataclass(frozen=True, slots=True)
class Consumption:
    """What an invoice consumed, in the order it was burnt, and what it left of each charge. Micro-USD.

    since       the reset that each burnt credit counted from, where it recurs
    given_back  how much was given back since
    """

    account_id: str
    invoice_id: str
    burnt: tuple[Burnt, ...]
    left: Mapping[str, MicroUsd]
    at: datetime
    since: Mapping[str, datetime]
    given_back: MicroUsd = 0
    version: int = 1

    @property
    def amount(self) -> MicroUsd:
        return sum(one.amount for one in self.burnt)
