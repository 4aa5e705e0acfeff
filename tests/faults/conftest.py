"""One moto account for all fault tests (an own tenant for each), and a world in the place of the rest of AWS."""

from collections.abc import Callable, Iterator

import boto3
import pytest
from moto import mock_aws

from gpubroker.storage import table as storage_table
from tests.faults.driver import MACHINES, World, installed

REGION = "us-east-1"


@pytest.fixture(scope="module")
def account() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "REDIS_URL"):
        patch.delenv(name, raising=False)
    variables = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "POWERTOOLS_SERVICE_NAME": "rentals",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "EDGE_SECRET": "a-secret-of-the-tests",
        "RENTALS_TABLE": "rentals-under-faults",
        "OFFERS_TABLE": "offers-under-faults",
        "LEDGER_TABLE": "ledger-under-faults",
        "EVENT_BUS": "gpubroker",
        "API_ID": "abc123",
        "LOOK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/looks",
        "REQUEST_TO_READY_STATE_MACHINE": MACHINES[0],
        "SCALING_STATE_MACHINE": MACHINES[1],
        "READY_TO_ENDED_STATE_MACHINE": MACHINES[2],
        "DELIVERY_TABLE": "delivery-under-faults",
        "WEBHOOK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/webhook-queue",
        "WEBHOOK_FAN_OUT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/1/webhook-fan-out-queue",
        "FAILED_TO_DELIVERED_STATE_MACHINE": "FailedToDeliveredStateMachine",
    }
    for name, value in variables.items():
        patch.setenv(name, value)
    with mock_aws():
        storage_table._shared.cache_clear()
        for table in ("rentals-under-faults", "offers-under-faults", "delivery-under-faults", "ledger-under-faults"):
            _create(table)
        yield
        storage_table._shared.cache_clear()
    patch.undo()


def _create(table: str) -> None:
    keys = ("pk", "sk", "gsi1pk", "gsi1sk")
    boto3.client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "gsi1",
                "KeySchema": [
                    {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                    {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )


@pytest.fixture
def world(account: None) -> Iterator[World]:
    with installed(World()) as ready:
        yield ready


@pytest.fixture
def worlds(account: None) -> Callable[[], World]:
    """For tests that need one world after the other: use `installed(worlds())`."""
    return World
