"""The books on the local cloud: sixteen writers at once with a model beside them, and the jobs that keep the books."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from gpubroker.kernel.ids import new_id
from gpubroker.ledger.book import Book, Leg, NewHold, Transfer
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


@pytest.fixture
def books(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process as a client of the engine, at the ledger's own table."""
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "LEDGER_TABLE": cloud.environment["stack"]["outputs"]["LedgerTableName"],
    }.items():
        monkeypatch.setenv(name, value)
    forget_clients()
    yield
    forget_clients()


def test_sixteen_writers_lose_no_update_and_break_no_invariant(books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random operations, of whose calls some fail before or after their effect; every answer is one that could be; in
    the end every account is to the micro-dollar what all answers together say (I1 to I9, I11, I12)."""
    monkeypatch.setenv("LEDGER_TABLE", "ledger-walk")
    make_table("ledger-walk")
    outcome = crowd(writers=16, operations=OPERATIONS, share_failing=0.02)
    assert set(outcome.struck) == set(MODES)
    assert {"done", "InsufficientFunds", "BudgetExceeded", "TransferConflict", "HoldExceeded"} <= set(outcome.answers)


def test_the_jobs_keep_the_books(cloud: LocalCloud, books: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An expired hold is released by the sweep, the books are proved by the workflow, and a wrong account is found."""
    book, account = Book(), new_id("usr")
    book.open(account)
    book.transfer(Transfer(new_id("dep"), "deposit", (Leg(CLEARING, account, 5_000_000),)))
    hold_id = new_id("hld")
    book.hold(NewHold(hold_id, account, 2_000_000, expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    functions, outputs = boto3.client("lambda"), cloud.environment["stack"]["outputs"]
    (sweep,) = [
        function["FunctionName"]
        for page in functions.get_paginator("list_functions").paginate()
        for function in page["Functions"]
        if function["Handler"] == "ledger.release_holds.handler"
    ]
    answer = functions.invoke(FunctionName=sweep, Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert book.held(hold_id, account).state is HoldState.EXPIRED
    assert book.account(account).held == 0

    assert _verified(outputs)["status"] == "SUCCEEDED"
    assert commands.main(["verify"]) == 0
    _add_to_room(account, 1)
    try:
        wrong = _verified(outputs)
        assert (wrong["status"], wrong["error"]) == ("FAILED", "BooksWrong")
        assert commands.main(["account", account]) == 1
        assert f"WRONG {account} room" in capsys.readouterr().out
    finally:
        _add_to_room(account, -1)
    assert _verified(outputs)["status"] == "SUCCEEDED"


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
