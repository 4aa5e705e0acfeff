"""Many writers at once on one table of an engine, with the model beside them, and the books proved in the end."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import boto3
import botocore.client

from gpubroker.ledger import items
from gpubroker.ledger.book import Book
from gpubroker.ledger.items import REGISTER_SHARDS
from gpubroker.ledger.problems import AccountNotFound
from gpubroker.ledger.verification import Report, Verdict, conclude, verify
from gpubroker.storage import outbox
from gpubroker.storage import table as storage_table
from tests.books.auditor import Auditor
from tests.books.faults import MODES, failing
from tests.books.walk import CLEARING, FEES, LIMITS, PERIOD, Walk

ACCOUNTS = ("usr_1", "usr_2", "usr_3", "usr_4", "org_1", "org_2")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a crowd did; it has raised AssertionError where an answer, or a sum in the end, was wrong."""

    operations: int
    seconds: float
    struck: Counter[str]
    answers: Counter[str]
    verdict: Verdict


def forget_clients() -> None:
    """pynamodb keeps a connection, with its table's name, in each model: the next use looks at the environment."""
    storage_table._shared.cache_clear()
    for model in vars(items).values():
        if isinstance(model, type) and issubclass(model, storage_table.Item):
            model._connection = None
    outbox._entry_of.cache_clear()


def make_table(name: str) -> None:
    """A table like the ledger's, without a stream, at the engine that the environment names."""
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


def crowd(*, writers: int, operations: int, share_failing: float) -> Outcome:
    """`operations` random operations of `writers` threads on an empty table (LEDGER_TABLE)."""
    real, rng, struck = botocore.client.BaseClient._make_api_call, random.Random(5), Counter[str]()

    def sometimes(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        def answer(operation: str, arguments: dict[str, Any]) -> Any:
            return real(client, operation, arguments)

        if rng.random() >= share_failing:
            return answer(operation, arguments)
        mode = rng.choice(MODES)
        struck[mode] += 1
        return failing(mode, answer, operation, arguments)

    book, auditor = Book(), Auditor()
    for account in ACCOUNTS:
        book.open(account)
    auditor.certain |= {("budget", key): limit for key, limit in LIMITS.items()}
    walks = [
        Walk(book, auditor, random.Random(n), str(n), ACCOUNTS, ACCOUNTS[n : n + 1], lambda: datetime.now(UTC))
        for n in range(writers)
    ]

    def run(walk: Walk) -> None:
        for _ in range(operations // writers):
            walk.step()
        walk.finish()

    begun = time.monotonic()
    with patch.object(botocore.client.BaseClient, "_make_api_call", sometimes), ThreadPoolExecutor(writers) as pool:
        for done in [pool.submit(run, walk) for walk in walks]:
            done.result()
    seconds = time.monotonic() - begun
    check_balances(book, auditor, writers)
    later = datetime.now(UTC) + timedelta(hours=1)  # so that every entry counts as settled
    reports = [verify(Report(shard), begun_at=later) for shard in range(REGISTER_SHARDS)]
    verdict = conclude(reports, shards=REGISTER_SHARDS)
    assert verdict.right, verdict
    assert verdict.settled_debits == verdict.settled_credits > 0
    answers = sum((walk.answers for walk in walks), Counter[str]())
    return Outcome(operations, seconds, struck, answers, verdict)


def check_balances(book: Book, auditor: Auditor, writers: int) -> None:
    """Nothing is held, every account is what all answers together say, and all sum to nothing."""
    total = 0
    for account in (*ACCOUNTS, "seller:x", "seller:y", *(f"escrow:{n}" for n in range(writers)), CLEARING, FEES):
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
