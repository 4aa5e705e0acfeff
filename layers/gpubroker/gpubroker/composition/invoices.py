"""What invoices need of usage and of the ledger (billing/invoices/ports.py), and their use cases with all they need."""

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from gpubroker.composition import books
from gpubroker.composition import payments as payments_composition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from gpubroker.billing.invoices.drafting import Drafting
    from gpubroker.billing.invoices.ports import Ledger, Leg, Usage, UsageHour
    from gpubroker.billing.invoices.proof import Proof
    from gpubroker.billing.invoices.rentals import RentalCharges
    from gpubroker.billing.invoices.runs import Plan, UsageMonths
    from gpubroker.billing.invoices.settling import InvoicePayments, Settling
    from gpubroker.billing.invoices.terms import Terms
    from gpubroker.billing.invoices.use_cases import AdminDesk, InvoiceDesk
    from gpubroker.storage.transaction import Writes
    from gpubroker.usage.stream import Record


@cache
def usage() -> "Usage":
    return _Usage()


@cache
def ledger() -> "Ledger":
    return _Ledger()


@cache
def terms() -> "Terms":
    from gpubroker.billing.credits.store import Credits
    from gpubroker.billing.discounts.store import Discounts
    from gpubroker.billing.invoices.terms import Terms
    from gpubroker.billing.plans.store import Plans

    return Terms(plans=Plans(), discounts=Discounts(), credits=Credits())


@cache
def proof() -> "Proof":
    from gpubroker.billing.invoices.months import Months
    from gpubroker.billing.invoices.proof import Proof
    from gpubroker.billing.invoices.store import Invoices
    from gpubroker.kernel.time import utc_now

    return Proof(invoices=Invoices(), months=Months(), usage=usage(), terms=terms(), clock=utc_now)


@cache
def invoice_desk() -> "InvoiceDesk":
    """What callers may do with invoices. Touches DynamoDB only, so it may stand inside the VPC."""
    from gpubroker.billing.invoices.store import Invoices
    from gpubroker.billing.invoices.use_cases import InvoiceDesk

    return InvoiceDesk(invoices=Invoices(), accounts=payments_composition.accounts(), proof=proof())


@cache
def admin_desk() -> "AdminDesk":
    from gpubroker.billing.invoices.store import Invoices
    from gpubroker.billing.invoices.use_cases import AdminDesk
    from gpubroker.kernel.time import utc_now

    return AdminDesk(invoices=Invoices(), ledger=ledger(), terms=terms(), clock=utc_now)


@cache
def drafting() -> "Drafting":
    from gpubroker.billing.invoices.drafting import Drafting
    from gpubroker.billing.invoices.months import Months
    from gpubroker.billing.invoices.store import Invoices
    from gpubroker.kernel.time import utc_now

    return Drafting(invoices=Invoices(), months=Months(), usage=usage(), terms=terms(), clock=utc_now)


@cache
def settling() -> "Settling":
    """Speaks to the payment processor: outside the VPC."""
    from gpubroker.billing.invoices.settling import Settling
    from gpubroker.billing.invoices.store import Invoices
    from gpubroker.billing.payments import processor
    from gpubroker.billing.payments.store import Methods
    from gpubroker.kernel.time import utc_now

    return Settling(
        invoices=Invoices(),
        ledger=ledger(),
        terms=terms(),
        payments=payments_composition.payments(),
        methods=Methods(),
        clock=utc_now,
        processor=processor.configured().name,
        charge=payments_composition.cashier().charge,
    )


@cache
def invoice_payments() -> "InvoicePayments":
    from gpubroker.billing.invoices.settling import InvoicePayments
    from gpubroker.billing.invoices.store import Invoices

    return InvoicePayments(invoices=Invoices(), ledger=ledger())


@cache
def rental_charges() -> "RentalCharges":
    from gpubroker.billing.invoices.months import Months
    from gpubroker.billing.invoices.rentals import RentalCharges

    return RentalCharges(months=Months())


@cache
def plan() -> "Plan":
    from gpubroker.billing.invoices.runs import Plan
    from gpubroker.kernel.time import utc_now

    return Plan(clock=utc_now)


@cache
def usage_months() -> "UsageMonths":
    from gpubroker.billing.invoices.runs import UsageMonths
    from gpubroker.kernel.time import utc_now

    return UsageMonths(clock=utc_now)


class _Ledger:
    """billing.invoices.ports.Ledger over the book."""

    @property
    def refusals(self) -> "tuple[type[Exception], ...]":
        from gpubroker.ledger.problems import AccountClosed, AccountFrozen, AccountNotFound, InsufficientFunds

        return (InsufficientFunds, AccountFrozen, AccountClosed, AccountNotFound)

    def available(self, account_id: str) -> int:
        from gpubroker.ledger.problems import AccountNotFound

        with suppress(AccountNotFound):
            return max(0, books.book().balance(account_id).available)
        return 0

    def add(
        self, tx: "Writes", transfer_id: str, kind: str, legs: "Sequence[Leg]", reference: "Mapping[str, str]"
    ) -> None:
        from gpubroker.ledger.transfers import Leg, Transfer

        moved = tuple(Leg(leg.debit, leg.credit, leg.amount) for leg in legs)
        told = {name: value for name, value in reference.items() if value}
        books.book().add_transfer(tx, Transfer(transfer_id, kind, moved, told))


def note_usage(data: bytes) -> None:
    """A record of the stream of usage events: whose account has usage when."""
    from gpubroker.messaging.log import logger
    from gpubroker.usage.stream import Unreadable, read

    try:
        record = read(data)
    except Unreadable as error:
        # Nobody's usage: aggregation sets it aside, where somebody looks at it.
        logger().warning("usage record not read", extra={"error": str(error)})
        return
    usage_months().note(_used(record))


def _used(record: "Record") -> "Iterator[tuple[str, datetime]]":
    """(account, moment) of the first and the last event of each series of a record: a record is far shorter than a
    month, so nothing lies between. Plain events that aggregation would set aside are left out here too."""
    from datetime import UTC, datetime

    for event in record.plain or ():
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            yield str(event.get("org_id") or event["user_id"]), datetime.fromisoformat(event["period"]["start"])
    if record.columns is None:
        return
    at, starts = 0, record.columns["start"]
    for _, user_id, org_id, count in record.columns["series"]:
        for place in {at, at + count - 1}:
            yield org_id or user_id, datetime.fromtimestamp(starts[place] / 1000, UTC)
        at += count


class _Usage:
    """billing.invoices.ports.Usage over what usage tells of its hours."""

    def hours(self, account_id: str, start: "datetime", end: "datetime") -> "Iterator[UsageHour]":
        from gpubroker.billing.invoices.ports import UsageHour
        from gpubroker.billing.resources import RESOURCES
        from gpubroker.usage.reading import hours_of_user

        org_id = account_id if account_id.startswith("org_") else None
        for user_id in [account_id] if org_id is None else sorted(_users_of(account_id, start, end)):
            for total in hours_of_user(user_id, start, end):
                if total.org_id == org_id:
                    quantities = {name: total.metrics[name] for name in RESOURCES if name in total.metrics}
                    yield UsageHour(total.instance_id, total.hour, quantities, total.events, total.revision)

    def events(self, instance_id: str, hour: "datetime") -> "Sequence[Mapping[str, Any]]":
        from gpubroker.usage.reading import events_of

        return events_of(instance_id, hour)

    def complete_until(self) -> "datetime | None":
        from gpubroker.usage.reading import complete_until

        return complete_until()


def _users_of(org_id: str, start: "datetime", end: "datetime") -> set[str]:
    """Whose instances an organisation pays for in [start, end), by the parts that usage keeps of its hours."""
    from gpubroker.usage.items import TotalItem
    from gpubroker.usage.totals import parts_pk

    first, last = f"HOUR#{start:%Y-%m-%dT%H}", f"HOUR#{end:%Y-%m-%dT%H}"
    parts = TotalItem.query(parts_pk(org_id), TotalItem.sk.between(first, last), attributes_to_get=["pk", "sk"])
    return {part.sk.split("#", 2)[2] for part in parts}
