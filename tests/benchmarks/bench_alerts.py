"""One change of a price against a thousand and a million alerts, of which ten fire: requests and read units.

The alerts' entries are what the product writes for them (index.entries_of), put into moto's table without its API,
which would take hours. The rest watch the same GPU at other thresholds in the very partitions that are asked, and other
regions, providers and GPUs at thresholds that the change crosses: whatever a reading that is not exact would meet.
Read units are counted by DynamoDB's rule for a strongly consistent Query: the sizes of the items read, added up and
rounded up to 4 KB, a unit each, and at least one.
"""

import gc
import os
import random
from dataclasses import replace
from typing import Any

import botocore.client
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from gpubroker.prices.alerts.alert import Alert
from tests.benchmarks import calls
from tests.benchmarks.harness import Row, row
from tests.unit.prices.alerts.making import a_change, an_alert

FIRING = 10
REGIONS = ("us-east", "us-west", "eu-west", "ap-northeast")
PROVIDERS = (None, "vastai", "runpod", "verda")
GPUS = ("A100", "H100", "V100", "RTX 4090")
OLD, NEW = 2_000_000, 1_400_000


def run() -> list[Row]:
    with calls.standard_output_to(), mock_aws():
        return _counted()


def _counted() -> list[Row]:
    calls.be_a_function("")
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    os.environ |= {"PRICES_TABLE": "prices"}
    import boto3

    from gpubroker.composition import alerts as composition

    boto3.client("dynamodb").create_table(
        TableName="prices",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    asked: list[tuple[str, float]] = []
    real = botocore.client.BaseClient._make_api_call

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        answer = real(client, operation, arguments)
        asked.append((operation, read_units(answer["Items"], answer["ScannedCount"])))
        return answer

    botocore.client.BaseClient._make_api_call = counted
    change = a_change(OLD, NEW, region="us-east", provider="vastai", spot=False)
    matcher = composition.alert_matcher()
    rows, made = [], 0
    for number in (1_000, 1_000_000):
        made += _keep(number, already=made)
        asked.clear()
        hits = matcher.hits([change])
        if [operation for operation, _ in asked] != ["Query"] * len(asked) or len(hits) != FIRING:
            raise AssertionError(f"{len(hits)} alerts fire, by {asked}")
        units = sum(part for _, part in asked)
        rows.append(row(f"requests against {number:,} alerts, {FIRING} fire", len(asked), "requests", limit=3))
        rows.append(row(f"read units against {number:,} alerts, {FIRING} fire", units, "units", limit=20))
    same = [(one.value, one.unit) for one in rows[:2]] == [(one.value, one.unit) for one in rows[2:]]
    return [*rows[:2], *(replace(one, holds=one.holds and same) for one in rows[2:])]


def read_units(items: list[dict[str, Any]], scanned: int) -> int:
    """Of a strongly consistent Query whose answer is all that it read."""
    if scanned != len(items):
        raise AssertionError("items were read and filtered out")
    size = sum(
        len(name.encode()) + len(next(iter(value.values())).encode()) for item in items for name, value in item.items()
    )
    return max(1, -(-size // 4096))


def _keep(number: int, *, already: int) -> int:
    """Fill up to `number` alerts; ten of them fire."""
    from moto.dynamodb.models import dynamodb_backends
    from moto.dynamodb.models.dynamo_type import DynamoType, Item

    from gpubroker.prices.alerts.index import entries_of

    items = dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].tables["prices"].items
    chance = random.Random(1)
    gc.disable()  # it would look through a growing million of items, again and again
    for count in range(already, number):
        alert = firing(count) if count < FIRING else silent(count, chance)
        for pk, sk in entries_of(alert):
            keys = DynamoType({"S": pk}), DynamoType({"S": sk})
            item = Item(*keys, {})
            # As Item does it, but for measuring the whole item with each attribute: minutes of a million.
            dict.update(item.attrs, pk=keys[0], sk=keys[1], tenant=DynamoType({"S": alert.tenant}))
            items[keys[0]][keys[1]] = item
    gc.enable()
    return number - already


def firing(count: int) -> Alert:
    """One of the ten, of every sort of selector."""
    region = None if count % 3 == 0 else "us-east"
    provider = "vastai" if count % 3 == 2 else None
    return _alert(count, region=region, provider=provider, max_price_micros=NEW + count * 10_000)


def silent(count: int, chance: random.Random) -> Alert:
    """One that the change does not mean: by its threshold in half of the cases, else by its selector alone."""
    if count % 2:
        threshold = chance.choice([chance.randrange(1, NEW), chance.randrange(OLD, 10 * OLD)])
        region, provider = chance.choice([(None, None), ("us-east", None), ("us-east", "vastai")])
        return _alert(count, region=region, provider=provider, max_price_micros=threshold)
    other = chance.choice(["gpu_type", "region", "provider"])
    return _alert(
        count,
        gpu_type=chance.choice(GPUS[1:]) if other == "gpu_type" else "A100",
        region=chance.choice(REGIONS[1:]) if other == "region" else "us-east",
        provider=chance.choice(PROVIDERS[2:]) if other == "provider" else None,
        max_price_micros=chance.randrange(NEW, OLD),
    )


def _alert(count: int, *, region: str | None, **more: Any) -> Alert:
    known = {"alert_id": f"alr_{count:026d}", "tenant": f"usr_{count:026d}", "spot": False}
    return an_alert(region=region, regions=(region,) if region else (), **known, **more)
