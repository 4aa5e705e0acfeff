"""Calls to AWS of one request to a warm function, counted where botocore makes them, against moto's tables: with the
real store, the real snapshot and callers whose credentials are known. (tests/integration counts every endpoint's.)
"""

import json
import os
import time
from typing import Any

import botocore.client
from moto import mock_aws

from gpubroker.kernel.caller import Plan
from tests.benchmarks import calls, market
from tests.benchmarks.harness import Row, row

TABLES = ("identity", "ledger", "offers", "rentals")


def run() -> list[Row]:
    with calls.standard_output_to(), mock_aws():
        return _counted()


def _counted() -> list[Row]:
    calls.be_a_function("")
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    os.environ |= {f"{table.upper()}_TABLE": table for table in TABLES}
    import boto3

    from gpubroker.composition import identity as composition
    from gpubroker.ledger.book import Book, Leg, Transfer
    from gpubroker.offers import snapshot
    from gpubroker.offers.integrations import store
    from gpubroker.offers.integrations.store import Integration, Status
    from gpubroker.offers.state import PartState
    from offers.get_offer import handler as get_offer
    from offers.list_offers import handler as list_offers
    from rentals.create_rental import handler as create_rental
    from rentals.get_rental import handler as get_rental

    database = boto3.client("dynamodb")
    for table in TABLES:
        _create(database, table)
    now = time.time()
    offers = [offer for offer in market.offers(2_000, now=now) if offer.provider == "vastai"]
    snapshot.take(PartState(provider="vastai"), snapshot.Answer("vastai", now, offers=offers))
    cheapest = min(offers, key=lambda offer: offer.price_micros_per_hour)
    callers, tenant = calls.Callers(1, Plan.PRO), f"usr_{0:026d}"
    Book().open(tenant)
    Book().transfer(Transfer("deposit", "deposit", (Leg("house:clearing", tenant, 1_000_000_000),), {}))
    composition.verifier = lambda: callers.verifier  # type: ignore[assignment]
    made: list[str] = []
    real = botocore.client.BaseClient._make_api_call

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        made.append(operation)
        return real(client, operation, arguments)

    botocore.client.BaseClient._make_api_call = counted

    def asked(handler: Any, *, path: dict[str, str] | None = None, body: Any = None) -> tuple[int, Any]:
        """How many calls the second of two equal requests makes, and what it answers."""
        for _ in range(2):
            made.clear()
            before = callers.reads
            event = calls.event(token=callers.tokens[0]) | {"pathParameters": path or {}}
            event["body"] = None if body is None else json.dumps(body)
            response = handler(event, calls.Context())
            if response["statusCode"] >= 300:
                raise AssertionError(f"{response['statusCode']}: {response['body'][:300]}")
        return len(made) + callers.reads - before, json.loads(response["body"])

    listed, _ = asked(list_offers)
    one, _ = asked(get_offer, path={"offer_id": cheapest.offer_id})
    requested, rental = asked(create_rental, body={"offer_id": cheapest.offer_id, "duration_hours": 1})
    own = Integration(
        "int_1", tenant, cheapest.provider, "2026-05-24T10:00:00.000Z", Status.ACTIVE, "f", "2026", None, 0
    )
    store.write(None, own)
    on_own, theirs = asked(create_rental, body={"offer_id": cheapest.offer_id, "duration_hours": 1})
    if theirs["billed_by"] != "provider":
        raise AssertionError("the integration was not used")
    read, _ = asked(get_rental, path={"rental_id": rental["rental_id"]})
    return [
        row("list of offers", listed, "calls", limit=0),
        row("one offer", one, "calls", limit=0),
        row("request of a rental", requested, "calls", limit=3),
        row("request of a rental on one's own account", on_own, "calls", limit=2),
        row("reading a rental", read, "calls", limit=1),
    ]


def _create(database: Any, table: str) -> None:
    database.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "gsi1pk", "gsi1sk")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "gsi1",
                "KeySchema": [
                    {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                    {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
