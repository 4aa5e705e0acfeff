"""Fresh within a minute, and put right within the hour."""

import json
import time

import httpx
import pytest

from infra.local import aws
from infra.local.cloud import LocalCloud
from tests.e2e.callers import client, eventually

PROMISED_S = 60


@pytest.fixture(scope="module")
def environment(cloud: LocalCloud):
    return cloud.environment


@pytest.fixture
def pro(environment):
    with client(environment, "pro") as http:
        yield http


MOVED = ("vastai", "lambdalabs", "shadeform")


def test_a_price_that_moves_at_a_provider_is_found_in_the_api_within_a_minute(cloud: LocalCloud, pro):  # (172)
    def page_of(provider):
        return pro.get("/api/v2/providers", params={"provider": provider, "sort": "price", "limit": 1}).json()

    def cheapest():
        return {provider: page_of(provider)["offers"][0]["price_per_gpu_hour"] for provider in MOVED}

    def move(factor):
        for provider in MOVED:
            told = {"provider": provider, "factor": factor}
            httpx.post(f"{cloud.providers_url}/_control/prices", json=told).raise_for_status()

    before = cheapest()
    moved = time.monotonic()
    move(0.5)
    try:
        # By what time the test has seen them, which is later than they were there.
        after = eventually(
            cheapest, lambda seen: all(seen[one] < before[one] * 0.75 for one in MOVED), seconds=PROMISED_S, every=0.5
        )
        assert time.monotonic() - moved < PROMISED_S
        for provider in MOVED:
            page = page_of(provider)
            part = next(part for part in page["providers"] if part["provider"] == provider)
            assert part["age_seconds"] < PROMISED_S
            assert (part["stale"], page["offers"][0]["stale"]) == (False, False)
    finally:
        move(2)
    eventually(cheapest, lambda seen: all(seen[one] > after[one] * 1.5 for one in MOVED), seconds=PROMISED_S, every=0.5)


def test_the_hourly_reconciliation_puts_back_what_was_lost(cloud: LocalCloud, environment, pro):  # R10.4 (234)
    outputs = environment["stack"]["nested"]["Offers"]
    table = aws.client("dynamodb", cloud.endpoint_url)
    part = {":pk": {"S": "PART#vastai"}, ":sk": {"S": "BUCKET#"}}
    query = {
        "TableName": outputs["OffersTableName"],
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
        "ExpressionAttributeValues": part,
        "ProjectionExpression": "pk, sk",
    }
    keys = table.query(**query)["Items"]
    table.delete_item(TableName=outputs["OffersTableName"], Key=keys[0])
    steps = aws.client("stepfunctions", cloud.endpoint_url)
    started = steps.start_execution(stateMachineArn=outputs["CatalogueToReconciledStateMachineArn"], input="{}")

    def execution():
        return steps.describe_execution(executionArn=started["executionArn"])

    done = eventually(execution, lambda seen: seen["status"] != "RUNNING", seconds=60)
    assert done["status"] == "SUCCEEDED", done
    reports = {told["report"]["provider"]: told["report"] for told in json.loads(done["output"])}
    assert len(reports) == len(pro.get("/api/v2/providers").json()["providers"])
    lost = reports.pop("vastai")
    assert (lost["BucketsLost"], lost["asked"]) == (1, "ok")
    assert {report["BucketsRepaired"] for report in reports.values()} == {0}
    assert table.query(**query)["Items"] == keys
