"""The audit log and analytics over the API. # (39)-(45)"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest

from gpubroker.kernel.time import iso, utc_now
from tests.contract.callers import Callers
from tests.contract.house import House, Reply, query

BASE = "/api/management/integration"
PLANTED = "plant3d"
Ask = Callable[..., Reply]


@pytest.fixture
def ask(house: House, callers: Callers) -> Ask:
    def asked(method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return house.call(method, BASE + path, token=callers["service"].token, body=body, headers=sent)

    return asked


def log(ask: Ask, kind: str, told: dict[str, Any], **more: Any) -> None:
    assert ask("POST", "/audit/log", {"eventType": kind, "eventData": told} | more).status == 200


def found(ask: Ask, **wanted: Any) -> list[dict[str, Any]]:
    reply = ask("GET", f"/audit/events?{query(**wanted)}")
    assert reply.status == 200, reply.text
    events: list[dict[str, Any]] = reply.json()["events"]
    return events


def test_what_was_logged_is_found_by_type_subject_and_time(ask: Ask) -> None:
    """(39), (40), (42)"""
    begun = iso(utc_now())
    log(ask, "kyc.checked", {"userId": "usr_k", "outcome": {"passed": True, "score": 0.1, "by": ["a", None]}})
    log(ask, "kyc.checked", {"userId": "usr_l"})
    log(ask, "order.flagged", {"order_id": "ord_k"}, subject="usr_k")
    assert [one["eventData"] for one in found(ask, type="kyc.checked", since=begun)] == [
        {"userId": "usr_l"},
        {"userId": "usr_k", "outcome": {"passed": True, "score": 0.1, "by": ["a", None]}},
    ]
    assert [one["eventType"] for one in found(ask, subject="usr_k")] == ["order.flagged", "kyc.checked"]
    assert [one["subjects"] for one in found(ask, subject="ord_k")] == [["usr_k", "ord_k"]]
    assert [one["subjects"] for one in found(ask, subject="usr_k", type="kyc.checked")] == [["usr_k"]]
    assert len(found(ask, since=begun)) == 3
    assert found(ask, until=begun, subject="usr_k") == []
    assert found(ask, since=iso(utc_now() + timedelta(minutes=1))) == []
    assert found(ask, type="never.seen") == []
    assert found(ask, subject="usr_k")[0]["actor"] == "service:the-service"


@pytest.mark.parametrize("wanted", [{"type": "page.turned"}, {"subject": "usr_pages"}, {}])
def test_entries_are_read_by_pages_the_newest_first(ask: Ask, wanted: dict[str, str]) -> None:
    begun = iso(utc_now())
    for number in range(7):
        log(ask, "page.turned", {"userId": f"usr_{number}", "accountId": "usr_pages", "number": number})
    seen: list[int] = []
    cursor = None
    while True:
        page = ask("GET", f"/audit/events?{query(**wanted, since=begun, limit=3, cursor=cursor)}").json()
        seen += [one["eventData"]["number"] for one in page["events"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    # In the order of their moments; two of one millisecond may stand either way, in different chains.
    assert sorted(seen) == list(range(7))
    assert len(seen) == 7
    assert ask("GET", f"/audit/events?{query(type='other', cursor='x')}").status == 400


def test_each_entry_holds_the_hash_of_the_one_before_it(ask: Ask) -> None:
    for _ in range(3):
        log(ask, "chained", {"userId": "usr_chain"})
    newest, middle, oldest = found(ask, subject="usr_chain", type="chained")
    assert newest["prevHash"] == middle["hash"]
    assert middle["prevHash"] == oldest["hash"]
    assert [newest["sequence"], middle["sequence"]] == [middle["sequence"] + 1, oldest["sequence"] + 1]
    assert len({one["chain"] for one in (newest, middle, oldest)}) == 1


def test_no_secret_is_kept(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """(42)"""
    jwt = f"eyJhbGciOiJFUzI1NiJ9.{PLANTED}AAAAAAAA.{PLANTED}BBBB"
    told = {
        "userId": "usr_secret",
        "password": f"{PLANTED}1",
        "nested": [
            {"api_key": f"{PLANTED}2", "clientSecret": {"value": f"{PLANTED}3"}, "note": f"Bearer {PLANTED}44444"}
        ],
        "url": f"https://me:{PLANTED}5@example.com/?token={PLANTED}6&page=2",
        "text": f"it said {jwt} and gpb_U{PLANTED.upper()}AAAAAAAAAAAAAAAA",
        f"sk_live_{PLANTED}777777777": 1,
        "card": "4242 4242 4242 4242",
        "kept": "what is no secret",
    }
    log(ask, "secret.told", told)
    assert ask("POST", "/analytics/ingest", {"eventType": "secret.told", "eventData": told}).status == 200
    (entry,) = found(ask, subject="usr_secret")
    assert entry["eventData"]["kept"] == "what is no secret"
    assert entry["eventData"]["password"] == "[removed]"
    stored = boto3.resource("dynamodb", region_name="us-east-1").Table("ManagementTable").scan()["Items"]
    for text in [repr(item) for item in stored] + [repr(vars(record)) for record in caplog.records]:
        assert PLANTED not in text.lower(), text
        assert "4242 4242" not in text


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"eventType": "", "eventData": {}}, "eventType"),
        ({"eventType": "x" * 101, "eventData": {}}, "eventType"),
        ({"eventType": "a#b", "eventData": {}}, "eventType"),
        ({"eventType": "a", "eventData": []}, "eventData"),
        ({"eventType": "a", "eventData": "text"}, "eventData"),
        ({"eventType": "a", "eventData": {"text": "x" * 70_000}}, "eventData"),
        ({"eventType": "a", "eventData": {"a": 1}, "subject": "with#hash"}, "subject"),
    ],
)
@pytest.mark.parametrize("path", ["/audit/log", "/analytics/ingest"])
def test_what_cannot_be_kept_is_refused(ask: Ask, path: str, body: Any, word: str) -> None:
    reply = ask("POST", path, body)
    assert (reply.status, reply.json()["success"]) == (400, False)
    assert word in reply.json()["error"]


@pytest.mark.parametrize("path", ["/audit/log", "/analytics/ingest"])
def test_numbers_and_depths_that_cannot_be_kept_are_refused(ask: Ask, path: str) -> None:
    deep: Any = {}
    for _ in range(25):
        deep = {"deeper": deep}
    for text in ('{"a": 1e400}', json.dumps(deep), "[" * 100_000):
        assert ask("POST", path, f'{{"eventType": "a", "eventData": {text}}}').status == 400
    huge = ask("POST", path, f'{{"eventType": "huge", "eventData": {{"number": {10**40}}}}}')
    assert huge.status == 200


@pytest.mark.parametrize(
    "wanted",
    [
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"limit": 0},
        {"limit": 101},
        {"cursor": "x"},
        {"what": "ever"},
    ],
)
def test_wrong_questions_are_refused(ask: Ask, wanted: dict[str, Any]) -> None:
    assert ask("GET", f"/audit/events?{query(**wanted)}").status == 400
    if "limit" not in wanted and "cursor" not in wanted:
        assert ask("GET", f"/analytics/counts?{query(type='a', **wanted)}").status == 400


# ---------------------------------------------------------------- analytics


def counts(ask: Ask, kind: str, **wanted: Any) -> dict[str, Any]:
    reply = ask("GET", f"/analytics/counts?{query(type=kind, **wanted)}")
    assert reply.status == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def test_events_are_counted_by_type_and_time_each_request_once(ask: Ask) -> None:
    """(43)-(45)"""
    for _ in range(3):
        ask("POST", "/analytics/ingest", {"eventType": "counted", "eventData": {"a": 1}})
    for _ in range(2):
        ask("POST", "/analytics/ingest", {"eventType": "counted", "eventData": {"a": 2}}, idempotency_key="count-once")
    ask("POST", "/analytics/ingest", {"eventType": "counted.not", "eventData": {}})
    ask("POST", "/analytics/ingest", {"eventType": "counted", "eventData": 5})
    for granularity in ("hour", "day"):
        told = counts(ask, "counted", granularity=granularity)
        assert told["total"] == sum(one["count"] for one in told["counts"]) == 4
        assert (told["eventType"], told["granularity"]) == ("counted", granularity)
        assert len(told["counts"]) == (25 if granularity == "hour" else 31)
    now = utc_now()
    assert counts(ask, "counted", since=iso(now - timedelta(seconds=1)), until=iso(now))["total"] == 4
    long_ago = now - timedelta(days=40)
    assert counts(ask, "counted", since=iso(long_ago), until=iso(long_ago + timedelta(days=1)))["total"] == 0
    assert counts(ask, "never.seen")["total"] == 0


def test_a_secret_is_no_type_of_events(ask: Ask) -> None:
    reply = ask("POST", "/analytics/ingest", {"eventType": "sk_live_0123456789abcdef", "eventData": {}})
    assert (reply.status, "eventType" in reply.json()["error"]) == (400, True)


def test_too_long_a_span_is_refused(ask: Ask) -> None:
    now = utc_now()
    for granularity, days in (("hour", 32), ("day", 367)):
        wanted = query(type="a", granularity=granularity, since=iso(now - timedelta(days=days)), until=iso(now))
        assert "since" in ask("GET", f"/analytics/counts?{wanted}").json()["error"]
    assert ask("GET", "/analytics/counts").status == 400
    assert ask("GET", f"/analytics/counts?{query(type='a', granularity='minute')}").status == 400


def test_there_is_a_bound_to_the_number_of_types(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpubroker.management.analytics import counts as module
    from gpubroker.management.analytics.items import TypesItem

    ask("POST", "/analytics/ingest", {"eventType": "the.last", "eventData": {}})
    monkeypatch.setattr(module, "MOST_TYPES", int(TypesItem.get("ANALYTICS", "TYPES").count))
    reply = ask("POST", "/analytics/ingest", {"eventType": "one.too.many", "eventData": {}})
    assert (reply.status, reply.json()["success"]) == (409, False)
    assert "eventType" in reply.json()["error"]
    assert ask("POST", "/analytics/ingest", {"eventType": "the.last", "eventData": {}}).status == 200
    assert counts(ask, "one.too.many")["total"] == 0
