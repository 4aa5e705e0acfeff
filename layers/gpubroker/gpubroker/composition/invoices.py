"""What invoices need of usage and of the ledger (billing/invoices/ports.py), and their use cases with all they need."""

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

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
    from gpubroker.ledger.book import Book
    from gpubroker.storage.transaction import Writes


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


@cache
def _book() -> "Book":
    from gpubroker.ledger.book import Book

    return Book()


class _Ledger:
    """billing.invoices.ports.Ledger over the book."""

    @property
    def refusals(self) -> "tuple[type[Exception], ...]":
        from gpubroker.ledger.problems import AccountClosed, AccountFrozen, AccountNotFound, InsufficientFunds

        return (InsufficientFunds, AccountFrozen, AccountClosed, AccountNotFound)

    def available(self, account_id: str) -> int:
        from gpubroker.ledger.problems import AccountNotFound

        with suppress(AccountNotFound):
            return max(0, _book().balance(account_id).available)
        return 0

    def add(
        self, tx: "Writes", transfer_id: str, kind: str, legs: "Sequence[Leg]", reference: "Mapping[str, str]"
    ) -> None:
        from gpubroker.ledger.transfers import Leg, Transfer

        moved = tuple(Leg(leg.debit, leg.credit, leg.amount) for leg in legs)
        told = {name: value for name, value in reference.items() if value}
        _book().add_transfer(tx, Transfer(transfer_id, kind, moved, told))


class _Usage:
    """billing.invoices.ports.Usage over what usage tells of its hours."""

    def hours(self, account_id: str, start: "datetime", end: "datetime") -> "Iterator[UsageHour]":
        raise NotImplementedError

    def events(self, instance_id: str, hour: "datetime") -> "Sequence[Mapping[str, Any]]":
        raise NotImplementedError

    def complete_until(self) -> "datetime | None":
        raise NotImplementedError
