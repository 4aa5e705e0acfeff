"""What a rental is: plain values, no clock, no I/O. What may happen to it stands in rules, scaling, endings and terms.

Every moment of money is a whole second: the instant a member became ready and the instant its end was asked for are
cut to the second when they are recorded, so that "by the second" (DESIGN §7) has one meaning for everybody who
recomputes a bill from the times shown.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from gpubroker.kernel.caller import Plan
from gpubroker.kernel.money import MicroUsd


class Phase(StrEnum):
    """Where a rental stands.

    requested     accepted and held for, no workflow has touched it
    provisioning  the offer was read again and agreed; instances are being made
    ready         the customer has what was asked for
    ending        its end was asked for, its time is up, or all of it was lost
    undoing       it could not be made; whatever exists of it is being ended, nothing is charged
    ended         gone at the provider, charged, final
    failed        gone at the provider (or never there), not charged, final
    """

    REQUESTED = "requested"
    PROVISIONING = "provisioning"
    READY = "ready"
    ENDING = "ending"
    UNDOING = "undoing"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        return self in (Phase.ENDED, Phase.FAILED)


class MemberPhase(StrEnum):
    """Where one instance of a rental stands; `ended`, `undone` and `lost` mean that nothing of it is left."""

    PLANNED = "planned"
    CREATING = "creating"
    READY = "ready"
    ENDING = "ending"
    ENDED = "ended"
    UNDONE = "undone"
    LOST = "lost"

    @property
    def gone(self) -> bool:
        return self in (MemberPhase.ENDED, MemberPhase.UNDONE, MemberPhase.LOST)


class Work(StrEnum):
    """What a workflow is doing to a rental; at most one at a time, and an end takes the place of any other."""

    PROVISION = "provision"
    ADD = "add"
    REMOVE = "remove"
    END = "end"


@dataclass(frozen=True, slots=True)
class AgreedOffer:
    """The offer a member was rented from, as far as the rental needs to remember it."""

    offer_id: str
    provider: str
    gpu_model: str
    gpu_count: int
    spot: bool
    region: str | None = None  # not every provider says one


BilledBy = Literal["gpubroker", "provider"]
"""Who sends the customer the bill for compute (DESIGN §7 "Whose key")."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where an instance is: a provider, and whose account there; `tenant` None is the platform's own."""

    provider: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """A stretch of time at one price: [since, until), whole seconds; open while `until` is None.

    price_micros     what we charge per hour: 0 where the provider bills the customer itself
    provider_micros  what the provider then bills per hour, as it told; None where we charge
    """

    price_micros: MicroUsd
    since: datetime
    until: datetime | None = None
    provider_micros: MicroUsd | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an instance, as the provider said it; what it did not say is None."""

    ssh_host: str | None = None
    ssh_port: int | None = None
    ssh_user: str | None = None
    jupyter_url: str | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start. `env` and `start_script` may hold secrets: they are never shown, logged or published."""

    ssh_public_key: str | None = None
    image: str | None = None
    disk_gb: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    start_script: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not come about: a stable code and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of a rental.

    label         names it at the provider; looked for before each create, so that one label is one instance
    price_micros  micro-USD per hour for the whole instance, as agreed
    create_until  until when a create that was sent may still take effect; None once its outcome is known
    task_token    the waiting state of the workflow; used once, then dropped
    asked         whether a create was ever sent
    void          undone: nothing of it is charged
    charges       what is charged, in order, without overlaps
    seen_at       when the provider was last seen to have it (the end of the charge of one that got lost)
    misses        looks in a row at which the provider did not know it
    """

    member_id: str
    label: str
    offer: AgreedOffer
    price_micros: MicroUsd
    phase: MemberPhase = MemberPhase.PLANNED
    asked: bool = False
    create_until: datetime | None = None
    instance_id: str | None = None
    connection: Connection | None = None
    task_token: str | None = None
    ready_at: datetime | None = None
    over_at: datetime | None = None
    gone_at: datetime | None = None
    seen_at: datetime | None = None
    misses: int = 0
    void: bool = False
    charges: tuple[Charge, ...] = ()
    replaced_by: str | None = None
    failure: Failure | None = None

    @property
    def live(self) -> bool:
        """Wanted: planned, being created or ready; neither ending nor gone."""
        return self.phase in (MemberPhase.PLANNED, MemberPhase.CREATING, MemberPhase.READY)


@dataclass(frozen=True, slots=True)
class Operation:
    """The work under way. `deadline` is when the sweep looks after it; `attempt` counts its workflows."""

    operation_id: str
    work: Work
    members: tuple[str, ...]
    deadline: datetime
    attempt: int = 1
    undoing: bool = False
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a rental takes of its tenant's caps. The counters are the sum of the holdings, always (repository.py)."""

    rentals: int = 0
    instances: int = 0
    micros: MicroUsd = 0


@dataclass(frozen=True, slots=True)
class Finalisation:
    """What billing confirmed: at most what was used."""

    seconds: int
    cost_micros: MicroUsd
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Rental:
    """The truth about one rental.

    payer             the account that pays: the tenant's own or an organisation's; None for one made before the ledger
    funds             what is held of its money at this moment (funding.py)
    integration       the customer's own integration it runs with, for its whole life; None for the platform's account
    max_price_micros  the cap per hour for one whole instance; an instance is never agreed above it
    duration          of one term; with `auto_renew` terms follow each other
    ready_at          when the last of the first members was ready; the term counts from the first of them
    ended_at          when charging stopped: the end was asked for, the time was up, or the last member was lost
    gone_at           when nothing of it was left at the providers
    version           counts the writes
    """

    rental_id: str
    tenant: str
    requested_by: str
    plan: Plan
    offer: AgreedOffer
    launch: Launch
    duration: timedelta
    max_price_micros: MicroUsd
    auto_renew: bool
    requested_at: datetime
    payer: str | None = None
    funds: MicroUsd = 0
    integration: str | None = None
    phase: Phase = Phase.REQUESTED
    members: tuple[Member, ...] = ()
    operation: Operation | None = None
    scalings: int = 0
    renewals: int = 0
    ready_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    gone_at: datetime | None = None
    end_reason: str | None = None
    failure: Failure | None = None
    notices: tuple[str, ...] = ()
    final_cost_micros: MicroUsd | None = None
    finalised: Finalisation | None = None
    held: Holding = field(default_factory=Holding)
    version: int = 1

    def member(self, member_id: str) -> Member:
        """Raises KeyError for a member this rental never had."""
        for member in self.members:
            if member.member_id == member_id:
                return member
        raise KeyError(member_id)

    def with_member(self, changed: Member) -> "Rental":
        return replace(self, members=tuple(changed if m.member_id == changed.member_id else m for m in self.members))

    @property
    def billed_by(self) -> BilledBy:
        return "gpubroker" if self.integration is None else "provider"

    def account_at(self, provider: str) -> Account:
        """Whose account its instances are in, at one of its providers."""
        return Account(provider, None if self.integration is None else self.tenant)

    def charge(self, price_micros: MicroUsd, since: datetime, *, billed: MicroUsd | None = None) -> Charge:
        """A stretch that begins: at this price; at nothing where the provider bills the customer itself.

        billed: what the provider says that it bills per hour, where it does.
        """
        if self.integration is None:
            return Charge(price_micros, since)
        return Charge(0, since, provider_micros=price_micros if billed is None else billed)

    @property
    def live_members(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.live)


def whole_second(moment: datetime) -> datetime:
    """A moment cut to its second."""
    return moment.replace(microsecond=0)
