"""Rentals as their tenants see them. Never the stored item: tokens, scripts, environments and labels stay inside."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso
from gpubroker.rentals.cost import charged_seconds, member_cost, provider_cost, rental_cost
from gpubroker.rentals.ports import FeeSplit
from gpubroker.rentals.rental import BilledBy, Failure, Member, MemberPhase, Operation, Phase, Rental, Work
from gpubroker.rentals.repository import Switch


class SshView(View):
    host: str
    port: int
    user: str
    command: str = Field(description="what to type to connect")


class ConnectionView(View):
    """How to connect; what the provider does not offer is null."""

    ssh: SshView | None = None
    jupyter_url: str | None = None


class FailureView(View):
    code: str
    detail: str

    @classmethod
    def of(cls, failure: Failure) -> "FailureView":
        return cls(code=failure.code, detail=failure.detail)


class MemberView(View):
    """One instance. Prices are USD per hour for the whole instance; times are UTC, whole seconds."""

    member_id: str
    status: MemberPhase
    offer_id: str
    provider: str
    gpu_model: str
    gpu_count: int
    region: str | None
    price_per_hour: float
    price_per_hour_micros: int
    ready_at: str | None
    charged_until: str | None
    charged_seconds: int
    cost: float
    cost_micros: int
    connection: ConnectionView | None
    failure: FailureView | None

    @classmethod
    def of(cls, member: Member, now: datetime) -> "MemberView":
        amount = member_cost(member, now)
        return cls(
            member_id=member.member_id,
            status=member.phase,
            offer_id=member.offer.offer_id,
            provider=member.offer.provider,
            gpu_model=member.offer.gpu_model,
            gpu_count=member.offer.gpu_count,
            region=member.offer.region,
            price_per_hour=usd(member.price_micros),
            price_per_hour_micros=member.price_micros,
            ready_at=_iso(member.ready_at),
            charged_until=_iso(member.charges[-1].until) if member.charges else None,
            charged_seconds=charged_seconds(member, now),
            cost=usd(amount),
            cost_micros=amount,
            connection=_connection(member),
            failure=FailureView.of(member.failure) if member.failure else None,
        )


class OperationView(View):
    """What is being done to the rental now."""

    operation_id: str
    action: Work
    members: list[str]
    undoing: bool

    @classmethod
    def of(cls, operation: Operation) -> "OperationView":
        return cls(
            operation_id=operation.operation_id,
            action=operation.work,
            members=list(operation.members),
            undoing=operation.undoing,
        )


class RentalView(View):
    """A rental. `status` moves requested, provisioning, ready, ending, ended; or undoing, failed when it cannot be had.

    cost is what has been charged so far; final_cost is null until the rental is over.
    """

    rental_id: str
    status: Phase
    offer_id: str
    provider: str
    gpu_model: str
    gpu_count: int
    region: str | None
    spot: bool
    count: int = Field(description="instances that are wanted: planned, being made or ready")
    duration_hours: float
    auto_renew: bool
    renewals: int
    max_total_price: float
    max_total_price_micros: int
    price_per_hour: float = Field(description="of all wanted instances together")
    price_per_hour_micros: int
    cost: float
    cost_micros: int
    final_cost: float | None
    final_cost_micros: int | None
    currency: str = "USD"
    account_id: str | None = Field(None, description="the account that pays; null where the provider bills you itself")
    held: float = Field(0, description="of its money, what is held for this rental at the moment")
    held_micros: int = 0
    billed_by: BilledBy = Field("gpubroker", description="provider: on your own account there; our cost is 0")
    provider_cost: float | None = Field(
        None, description="what the provider bills you itself so far, as far as it tells; for information"
    )
    provider_cost_micros: int | None = None
    requested_at: str
    ready_at: str | None
    ends_at: str | None
    ended_at: str | None = Field(description="when charging stopped")
    gone_at: str | None = Field(description="when nothing of it was left at the provider")
    end_reason: str | None
    failure: FailureView | None
    notices: list[str]
    operation: OperationView | None
    connection: ConnectionView | None = Field(description="of the first ready instance")
    members: list[MemberView]

    @classmethod
    def of(cls, rental: Rental, now: datetime) -> "RentalView":
        members = [MemberView.of(member, now) for member in rental.members]
        live = rental.live_members
        so_far = rental_cost(rental, now) if rental.final_cost_micros is None else rental.final_cost_micros
        theirs = provider_cost(rental, now)
        together = sum(member.price_micros for member in live)
        return cls(
            rental_id=rental.rental_id,
            status=rental.phase,
            offer_id=rental.offer.offer_id,
            provider=rental.offer.provider,
            gpu_model=rental.offer.gpu_model,
            gpu_count=rental.offer.gpu_count,
            region=rental.offer.region,
            spot=rental.offer.spot,
            count=len(live),
            duration_hours=rental.duration.total_seconds() / 3600,
            auto_renew=rental.auto_renew,
            renewals=rental.renewals,
            max_total_price=usd(rental.max_price_micros),
            max_total_price_micros=rental.max_price_micros,
            price_per_hour=usd(together),
            price_per_hour_micros=together,
            cost=usd(so_far),
            cost_micros=so_far,
            final_cost=None if rental.final_cost_micros is None else usd(rental.final_cost_micros),
            final_cost_micros=rental.final_cost_micros,
            account_id=rental.payer,
            held=usd(rental.funds),
            held_micros=rental.funds,
            billed_by=rental.billed_by,
            provider_cost=None if theirs is None else usd(theirs),
            provider_cost_micros=theirs,
            requested_at=iso(rental.requested_at),
            ready_at=_iso(rental.ready_at),
            ends_at=_iso(rental.ends_at),
            ended_at=_iso(rental.ended_at),
            gone_at=_iso(rental.gone_at),
            end_reason=rental.end_reason,
            failure=FailureView.of(rental.failure) if rental.failure else None,
            notices=list(rental.notices),
            operation=OperationView.of(rental.operation) if rental.operation else None,
            connection=next((m.connection for m in members if m.status is MemberPhase.READY), None),
            members=members,
        )


class RentalPage(View):
    """Rentals, the newest first; `next_cursor` is null on the last page."""

    rentals: list[RentalView]
    next_cursor: str | None


class EstimateLine(View):
    """A part of what each instance costs, and of what all cost together."""

    item: Literal["compute", "disk"]
    price_per_hour: float
    price_per_hour_micros: int
    cost_per_instance: float
    cost_per_instance_micros: int
    cost: float
    cost_micros: int


class EstimateFees(View):
    """The fees within the estimated cost, for who has no volume yet: net + buyer_fee is the cost exactly."""

    net: float
    net_micros: int
    buyer_fee: float
    buyer_fee_micros: int
    seller_fee: float
    seller_fee_micros: int

    @classmethod
    def of(cls, split: FeeSplit) -> "EstimateFees":
        return cls(
            net=usd(split.net),
            net_micros=split.net,
            buyer_fee=usd(split.buyer_fee),
            buyer_fee_micros=split.buyer_fee,
            seller_fee=usd(split.seller_fee),
            seller_fee_micros=split.seller_fee,
        )


class EstimateView(View):
    """What a rental would cost at the present price, all-in; nothing is promised or held.

    The lines of the breakdown add up to the estimated cost exactly.
    """

    offer_id: str
    provider: str
    currency: str = "USD"
    duration_hours: float
    count: int
    price_per_hour: float
    price_per_hour_micros: int
    subtotal_per_instance: float
    subtotal_per_instance_micros: int
    estimated_cost: float
    estimated_cost_micros: int
    breakdown: list[EstimateLine]
    fees: EstimateFees
    rentable: bool
    renews: bool
    priced_at: str | None


class InvoiceLine(View):
    member_id: str
    provider: str
    gpu_model: str
    gpu_count: int
    seconds: int
    cost: float
    cost_micros: int


class InvoiceView(View):
    """The confirmed cost of a rental that is over; the lines add up to it exactly."""

    rental_id: str
    user_id: str
    currency: str = "USD"
    billed_by: BilledBy = "gpubroker"
    final_duration: float
    final_cost: float
    final_cost_micros: int
    used_cost: float
    used_cost_micros: int
    ready_at: str | None
    ended_at: str | None
    finalised_at: str
    lines: list[InvoiceLine]

    @classmethod
    def of(cls, rental: Rental, now: datetime) -> "InvoiceView":
        final = rental.finalised
        if final is None:
            raise ValueError(f"{rental.rental_id} is not finalised")
        used = rental_cost(rental, now)
        lines = []
        for member in rental.members:
            if not member.charges or member.void:
                continue
            amount = member_cost(member, now, at_most_seconds=final.seconds)
            lines.append(
                InvoiceLine(
                    member_id=member.member_id,
                    provider=member.offer.provider,
                    gpu_model=member.offer.gpu_model,
                    gpu_count=member.offer.gpu_count,
                    seconds=min(final.seconds, charged_seconds(member, now)),
                    cost=usd(amount),
                    cost_micros=amount,
                )
            )
        return cls(
            rental_id=rental.rental_id,
            user_id=rental.tenant,
            billed_by=rental.billed_by,
            final_duration=final.seconds / 3600,
            final_cost=usd(final.cost_micros),
            final_cost_micros=final.cost_micros,
            used_cost=usd(used),
            used_cost_micros=used,
            ready_at=_iso(rental.ready_at),
            ended_at=_iso(rental.ended_at),
            finalised_at=iso(final.at),
            lines=lines,
        )


class SwitchView(View):
    """The stop switch: while stopped, nothing new is rented; what runs can be used and ended."""

    stopped: bool
    reason: str | None
    by: str | None
    at: str | None

    @classmethod
    def of(cls, switch: Switch) -> "SwitchView":
        return cls(stopped=switch.stopped, reason=switch.reason, by=switch.by, at=switch.at)


class CallbackView(View):
    """accepted is false when nobody waits for it any more: late and repeated callbacks are no errors."""

    accepted: bool
    detail: str


def plain(view: View) -> dict[str, Any]:
    """A view as plain JSON values: what an idempotency record keeps."""
    return view.model_dump(mode="json")


def _iso(moment: datetime | None) -> str | None:
    return iso(moment) if moment is not None else None


def _connection(member: Member) -> ConnectionView | None:
    told = member.connection
    if told is None or member.phase is not MemberPhase.READY:
        return None
    ssh = None
    if told.ssh_host is not None:
        port, user = told.ssh_port or 22, told.ssh_user or "root"
        ssh = SshView(host=told.ssh_host, port=port, user=user, command=f"ssh -p {port} {user}@{told.ssh_host}")
    return ConnectionView(ssh=ssh, jupyter_url=told.jupyter_url)
