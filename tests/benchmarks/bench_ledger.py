"""The books: calls to DynamoDB of each operation, transfers on one hot account and on a thousand, and a crowd.

Calls are counted on the tests' store, where botocore would make them. Transfers run against the local cloud's engine,
sixteen writers at once, beside the obvious other way to do it on the same engine: read both accounts, then write them
under the condition that their versions are still those (what is read is stale whenever somebody else was faster).
The engine takes one transaction after the other, so that no conflict is seen there; DynamoDB refuses what meets another
transaction, and so does the store of the fifty writers.
"""

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.benchmarks.bench_local_edge import cloud
from tests.benchmarks.harness import Row, row

WRITERS = 16
TRANSFERS = 1_600
MANY = 1_000
OPERATIONS = 20_000
PEER = "read, then write by version"

_AT_THE_ENGINE = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "LEDGER_TABLE": "ledger-bench",
}


def run() -> list[Row]:
    os.environ.update(_AT_THE_ENGINE)
    rows = [*_calls(), *_contended()]
    with cloud() as environment:
        os.environ["AWS_ENDPOINT_URL"] = environment["aws_endpoint_url"]
        rows += [*_transfers(), *_crowd()]
    return rows


def _calls() -> list[Row]:
    """Calls of each operation, on accounts that are there."""
    from gpubroker.ledger.book import Book, Leg, NewHold, Transfer
    from tests.books.store import Store, instead_of_dynamodb

    store, book = Store(), Book()
    found: list[Row] = []

    def counted(name: str, limit: int, act: Callable[[], Any]) -> None:
        store.calls.clear()
        act()
        found.append(row(name, sum(store.calls.values()), "calls", limit=limit))

    with instead_of_dynamodb(store):
        book.open("usr_a", credit_limit=1_000)
        legs = (Leg("usr_a", "escrow:o", 100), Leg("escrow:o", "seller:x", 99), Leg("escrow:o", "house:fees", 1))
        counted("transfer of three legs", 1, lambda: book.transfer(Transfer("t-1", "sale", legs)))
        counted("hold", 1, lambda: book.hold(NewHold("h-1", "usr_a", 100)))
        counted("adjustment of a hold", 2, lambda: book.adjust("h-1", "usr_a", 120))
        counted("capture", 2, lambda: book.capture("h-1", "usr_a", "c-1", 90, {"escrow:o": 90}))
        book.hold(NewHold("h-2", "usr_a", 100))
        counted("void", 2, lambda: book.void("h-2", "usr_a"))
        counted("reversal", 3, lambda: book.reverse("r-1", "c-1"))
        counted("balance", 1, lambda: book.balance("usr_a"))
        counted("balance of a sharded account", 1, lambda: book.balance("house:fees"))
        number, begun = itertools.count(), time.process_time()
        for _ in range(500):
            book.transfer(Transfer(f"m-{next(number)}", "sale", (Leg("house:clearing", "usr_a", 1),)))
        spent = (time.process_time() - begun) / 500 * 1e6
    return [*found, row("CPU of a transfer, store in memory", spent, "us")]


def _contended() -> list[Row]:
    """Fifty at once where two transactions on one item never pass together."""
    from gpubroker.ledger.book import Book, Leg, Transfer
    from tests.books.store import Contended, instead_of_dynamodb

    store, book = Contended(seconds=0.01), Book()
    with instead_of_dynamodb(store):
        book.open("usr_hot")

        def pay(number: int) -> bool:
            return bool(book.transfer(Transfer(f"t-{number}", "sale", (Leg("house:clearing", "usr_hot", 1),))))

        begun = time.monotonic()
        with ThreadPoolExecutor(50) as pool:
            through = sum(pool.map(pay, range(50)))
        seconds = time.monotonic() - begun
    return [
        row("fifty writers on one account, 10 ms a transaction: not through", 50 - through, "transfers", limit=0),
        row("fifty writers on one account, 10 ms a transaction: all through after", seconds, "s", limit=10.0),
    ]


def _transfers() -> list[Row]:
    """Transfers a second and calls a transfer, ours and the peer's, on the same accounts in turn."""
    from gpubroker.ledger.book import Book, Leg, Transfer
    from tests.books.crowd import forget_clients, make_table

    forget_clients()
    make_table("ledger-bench")
    book = Book()
    many = [f"usr_{number}" for number in range(MANY)]
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda one: book.open(one, credit_limit=10**12), ["usr_hot", *many]))
    rng, number = random.Random(1), itertools.count()

    def ours(debit: str, credit: str) -> None:
        book.transfer(Transfer(f"t-{next(number)}", "sale", (Leg(debit, credit, 1),)))

    peer = _ByVersion()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(peer.open, ["usr_hot", *many]))
    hot = [("usr_hot", rng.choice(many)) for _ in range(TRANSFERS)]
    spread = [tuple(rng.sample(many, 2)) for _ in range(TRANSFERS)]
    rows = []
    for name, pairs in (("one hot account", hot), ("1,000 accounts", spread)):
        with _counting() as calls:
            seconds = _all(ours, pairs)
            made = calls[0]
        with _counting() as calls:
            peers = _all(peer.transfer, pairs)
            peers_made = calls[0]
        rows += [
            row(
                f"calls a transfer, {name}, {WRITERS} writers",
                made / TRANSFERS,
                "calls",
                limit=1.0,
                peer=PEER,
                peer_value=peers_made / TRANSFERS,
            ),
            row(
                f"milliseconds a transfer, {name}, {WRITERS} writers",
                seconds / TRANSFERS * 1e3,
                "ms",
                peer=PEER,
                peer_value=peers / TRANSFERS * 1e3,
                faster=1.0,
            ),
        ]
    return rows


def _all(transfer: Callable[[str, str], None], pairs: list[Any]) -> float:
    begun = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda pair: transfer(*pair), pairs))
    return time.monotonic() - begun


@contextmanager
def _counting() -> Iterator[list[int]]:
    """How many calls botocore makes."""
    import botocore.client

    real, calls = botocore.client.BaseClient._make_api_call, [0]
    tickets = itertools.count(1)

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        calls[0] = max(calls[0], next(tickets))
        return real(client, operation, arguments)

    botocore.client.BaseClient._make_api_call = counted
    try:
        yield calls
    finally:
        botocore.client.BaseClient._make_api_call = real


class _ByVersion:
    """The same transfer with as many items, by reading both accounts and writing them where nobody else has."""

    def __init__(self) -> None:
        self._client = boto3.client("dynamodb", config=Config(max_pool_connections=WRITERS))
        self._number = itertools.count()

    def open(self, account: str) -> None:
        item = {"pk": {"S": f"PEER#{account}"}, "sk": {"S": "A"}, "balance": {"N": "0"}, "version": {"N": "0"}}
        self._client.put_item(TableName="ledger-bench", Item=item)

    def transfer(self, debit: str, credit: str) -> None:
        name = f"PEER-{next(self._number)}"
        while True:
            before = {one: self._read(one) for one in (debit, credit)}
            changes = [(debit, -1), (credit, 1)]
            actions = [self._write(account, before[account], change) for account, change in changes]
            for kind in ("TRANSFER", "ENTRY-1", "ENTRY-2", "FACT"):
                item = {"pk": {"S": f"{kind}#{name}"}, "sk": {"S": kind}, "legs": {"S": f"{debit} {credit} 1"}}
                put = {"TableName": "ledger-bench", "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
                actions.append({"Put": put})
            try:
                self._client.transact_write_items(TransactItems=actions)
                return
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise

    def _read(self, account: str) -> dict[str, int]:
        key = {"pk": {"S": f"PEER#{account}"}, "sk": {"S": "A"}}
        item = self._client.get_item(TableName="ledger-bench", Key=key, ConsistentRead=True)["Item"]
        return {name: int(item[name]["N"]) for name in ("balance", "version")}

    def _write(self, account: str, before: dict[str, int], change: int) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": "ledger-bench",
                "Key": {"pk": {"S": f"PEER#{account}"}, "sk": {"S": "A"}},
                "UpdateExpression": "SET balance = :b, version = :n",
                "ConditionExpression": "version = :v",
                "ExpressionAttributeValues": {
                    ":b": {"N": str(before["balance"] + change)},
                    ":v": {"N": str(before["version"])},
                    ":n": {"N": str(before["version"] + 1)},
                },
            }
        }


def _crowd() -> list[Row]:
    """20,000 random operations with failing calls and the model beside them: it raises where an answer or a sum is
    wrong."""
    from tests.books.crowd import crowd, forget_clients, make_table

    os.environ["LEDGER_TABLE"] = "ledger-crowd"
    forget_clients()
    make_table("ledger-crowd")
    outcome = crowd(writers=WRITERS, operations=OPERATIONS, share_failing=0.02)
    return [
        row("20,000 operations of 16 writers: wrong sums", outcome.verdict.wrong, "differences", limit=0),
        row("20,000 operations of 16 writers: calls that failed on purpose", sum(outcome.struck.values()), "calls"),
        row("20,000 operations of 16 writers: took", outcome.seconds, "s"),
    ]
