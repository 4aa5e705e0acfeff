"""A price moved at a provider is on the bus and in history; a poison record stops nobody. # R12, R13 (244-255)"""

import json
import time
import uuid
from datetime import UTC, datetime

import boto3
import httpx
import pytest

from gpubroker.kernel.time import iso
from gpubroker.messaging.price_stream import packed, partition_of
from tests.e2e.callers import client, eventually

H100 = {"provider": "vastai", "gpu": "H100"}


@pytest.fixture(scope="module")
def aws(cloud):
    def made(service):
        return boto3.client(
            service,
            endpoint_url=cloud.environment["aws_endpoint_url"],
            region_name=cloud.environment["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return made


@pytest.fixture(scope="module")
def outputs(cloud):
    return cloud.environment["stack"]["outputs"]


@pytest.fixture(scope="module")
def heard(aws, outputs):
    """What the bus tells of prices from now on: a rule and a queue of our own, like any consumer's."""
    name = f"prices-{uuid.uuid4().hex[:8]}"
    sqs, events = aws("sqs"), aws("events")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = {"EventBusName": outputs["EventBusName"]}
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["gpubroker.prices"]}), **bus)
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}], **bus)
    seen = {}

    def of(kind):
        """The rows that events of a kind have told so far."""
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            event = json.loads(message["Body"])
            rows = next(value for value in event["detail"].values() if isinstance(value, list))
            seen.setdefault(event["detail-type"], []).extend(rows)
        return list(seen.get(kind, []))

    yield of
    events.remove_targets(Rule=name, Ids=["queue"], **bus)
    events.delete_rule(Name=name, **bus)
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def put(aws, outputs):
    """Put a change straight into the stream; its event id."""

    def made(offer, price, *, data=None):
        now = datetime.now(UTC)
        told = {
            "provider": "test",
            "offer_id": offer,
            "old_price_micros": 2_000_000,
            "new_price_micros": price,
            "new_price_micros_per_hour": price,
            "timestamp": iso(now),
            "gpu_type": "Test GPU",
            "gpu_count": 1,
            "region": None,
            "spot": False,
            "event_id": f"evt_{uuid.uuid4().hex}",
        }
        aws("kinesis").put_record(
            StreamName=outputs["PriceStreamName"],
            PartitionKey=partition_of(offer),
            Data=packed([told]) if data is None else data,
        )
        return told["event_id"]

    return made


@pytest.fixture
def history(cloud):
    with client(cloud.environment, "free") as http:

        def asked(*, headers=None, **parameters):
            answer = http.get("/api/v2/analytics/price-history", params=parameters, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer

        yield asked


def test_a_price_that_a_provider_moves_is_told_on_the_bus_and_kept_in_history(cloud, heard, history):
    control = f"{cloud.providers_url}/_control/prices"
    httpx.post(control, json={**H100, "factor": 1.25}).raise_for_status()
    try:
        significant = eventually(lambda: heard("PriceChangesDetected"), bool, seconds=60)  # R13.6 (255)
        change = next(one for one in significant if one["provider"] == "vastai")
        assert change["change_percent"] == pytest.approx(25, abs=0.5)
        assert change["event_id"] in {update["event_id"] for update in heard("PricesUpdated")}

        points = eventually(
            lambda: history(offer_id=change["offer_id"], days=1).json()["points"],
            lambda points: change["event_id"] in [point["event_id"] for point in points],
            seconds=20,
        )
        assert points[-1]["price_micros"] == change["new_price_micros"]
        table = history(offer_id=change["offer_id"], days=1, headers={"accept": "text/csv"})
        assert table.headers["content-type"].startswith("text/csv")
        assert f",{change['event_id']}," in table.text

        month = history(gpu="H100", days=30).json()  # Journey 3 (280)
        assert (month["resolution"], len(month["points"])) == ("daily", 31)
        assert month["gaps"] in (29, 30), "of a cloud that may have seen one midnight"
        today = month["points"][-1]
        assert today["partial"]
        assert today["min"] <= today["median"] <= today["max"]
    finally:
        httpx.post(control, json={**H100, "factor": 0.8}).raise_for_status()


def test_a_poison_record_lands_in_the_queue_and_its_neighbours_are_told(aws, outputs, heard, put):
    offer = f"test-{uuid.uuid4().hex[:8]}"
    before = put(offer, 2_000_001)
    put(offer, 0, data=b"poison")
    after = put(offer, 2_000_002)
    told = eventually(
        lambda: [update["event_id"] for update in heard("PricesUpdated") if update["offer_id"] == offer],
        lambda ids: after in ids,
        seconds=20,
    )
    assert told == [before, after]
    url = outputs["UnreadPricesQueueUrl"]
    aside = eventually(lambda: aws("sqs").receive_message(QueueUrl=url).get("Messages"), bool, seconds=20)
    assert json.loads(aside[0]["Body"])["data"] == "cG9pc29u"
    aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=aside[0]["ReceiptHandle"])


def test_a_change_is_on_the_bus_well_within_half_a_second_of_its_arrival(heard, put):
    """Of twenty, the usual one; a busy machine may hold some back."""
    offer, waits = f"test-{uuid.uuid4().hex[:8]}", []
    for number in range(20):
        started = time.monotonic()
        event_id = put(offer, 2_000_000 + number)
        eventually(
            lambda: {update["event_id"] for update in heard("PricesUpdated")},
            lambda ids, wanted=event_id: wanted in ids,
            seconds=20,
            every=0.01,
        )
        waits.append(time.monotonic() - started)
    assert sorted(waits)[10] < 0.5, waits


def test_a_minutes_average_is_told_after_it_is_over(heard, put, aws, outputs):  # R13.4 (253)
    put(f"test-{uuid.uuid4().hex[:8]}", 3_000_000)

    def told():
        """What the schedule does each minute, more often: closing what is over twice tells it once."""
        aws("lambda").invoke(FunctionName=outputs["AveragePricesFunctionName"], Payload=b"{}")
        return [window for window in heard("PricesAveraged") if window["gpu_type"] == "Test GPU"]

    windows = eventually(told, bool, seconds=200, every=2)
    assert all(window["min_price"] <= window["average_price"] <= window["max_price"] for window in windows)


def test_the_market_is_looked_at_and_rolled_up_without_an_error(aws, outputs, history):
    """By hand what the schedules do: the look at the market, and the plan of roll-ups."""
    for function in ("RecordMarketFunctionName", "PlanRollupsFunctionName", "RedrivePricesFunctionName"):
        answer = aws("lambda").invoke(FunctionName=outputs[function], Payload=b"{}")
        assert "FunctionError" not in answer, answer["Payload"].read()
    found = history(gpu="A100", days=1, resolution="hourly").json()["points"]
    assert found[-1]["offers"] > 50
