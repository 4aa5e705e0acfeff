"""The books on the local cloud: sixteen writers at once with a model beside them, and the jobs that keep the books."""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.client
import pytest

from gpubroker.kernel.ids import new_id
from gpubroker.ledger.book import Book, Leg, NewHold, Transfer
from gpubroker.ledger.holds import HoldState
from gpubroker.ledger.items import REGISTER_SHARDS, AccountItem
from gpubroker.ledger.problems import AccountNotFound
from gpubroker.ledger.verification import Report, conclude, verify
from gpubroker.storage import table as storage_table
from infra import ledger as commands
from infra.local.cloud import LocalCloud
from tests.books.auditor import Auditor
from tests.books.faults import failing
from tests.books.walk import CLEARING, FEES, LIMITS, PERIOD, Walk
from tests.e2e.callers import eventually

WRITERS = 16
OPERATIONS = int(os.environ.get("LEDGER_OPERATIONS", "20000"))
FAILING = 0.02
ACCOUNTS = ("usr_1", "usr_2", "usr_3", "usr_4", "org_1", "org_2")


@pytest.fixture
def books(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This process as a client of the engine: the address of its DynamoDB. The table is the test's choice."""
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "LEDGER_TABLE": cloud.environment["stack"]["outputs"]["LedgerTableName"],
    }.items():
        monkeypatch.setenv(name, value)
    _forget_clients()
    yield cloud.endpoint_url
    _forget_clients()


def _forget_clients() -> None:
    """pynamodb keeps a connection, with its table's name, in each model."""
    from gpubroker.ledger import items

    storage_table._shared.cache_clear()
    for model in vars(items).values():
        if isinstance(model, type) and issubclass(model, storage_table.Item):
            model._connection = None
    from gpubroker.storage.outbox import _entry_of

    _entry_of.cache_clear()


def _own_table(name: str) -> None:
    attributes = ("pk", "sk", "gsi1pk", "gsi1sk")
    index = {
        "IndexName": "gsi1",
        "KeySchema": [
            {"AttributeName": "gsi1pk", "KeyType": "HASH"},
            {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    boto3.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in attributes],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[index],
    )


def test_sixteen_writers_lose_no_update_and_break_no_invariant(
    books: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """20,000 random operations, of whose calls some fail before or after their effect; every answer is one that could
    be; in the end every account is to the micro-dollar what all answers together say (I1 to I9, I11, I12)."""
    monkeypatch.setenv("LEDGER_TABLE", "ledger-walk")
    _own_table("ledger-walk")
    real, rng, struck = botocore.client.BaseClient._make_api_call, random.Random(5), Counter[str]()

    def sometimes(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        def answer(operation: str, arguments: dict[str, Any]) -> Any:
            return real(client, operation, arguments)

        if rng.random() >= FAILING:
            return answer(operation, arguments)
        mode = rng.choice(["before", "after", "conflict", "throttled"])
        struck[mode] += 1
        return failing(mode, answer, operation, arguments)

    book, auditor = Book(), Auditor()
    for account in ACCOUNTS:
        book.open(account)
    auditor.certain |= {("budget", key): limit for key, limit in LIMITS.items()}
    walks = [
        Walk(book, auditor, random.Random(n), str(n), ACCOUNTS, ACCOUNTS[n : n + 1], lambda: datetime.now(UTC))
        for n in range(WRITERS)
    ]

    def run(walk: Walk) -> None:
        for _ in range(OPERATIONS // WRITERS):
            walk.step()
        walk.finish()

    with monkeypatch.context() as patched:
        patched.setattr(botocore.client.BaseClient, "_make_api_call", sometimes)
        begun = time.monotonic()
        with ThreadPoolExecutor(WRITERS) as pool:
            for done in [pool.submit(run, walk) for walk in walks]:
                done.result()
        seconds = time.monotonic() - begun
    answers = sum((walk.answers for walk in walks), Counter[str]())
    with capsys.disabled():
        print(f"\n{OPERATIONS} operations of {WRITERS} writers in {seconds:.1f} s; {dict(struck)}; {dict(answers)}")
    assert set(struck) == {"before", "after", "conflict", "throttled"}
    assert {"done", "InsufficientFunds", "BudgetExceeded", "TransferConflict", "HoldExceeded"} <= set(answers)

    total = 0
    for account in (*ACCOUNTS, "seller:x", "seller:y", *(f"escrow:{n}" for n in range(WRITERS)), CLEARING, FEES):
        expected = auditor.certain.get(("room", account), 0)
        try:
            balance = book.balance(account)
        except AccountNotFound:
            assert expected == 0, account
            continue
        assert balance.held == 0, account
        assert balance.available + balance.credit_limit == expected, account
        total += balance.posted
    assert total == 0
    for key, limit in LIMITS.items():
        assert limit - book.budget_use(key, PERIOD).used == auditor.certain["budget", key]
    later = datetime.now(UTC) + timedelta(hours=1)  # so that every entry counts as settled
    reports = [verify(Report(shard), begun_at=later) for shard in range(REGISTER_SHARDS)]
    verdict = conclude(reports, shards=REGISTER_SHARDS)
    assert verdict.right, verdict
    assert verdict.settled_debits == verdict.settled_credits > 0


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
