"""Integration tests: storage code against moto's DynamoDB, EventBridge, Kinesis, SQS, SES and Secrets Manager."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

import boto3
import botocore.client
import pytest
from moto import mock_aws

from gpubroker.storage import table as storage_table

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "POWERTOOLS_SERVICE_NAME": "test",
        "EDGE_SECRET": "a-secret-of-the-tests",
        "IDENTITY_TABLE": "identity",
        "OFFERS_TABLE": "offers",
        "PRICES_TABLE": "prices",
        "RENTALS_TABLE": "rentals",
        "DELIVERY_TABLE": "delivery",
        "LEDGER_TABLE": "ledger",
        "USAGE_TABLE": "usage",
        "BILLING_TABLE": "billing",
        "MANAGEMENT_TABLE": "management",
        "EVENT_BUS": "gpubroker",
        "PRICE_STREAM": "prices",
        "USAGE_STREAM": "usage-events",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def aws() -> Iterator[None]:
    """A fresh mocked AWS account."""
    with mock_aws():
        storage_table._shared.cache_clear()
        yield
        storage_table._shared.cache_clear()


@pytest.fixture
def one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests with threads: a call to DynamoDB is atomic; two threads inside moto are not."""
    real, door = botocore.client.BaseClient._make_api_call, Lock()

    def alone(client: Any, operation: str, arguments: Any) -> Any:
        with door:
            return real(client, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", alone)


@pytest.fixture
def make_table(aws: None) -> Callable[[str], Any]:
    """Create a context's table as the templates do: pk, sk, the index gsi1 and a stream."""

    def make(name: str) -> Any:
        client = boto3.client("dynamodb", region_name=REGION)
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "sk", "gsi1pk", "gsi1sk")
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
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
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        return boto3.resource("dynamodb", region_name=REGION).Table(name)

    return make
