"""The books on the local cloud: sixteen writers at once with a model beside them, and the jobs that keep the books."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import iso
from gpubroker.ledger.book import Book, BudgetCharge, Leg, NewHold, Transfer
from gpubroker.ledger.holds import HoldState
from gpubroker.ledger.items import AccountItem
from infra import ledger as commands
from infra.local.cloud import LocalCloud
from tests.books.crowd import crowd, forget_clients, make_table
from tests.books.faults import MODES
from tests.books.walk import CLEARING
from tests.e2e.callers import eventually

OPERATIONS = int(os.environ.get("LEDGER_OPERATIONS", "3200"))
"""`make bench` does all 20,000 (tests/benchmarks/bench_ledger.py)."""


@contextmanager
def at_the_books(cloud: LocalCloud) -> Iterator[None]:
    """This process as a client of the engine, at the ledger's own table."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {
            "AWS_ENDPOINT_URL": cloud.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "LEDGER_TABLE": cloud.environment["stack"]["outputs"]["LedgerTableName"],
        }.items():
            patched.setenv(name, value)
        forget_clients()
        yield
    forget_clients()


@pytest.fixture
def books(cloud: LocalCloud) -> Iterator[None]:
    with at_the_books(cloud):
        yield


def test_sixteen_writers_lose_no_update_and_break_no_invariant(books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random operations, of whose calls some fail before or after their effect; every answer is one that could be; in
    the end every account is to the micro-dollar what all answers together say (I1 to I9, I11, I12)."""
    monkeypatch.setenv("LEDGER_TABLE", "ledger-walk")
    make_table("ledger-walk")
    outcome = crowd(writers=16, operations=OPERATIONS, share_failing=0.02)
    assert set(outcome.struck) == set(MODES)
    assert {"done", "InsufficientFunds", "BudgetExceeded", "TransferConflict", "HoldExceeded"} <= set(outcome.answers)


def test_the_jobs_keep_the_books(cloud: LocalCloud, books: None, capsys: pytest.CaptureFixture[str]) -> None:
    """An expired hold is released by the sweep, the books are proved by the workflow, and a wrong account is found."""
    outputs = cloud.environment["stack"]["outputs"]
    account = the_jobs_do_their_work(outputs)
    assert commands.main(["verify"]) == 0
    _add_to_room(account, 1)
    wrong = _verified(outputs)
    assert (wrong["status"], wrong["error"]) == ("FAILED", "BooksWrong")
    assert commands.main(["account", account]) == 1
    assert f"WRONG {account} room" in capsys.readouterr().out
    assert commands.main(["mend", account]) == 0
    assert _verified(outputs)["status"] == "SUCCEEDED"


def the_jobs_do_their_work(outputs: dict[str, str]) -> str:
    """Each function of the ledger's jobs does all that it may have to do; the account that was used."""
    book, account, order = Book(), new_id("usr"), f"escrow:{new_id('ord')}"
    book.open(account)
    legs = (Leg(CLEARING, account, 5_000_000), Leg(CLEARING, order, 1), Leg(order, account, 1))
    book.transfer(Transfer(new_id("dep"), "deposit", legs))
    hold_id, over = new_id("hld"), datetime.now(UTC) - timedelta(seconds=1)
    budget = (BudgetCharge(account, "2026-05", 9_000_000),)
    book.hold(NewHold(hold_id, account, 2_000_000, expires_at=over, budget=budget))
    _invoked("ledger.release_holds.handler", {})
    assert book.held(hold_id, account).state is HoldState.EXPIRED
    assert (book.account(account).held, book.budget_use(account, "2026-05").used) == (0, 0)

    # As it will be in two months: what is finished leaves the register.
    shard = int(AccountItem.register_shard(order).partition("#")[2])
    later = iso(datetime.now(UTC) + timedelta(days=60))
    assert _invoked("ledger.verify_shard.handler", {"shard": shard, "begun_at": later})["retired"] >= 1
    assert _verified(outputs)["status"] == "SUCCEEDED"
    return account


def _invoked(handler: str, event: dict[str, Any]) -> Any:
    functions = boto3.client("lambda")
    (name,) = [
        function["FunctionName"]
        for page in functions.get_paginator("list_functions").paginate()
        for function in page["Functions"]
        if function["Handler"] == handler
    ]
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    payload = answer["Payload"].read()
    assert "FunctionError" not in answer, payload
    return json.loads(payload)


def _verified(outputs: dict[str, str]) -> dict[str, Any]:
    workflows = boto3.client("stepfunctions")
    started = workflows.start_execution(
        stateMachineArn=outputs["RegisterToVerifiedStateMachineArn"], name=new_id("run"), input=json.dumps({})
    )
    return eventually(
        lambda: workflows.describe_execution(executionArn=started["executionArn"]),
        lambda seen: seen["status"] != "RUNNING",
        seconds=60,
    )


def _add_to_room(account: str, amount: int) -> None:
    pk, sk = AccountItem.key(account)
    boto3.client("dynamodb").update_item(
        TableName=os.environ["LEDGER_TABLE"],
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression="ADD room :a",
        ExpressionAttributeValues={":a": {"N": str(amount)}},
    )
