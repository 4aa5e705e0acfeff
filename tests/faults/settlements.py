"""The world of settlements under faults: infra/management.yaml, management's books and the ledger in one account."""

import heapq
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import boto3
import botocore.client
import pytest

from gpubroker.composition import settlement as composition
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.ledger.accounts import State as AccountState
from gpubroker.ledger.book import Book, Leg, NewHold, Transfer
from gpubroker.ledger.items import AccountItem, HoldItem
from gpubroker.management.fees import Fees
from gpubroker.management.order import OrderUpdate, Terms, new_order
from gpubroker.management.settlement.payouts.payout import BankAccount
from gpubroker.management.settlement.payouts.port import Payee
from gpubroker.management.settlement.requests import ReversalRequest
from gpubroker.management.settlement.settlement import Settlement
from gpubroker.management.states import OrderStatus, TransactionStatus
from gpubroker.management.trades import Trades
from gpubroker.management.transaction import Transaction
from gpubroker.management.volumes import Volumes
from infra.rules import templates
from tests.faults.conftest import _create
from tests.faults.driver import World, message

USD = 1_000_000
SERVICE = Caller(Role.SERVICE, "svc_tier", "svc_tier", Plan.ENTERPRISE, frozenset({"management:write"}), "svc_tier")
ADMIN = Caller(Role.ADMIN, "usr_admin", "usr_admin", Plan.ENTERPRISE, frozenset({"admin:*"}), "usr_admin")
BANK = BankAccount("Acme GPU Ltd", iban="DE89370400440532013000", bic="COBADEFFXXX")
FEES = Fees(5 * USD, 5 * USD)
TERMS = Terms(0, Decimal("0.5"), Decimal("0.5"))

VARIABLES = {
    "MANAGEMENT_TABLE": "management-under-faults",
    "TRANSACTION_TO_PAYOUT_STATE_MACHINE": "TransactionToPayoutStateMachine",
    "PAYOUT_FILES": "payout-files",
    "PAYOUT_DEBTOR_NAME": "GPUBROKER",
    "PAYOUT_DEBTOR_IBAN": "GB33BUKB20201555555555",
    "PAYOUT_DEBTOR_BIC": "BUKBGB22",
}


@dataclass
class SettlementWorld(World):
    template_path: ClassVar[Path] = templates.ROOT / "infra" / "management.yaml"
    machine_names: ClassVar[tuple[str, ...]] = ("TransactionToPayoutStateMachine",)
    context: ClassVar[str] = "management"

    shelf: dict[str, bytes] = field(default_factory=dict)
    running: str = ""
    made: set[tuple[str, str, str]] = field(default_factory=set)
    """(function, action, resource) of every call to AWS behind the API."""

    def function(self, name: str, event: Any) -> Any:
        before, self.running = self.running, name
        try:
            return super().function(name, event)
        finally:
            self.running = before

    def aws(self, client: Any, operation: str, arguments: dict[str, Any], real: Callable[..., Any]) -> Any:
        if self.running:
            self.made |= {(self.running, *call) for call in calls(client, operation, arguments)}

        def stored(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
            if operation != "PutObject":
                return real(client, operation, arguments)
            self.shelf[arguments["Key"]] = arguments["Body"]
            return {}

        return super().aws(client, operation, arguments, stored)

    def step(self) -> None:
        """The next thing that happens by itself."""
        moment, _, action = heapq.heappop(self._queue)
        self.now = max(self.now, moment)
        action()

    def sweep(self, *, providers: tuple[str, ...] = ()) -> None:
        self.function("SweepSettlementsFunction", {})
        self.settle()

    def on_event(self, event: dict[str, Any]) -> None:
        pattern = self.template["StartSettlementFunction"]["Properties"]["Events"]["Work"]["Properties"]["Pattern"]
        if event["source"] in pattern["source"] and event["detail-type"] in pattern["detail-type"]:
            self.later("StartSettlementFunction", event, tries=3)
        for rule in ("RentalTransactionsToSettle", "FinalisedRentalsToRefund"):
            if _matches(self.template[rule]["Properties"]["EventPattern"], event):
                told = {"Records": [message(json.dumps(event))]}
                self.later("FollowTransactionsFunction", told, tries=40, again=180)

    # ------------------------------------------------------------ what is there before

    def credit(self, account: str, amount: int) -> None:
        book().open(account)
        name = f"fund:{account}:{next(self._order)}"
        book().transfer(Transfer(name, "deposit", (Leg("house:clearing", account, amount),)))

    def trade(
        self,
        buyer: str,
        seller: str = "seller:acme",
        amount: int = 1000 * USD,
        *,
        fees: Fees = FEES,
        status: TransactionStatus = TransactionStatus.COMPLETED,
        rental: bool = False,
        told: bool = False,
        of: int | None = None,
        name: str = "1",
        order: str = "",
    ) -> str:
        """An order (over `of`, where it has several) and its transaction, as the processing tier or a rental tells of
        them; the transaction's id."""
        order_id, transaction_id = f"ord-{buyer}{order}", f"txn-{buyer}-{name}"
        asked = OrderUpdate(order_id, buyer, OrderStatus.COMPLETED, amount if of is None else of, seller)
        made = Transaction(
            transaction_id=transaction_id,
            order_id=order_id,
            user_id=buyer,
            seller_id=seller,
            status=status,
            amount=amount,
            fees=fees,
            fee_version=0,
            created_at=self.now,
            updated_at=self.now,
            source="rental" if rental else "api",
        )

        def tell() -> None:
            if rental:
                escrowed = (Leg(buyer, f"escrow:{order_id}", amount + fees.buyer),)
                book().transfer(Transfer(f"captured:{transaction_id}", "capture", escrowed))
            Trades().change_order(buyer, order_id, lambda before: before or new_order(asked, TERMS, now=self.now))
            Trades().change_transaction(buyer, order_id, transaction_id, lambda before, order: before or made)

        self.insisting(tell) if told else tell()
        return transaction_id

    def spend(self, account: str, amount: int) -> None:
        """Money leaves an account some other way."""
        book().transfer(Transfer(f"spent:{account}:{amount}", "withdrawal", (Leg(account, "house:clearing", amount),)))

    def freeze(self, account: str) -> None:
        book().set_state(account, AccountState.FROZEN)

    def daily(self) -> None:
        """What the schedule does, tried again as Lambda does it."""
        self.later("FilePayoutsFunction", {}, tries=3)
        self.settle(within=timedelta(minutes=30))

    def close(self, account: str) -> None:
        book().set_state(account, AccountState.CLOSED)

    def hold(self, account: str, amount: int, **span: float) -> None:
        """Something else holds money of an account for a while."""
        until = self.now + timedelta(**span)
        book().hold(NewHold(f"held:{account}:{next(self._order)}", account, amount, expires_at=until))

    def finalised(self, buyer: str, cost: int) -> None:
        """A rental's cost is confirmed, and the bus tells of it: it was rented by somebody else than who pays."""
        data = {"final_cost_micros": cost, "billed_by": "gpubroker", "account_id": buyer}
        detail = {"rental_id": f"ord-{buyer}", "user_id": "usr_renter", "data": data}
        self.on_event({"source": "gpubroker.rentals", "detail-type": "RentalFinalised", "detail": detail})

    def paid_by_bank(self, seller: str = "seller:acme") -> None:
        payees = composition.settlements()
        payees.save_payee(Payee(seller, "bank_file", BANK, payees.payee(seller).version))

    # ------------------------------------------------------------ what callers do

    def instruct(self, transaction_id: str) -> None:
        self.insisting(lambda: composition.settlement_desk().execute(SERVICE, transaction_id))

    def reverse(self, transaction_id: str, amount: float | None = None, *, key: str = "k") -> None:
        wanted = ReversalRequest.model_validate_json(json.dumps({"reason": "asked for"} | _amount(amount)))
        idempotency = Idempotency.of(key, tenant="usr_admin", route="reverse", body=b"same")
        self.insisting(lambda: composition.settlement_desk().reverse(ADMIN, transaction_id, wanted, idempotency))

    def settlement(self, buyer: str, name: str = "1") -> Settlement:
        return composition.settlements().of(buyer, f"txn-{buyer}-{name}")


IN_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def calls(client: Any, operation: str, arguments: dict[str, Any]) -> set[tuple[str, str]]:
    """What IAM looks at for a call: (action, resource), the items of a transaction each by itself."""
    service = client._service_model.service_name
    if service != "dynamodb":
        return {("states" if service == "stepfunctions" else service, operation)}
    if operation == "TransactWriteItems":
        items = [(kind, told) for item in arguments["TransactItems"] for kind, told in item.items()]
        return {(IN_TRANSACTION[kind], _table(told["TableName"])) for kind, told in items}
    if operation == "BatchGetItem":
        return {(operation, _table(name)) for name in arguments["RequestItems"]}
    return {(operation, _table(arguments["TableName"]) + ("/index" if "IndexName" in arguments else ""))}


def granted(template: dict[str, Any], function: str) -> set[tuple[str, str]]:
    """The same of a function's policies."""
    found = set()
    for statement in template[function]["Properties"]["Policies"][0]["Statement"]:
        actions, resource = statement["Action"], json.dumps(statement["Resource"])
        for service, _, operation in (action.partition(":") for action in actions):
            if service == "dynamodb":
                table = "management" if "ManagementTable" in resource else "ledger"
                found.add((operation, table + ("/index" if "/index/" in resource else "")))
            else:
                found.add((service, operation))
    return found


def _table(name: str) -> str:
    return name.removesuffix("-under-faults")


def _matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """An EventBridge pattern of lists, which may look into the detail."""
    return all(
        _matches(wanted, event[name]) if isinstance(wanted, dict) else event.get(name) in wanted
        for name, wanted in pattern.items()
    )


def _amount(amount: float | None) -> dict[str, float]:
    return {} if amount is None else {"amount": amount}


@contextmanager
def open_books() -> Iterator[None]:
    """Management's table beside the ledger's, and where everything is."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in VARIABLES.items():
            environment.setenv(name, value)
        _create("management-under-faults")
        yield
        boto3.client("dynamodb").delete_table(TableName="management-under-faults")


def told(world: World, kind: str) -> int:
    """How many events of a kind there were, each once however often the relay sent it."""
    return len({event["detail"]["event_id"] for event in world.events if event["detail-type"] == kind})


def book() -> Book:
    return composition._book()


def balance(account: str) -> int:
    """What is posted to an account; 0 for one that there is not."""
    from gpubroker.ledger.problems import AccountNotFound

    try:
        return book().account(account).posted
    except AccountNotFound:
        return 0


def volume(account: str, side: Any, world: World) -> int:
    return Volumes().of(account, side, now=world.now)


def books_balance() -> None:
    """Of all accounts, credits are debits (I1), nothing is held any more, and nobody but the house is below nothing."""
    accounts = [item.value() for item in AccountItem.scan(AccountItem.sk == "ACCOUNT")]
    assert sum(one.credits for one in accounts) == sum(one.debits for one in accounts)
    for one in accounts:
        assert one.held == 0, one
        assert one.posted >= 0 or one.account_id.startswith("house:"), one
    for item in HoldItem.scan(HoldItem.pk.exists() & HoldItem.state.exists()):
        if item.pk.endswith("#HOLD"):
            assert item.value().amount == 0, item.sk


_FACTORIES = (
    "settlement_desk",
    "settlement_steps",
    "settlement_starter",
    "settlement_sweep",
    "settlement_follower",
    "payout_desk",
    "payout_batch",
    "settlements",
    "_book",
)


@contextmanager
def installed(world: SettlementWorld) -> Iterator[SettlementWorld]:
    """The world in the place of AWS and of the clock."""
    real = botocore.client.BaseClient._make_api_call

    def aws(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        return world.aws(client, operation, arguments, real)

    for name in _FACTORIES:
        getattr(composition, name).cache_clear()
    with (
        patch.object(botocore.client.BaseClient, "_make_api_call", aws),
        patch("gpubroker.kernel.time.utc_now", lambda: world.now),
        patch("random.uniform", lambda low, high: (low + high) / 2),
        patch("time.sleep", lambda _: None),
    ):
        yield world
    for name in _FACTORIES:
        getattr(composition, name).cache_clear()


def rest(world: SettlementWorld, buyer: str, name: str = "1") -> Settlement:
    """The settlement once it is at rest: by its workflow, or by the sweep where that did not get there."""
    for _ in range(8):
        found = world.settlement(buyer, name)
        if found.state.at_rest:
            return found
        world.advance(minutes=70)
        world.sweep()
    raise AssertionError(f"{found.state} {found.changes} {world.executions} {world.log}")
