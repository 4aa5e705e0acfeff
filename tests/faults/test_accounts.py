"""Each call to DynamoDB of what is done with accounts fails in turn: before it, after it took effect, by a conflict,
throttled. Whoever asked asks again with the same key, a queue brings its message again. In the end money, states and
facts are what they are when nothing fails: nothing is lost, nothing is done or told twice.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pynamodb.exceptions import PynamoDBException

from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.alerts import Alerts
from gpubroker.ledger.book import Book
from gpubroker.ledger.budgets import Budget
from gpubroker.ledger.desk.access import Access
from gpubroker.ledger.desk.accounts import AccountDesk
from gpubroker.ledger.desk.interventions import InterventionDesk
from gpubroker.ledger.desk.register import Register
from gpubroker.ledger.desk.requests import CreditRequest, DeductRequest, InterventionRequest, ReversalRequest
from gpubroker.ledger.funding.desk import DepositDesk, WithdrawalDesk
from gpubroker.ledger.funding.payments import Payments
from gpubroker.ledger.funding.requests import DecisionRequest, DepositRequest, WithdrawalRequest
from gpubroker.ledger.funding.store import Deposits, Withdrawals
from gpubroker.ledger.organizations.desk import OrganizationDesk
from gpubroker.ledger.organizations.repository import Organizations
from gpubroker.ledger.organizations.requests import MemberRequest, OrganizationRequest
from gpubroker.ledger.personal import PersonalBudgets
from gpubroker.ledger.registration import Registration
from gpubroker.ledger.spending import spending_of
from tests.books.faults import failing
from tests.books.store import Store, instead_of_dynamodb

MODES = ("before", "after", "conflict", "throttled")
NOW = datetime(2026, 5, 24, 10, tzinfo=UTC)
ADA, BOB = "usr_01J000000000000000000000AD", "usr_01J000000000000000000000B0"
USER = Caller(Role.USER, ADA, ADA, Plan.PRO, frozenset({"accounts:read", "accounts:write"}))
ADMIN = Caller(Role.ADMIN, "usr_admin", "usr_admin", Plan.ENTERPRISE, frozenset({"admin:*"}))
SERVICE = Caller(Role.SERVICE, "billing", "svc_1", Plan.ENTERPRISE, frozenset({"accounts:deduct"}))
WHY = InterventionRequest(reason="checked")


class Everybody:
    def exists(self, user_id: str) -> bool:
        return True


def clock() -> datetime:
    return NOW


def key(name: str, tenant: str = ADA) -> Idempotency:
    return Idempotency.of(name, tenant=tenant, route=f"POST /{name}", body=b"the same")


@dataclass
class Play:
    """The house's accounts, and the one call that fails."""

    store: Store = field(default_factory=Store)
    fail: tuple[int, str] | None = None
    armed: bool = False
    calls: int = 0

    def __post_init__(self) -> None:
        book = Book(clock=clock, sleep=lambda _: None)
        register, organizations = Register(book=book, sleep=lambda _: None), Organizations()
        access, deposits, users = Access(organizations), Deposits(sleep=lambda _: None), Everybody()
        self.book = book
        self.accounts = AccountDesk(
            book=book,
            register=register,
            access=access,
            organizations=organizations,
            personal=PersonalBudgets(),
            clock=clock,
        )
        self.by_hand = InterventionDesk(book=book, register=register, access=access, users=users, clock=clock)
        self.deposits = DepositDesk(deposits=deposits, register=register, access=access, clock=clock)
        self.withdrawals = WithdrawalDesk(
            withdrawals=Withdrawals(), book=book, register=register, access=access, clock=clock
        )
        self.payments = Payments(book=book, deposits=deposits, clock=clock)
        self.organizations = OrganizationDesk(
            organizations=organizations, register=register, spending=spending_of, users=users, clock=clock
        )
        self.alerts = Alerts(organizations=organizations, personal=PersonalBudgets(), clock=clock)

    def __call__(self, operation: str, arguments: dict[str, Any]) -> Any:
        if not self.armed:
            return self.store(operation, arguments)
        number, self.calls = self.calls, self.calls + 1
        if self.fail is not None and self.fail[0] == number:
            return failing(self.fail[1], self.store, operation, arguments)
        return self.store(operation, arguments)

    def insist(self, act: Callable[[], Any]) -> Any:
        self.armed = True
        while True:
            try:
                answer = act()
            except (PynamoDBException, Unavailable):
                continue
            self.armed = False
            return answer

    def credit(self, amount: int = 10) -> str:
        wanted = CreditRequest(amount=amount, reason="to begin with")
        return self.by_hand.credit(ADMIN, ADA, wanted, key("begin", "usr_admin")).transfer_id

    def deposit(self) -> dict[str, Any]:
        one = self.deposits.request(USER, ADA, DepositRequest(amount=25), key("deposit"))
        return {
            "payment_id": "pay_1",
            "account_id": ADA,
            "amount_micros": one.amount_micros,
            "currency": "USD",
            "purpose": "deposit",
            "reference": one.deposit_id,
        }

    def withdrawal(self) -> str:
        self.credit()
        wanted = WithdrawalRequest(amount=4, destination="a bank")
        return self.withdrawals.request(USER, ADA, wanted, key("withdraw")).withdrawal_id

    def decide(self, withdrawal_id: str, decision: str) -> Any:
        return self.withdrawals.decide(ADMIN, ADA, withdrawal_id, DecisionRequest(decision=decision, reason="checked"))


def registered(play: Play) -> Any:
    event = {"detail": {"user_id": ADA}}
    return play.insist(lambda: Registration(book=play.book).on_event(event))


def deducted(play: Play) -> Any:
    play.credit()
    return play.insist(lambda: play.accounts.deduct(SERVICE, ADA, DeductRequest(amount=3), key("deduct", "svc_1")))


def credited(play: Play) -> Any:
    return play.insist(lambda: play.credit())


def reversed_(play: Play) -> Any:
    gift = play.credit()
    wanted = ReversalRequest(reason="a mistake")
    return play.insist(lambda: play.by_hand.reverse(ADMIN, gift, wanted, key("reverse", "usr_admin")).amount)


def frozen(play: Play) -> Any:
    play.credit()
    return play.insist(lambda: play.by_hand.freeze(ADMIN, ADA, WHY, key("freeze", "usr_admin")).state)


def closed(play: Play) -> Any:
    play.book.open(ADA)
    return play.insist(lambda: play.by_hand.close(ADMIN, ADA, WHY, key("close", "usr_admin")).state)


def deposit_requested(play: Play) -> Any:
    return play.insist(lambda: play.deposit()["amount_micros"])


def deposit_paid(play: Play) -> Any:
    told = play.deposit()
    play.insist(lambda: play.payments.on_event({"detail-type": "PaymentSucceeded", "detail": told}))
    return play.deposits.deposit_of(USER, ADA, told["reference"]).status


def deposit_refunded(play: Play) -> Any:
    told = play.deposit()
    play.payments.on_event({"detail-type": "PaymentSucceeded", "detail": told})
    play.insist(lambda: play.payments.on_event({"detail-type": "PaymentRefunded", "detail": told}))
    return play.deposits.deposit_of(USER, ADA, told["reference"]).credited


def deposit_for_a_closed_account(play: Play) -> Any:
    told = play.deposit()
    play.by_hand.close(ADMIN, ADA, WHY, None)
    play.insist(lambda: play.payments.on_event({"detail-type": "PaymentSucceeded", "detail": told}))
    return play.deposits.deposit_of(USER, ADA, told["reference"]).status


def withdrawal_requested(play: Play) -> Any:
    play.credit()
    wanted = WithdrawalRequest(amount=4, destination="a bank")
    return play.insist(lambda: play.withdrawals.request(USER, ADA, wanted, key("withdraw")).amount)


def withdrawal_paid(play: Play) -> Any:
    one = play.withdrawal()
    play.insist(lambda: play.decide(one, "approve"))
    return play.insist(lambda: play.decide(one, "pay").status)


def withdrawal_rejected(play: Play) -> Any:
    one = play.withdrawal()
    return play.insist(lambda: play.decide(one, "reject").status)


def withdrawal_cancelled(play: Play) -> Any:
    one = play.withdrawal()
    return play.insist(lambda: play.withdrawals.cancel(USER, ADA, one).status)


def organization_made(play: Play) -> Any:
    wanted = OrganizationRequest(name="Numbers")
    return play.insist(lambda: play.organizations.create(USER, wanted, key("organization")).name)


def member_added(play: Play) -> Any:
    org_id = play.organizations.create(USER, OrganizationRequest(name="Numbers"), None).org_id
    wanted = MemberRequest(user_id=BOB)
    return play.insist(lambda: play.organizations.add(USER, org_id, wanted, key("member")).role)


def alert_told(play: Play) -> Any:
    play.book.open(ADA)
    PersonalBudgets().set(ADA, Budget(100, (500, 1000)))
    play.insist(lambda: play.alerts.on_rise(f"{ADA}#BUDGET", "2026-05", 0, 100))


SCENARIOS = (
    registered,
    deducted,
    credited,
    reversed_,
    frozen,
    closed,
    deposit_requested,
    deposit_paid,
    deposit_refunded,
    deposit_for_a_closed_account,
    withdrawal_requested,
    withdrawal_paid,
    withdrawal_rejected,
    withdrawal_cancelled,
    organization_made,
    member_added,
    alert_told,
)


def played(scenario: Callable[[Play], Any], fail: tuple[int, str] | None = None) -> tuple[Play, Any]:
    with instead_of_dynamodb(play := Play(fail=fail)):
        return play, scenario(play)


def shape(play: Play) -> tuple[Any, ...]:
    """What there is, without the names that are new each time: all keys, sums of accounts, facts by what they say."""
    items = play.store.items
    keys = Counter((_named(pk), _named(sk)) for pk, sk in items)
    sums = Counter(
        (_named(pk), *(item.get(name, {}).get("N", "0") for name in ("credits", "debits", "held", "room")))
        for (pk, sk), item in items.items()
        if sk == "ACCOUNT"
    )
    facts = [orjson.loads(item["event"]["S"]) for (pk, _), item in items.items() if pk.startswith("OUTBOX#")]
    told = Counter((fact["type"], str(fact["data"].get("action") or fact["data"].get("state"))) for fact in facts)
    return keys, sums, told


def _named(text: str) -> str:
    """A key without what is new each time: ids, but for the users'; the shard of the house that an id picks."""
    return re.sub(r"(?<=dep_|wdr_|trf_|cap_|rev_|org_|evt_)[0-9A-Z]{26}|/[0-9]+(?=#)", "", text)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_TABLE", "ledger")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.strip("_"))
def test_each_call_fails_once_and_all_is_as_if_none_had(scenario: Callable[[Play], Any]) -> None:
    calm, expected = played(scenario)
    assert calm.calls
    for number in range(calm.calls):
        for mode in MODES:
            play, answer = played(scenario, (number, mode))
            assert shape(play) == shape(calm), f"call {number} fails {mode}"
            assert answer == expected, f"call {number} fails {mode}"
            assert play.calls > number
