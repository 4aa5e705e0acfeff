"""Accounts, organisations, deposits and withdrawals: their use cases with everything they need."""

from functools import cache
from typing import TYPE_CHECKING

from gpubroker.composition import books

if TYPE_CHECKING:
    from gpubroker.ledger.alerts import Alerts
    from gpubroker.ledger.desk.access import Access
    from gpubroker.ledger.desk.accounts import AccountDesk
    from gpubroker.ledger.desk.interventions import InterventionDesk
    from gpubroker.ledger.desk.postings import PostingDesk
    from gpubroker.ledger.desk.register import Register
    from gpubroker.ledger.funding.desk import DepositDesk, WithdrawalDesk
    from gpubroker.ledger.funding.payments import Payments
    from gpubroker.ledger.organizations.desk import OrganizationDesk
    from gpubroker.ledger.payers import Payers
    from gpubroker.ledger.ports import Users
    from gpubroker.ledger.registration import Registration


@cache
def account_desk() -> "AccountDesk":
    """What callers may do with accounts. Touches DynamoDB only, so it may stand inside the VPC; so do all here."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.desk.accounts import AccountDesk
    from gpubroker.ledger.organizations.repository import Organizations
    from gpubroker.ledger.personal import PersonalBudgets

    return AccountDesk(
        book=books.book(),
        register=_register(),
        access=_access(),
        organizations=Organizations(),
        personal=PersonalBudgets(),
        clock=utc_now,
    )


@cache
def intervention_desk() -> "InterventionDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.desk.interventions import InterventionDesk

    return InterventionDesk(book=books.book(), register=_register(), access=_access(), users=users(), clock=utc_now)


@cache
def posting_desk() -> "PostingDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.desk.postings import PostingDesk

    return PostingDesk(book=books.book(), payers=payers(), clock=utc_now)


@cache
def organization_desk() -> "OrganizationDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.organizations.desk import OrganizationDesk
    from gpubroker.ledger.organizations.repository import Organizations
    from gpubroker.ledger.spending import spending_of

    return OrganizationDesk(
        organizations=Organizations(), register=_register(), spending=spending_of, users=users(), clock=utc_now
    )


@cache
def deposit_desk() -> "DepositDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.funding.desk import DepositDesk
    from gpubroker.ledger.funding.store import Deposits

    return DepositDesk(deposits=Deposits(), register=_register(), access=_access(), clock=utc_now)


@cache
def withdrawal_desk() -> "WithdrawalDesk":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.funding.desk import WithdrawalDesk
    from gpubroker.ledger.funding.store import Withdrawals

    return WithdrawalDesk(
        withdrawals=Withdrawals(), book=books.book(), register=_register(), access=_access(), clock=utc_now
    )


@cache
def payments() -> "Payments":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.funding.payments import Payments
    from gpubroker.ledger.funding.store import Deposits

    return Payments(book=books.book(), deposits=Deposits(), clock=utc_now)


@cache
def registration() -> "Registration":
    from gpubroker.ledger.registration import Registration

    return Registration(book=books.book())


@cache
def budget_alerts() -> "Alerts":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.alerts import Alerts
    from gpubroker.ledger.organizations.repository import Organizations
    from gpubroker.ledger.personal import PersonalBudgets

    return Alerts(organizations=Organizations(), personal=PersonalBudgets(), clock=utc_now)


@cache
def payers() -> "Payers":
    from gpubroker.ledger.organizations.repository import Organizations
    from gpubroker.ledger.payers import Payers
    from gpubroker.ledger.personal import PersonalBudgets

    return Payers(organizations=Organizations(), personal=PersonalBudgets(), opened=books.book().open)


@cache
def users() -> "Users":
    """The users of identity, as accounts need them."""
    return _Users()


class _Users:
    """ledger.ports.Users over identity's standings."""

    def exists(self, user_id: str) -> bool:
        from gpubroker.identity.store.standings import standing_of

        return user_id.startswith("usr_") and standing_of(user_id) is not None


@cache
def _register() -> "Register":
    from gpubroker.ledger.desk.register import Register

    return Register(book=books.book())


@cache
def _access() -> "Access":
    from gpubroker.ledger.desk.access import Access
    from gpubroker.ledger.organizations.repository import Organizations

    return Access(Organizations())
