"""Credits over their API, and what invoices consume of them: once, in order, and given back once (442)."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpubroker.billing.credits.credit import MOST_BURNT, Consumption
from gpubroker.billing.credits.items import CreditItem
from gpubroker.billing.credits.store import AlreadyConsumed, Credits
from gpubroker.kernel.time import iso
from gpubroker.storage.transaction import StaleVersion, Writes, transaction
from tests.integration.billing.api import ME, NOW, OTHER, Api, serving

NOV, DEC, JAN = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
STORE = Credits()


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    yield from serving(make_table, monkeypatch)


def grant(api: Api, amount: float = 10, *, account_id: str = ME, key: str | None = None, **more: Any) -> Any:
    number = len(api.told()) if key is None else 0
    answer = api(
        "grant_credit", "admin", account_id=account_id, key=key or f"key-{number}", body={"amount": amount, **more}
    )
    api.clock.tick(seconds=1)
    return answer


def consume(
    invoice_id: str, charges: Mapping[str, int] | int, *, since: datetime = NOV, until: datetime = DEC
) -> Consumption:
    with transaction(CreditItem) as tx:
        return STORE.add_consume(tx, ME, invoice_id, charges, since=since, until=until)


def give_back(invoice_id: str, amount: int | None = None) -> int:
    with transaction(CreditItem) as tx:
        return STORE.add_give_back(tx, ME, invoice_id, amount)


def balances(api: Api) -> dict[str, int]:
    return {one["name"]: one["balance_micros"] for one in api("list_credits", "me", account_id=ME).json["credits"]}


def test_credit_is_granted_once_for_a_key_and_seen_by_its_owner(api: Api) -> None:
    """(442, 451)"""
    made = grant(api, 12.5, key="k", name="Welcome", priority=5, expires_at=iso(JAN), reason="welcome")
    assert made.status == 201
    assert (made.json["amount_micros"], made.json["balance"], made.json["status"]) == (12_500_000, 12.5, "active")
    assert (
        grant(api, 12.5, key="k", name="Welcome", priority=5, expires_at=iso(JAN), reason="welcome").json == made.json
    )
    assert api("grant_credit", "admin", account_id=ME, body={"amount": 1}).status == 400, "a key is required"
    assert api("list_credits", "me", account_id=ME).json == {"credits": [made.json], "next_cursor": None}
    assert api("list_credits", "other", account_id=ME).status == 404
    assert api("grant_credit", "me", account_id=ME, key="x", body={"amount": 1}).status == 403
    (told,) = api.told()
    assert (told["action"], told["subject"], told["reason"]) == ("credit-granted", ME, "welcome")
    assert told["after"]["credit_id"] == made.json["credit_id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 1e13}, "amount"),
        ({"amount": 0.0000001}, "amount"),
        ({"amount": 123456789012.12345}, "amount"),
        ({"amount": "5"}, "amount"),
        ({"amount": True}, "amount"),
        ({"priority": 256}, "priority"),
        ({"priority": -1}, "priority"),
        ({"expires_at": "2026-11-01T00:00:00Z"}, "expires_at"),
        ({"effective_at": "2026-12-02T00:00:00Z", "expires_at": "2026-12-01T00:00:00Z"}, "body"),
        ({"recurrence": {"every": "year"}}, "recurrence.every"),
        ({"resources": ["gold"]}, "resources.0"),
        ({"currency": "EUR"}, "currency"),
    ],
)
def test_a_credit_that_makes_no_sense_is_refused(api: Api, change: dict[str, Any], field: str) -> None:
    refused = api("grant_credit", "admin", account_id=ME, key="k", body={"amount": 1, **change})
    assert (refused.status, api.fields(refused)) == (422, [field])
    assert balances(api) == {}


def test_the_list_pages(api: Api) -> None:
    for number in range(3):
        grant(api, 1 + number, name=str(number))
    first = api("list_credits", "me", account_id=ME, query="limit=2").json
    rest = api("list_credits", "me", account_id=ME, query=f"limit=2&cursor={first['next_cursor']}").json
    assert [one["name"] for one in [*first["credits"], *rest["credits"]]] == ["2", "1", "0"]
    assert api("list_credits", "other", account_id=OTHER, query=f"cursor={first['next_cursor']}").status == 422


def test_an_invoice_burns_in_order_and_once(api: Api) -> None:
    """(442)"""
    grant(api, 4, name="late", expires_at=iso(JAN))
    grant(api, 4, name="soon", expires_at=iso(DEC))
    grant(api, 4, name="first", priority=1)
    grant(api, 4, name="never")
    used = consume("inv_1", 10_000_000)
    assert (used.amount, used.left) == (10_000_000, {"": 0})
    assert balances(api) == {"first": 0, "soon": 0, "late": 2_000_000, "never": 4_000_000}
    with pytest.raises(AlreadyConsumed):
        consume("inv_1", 10_000_000)
    assert balances(api)["late"] == 2_000_000
    assert STORE.consumption_of(ME, "inv_1") == used
    assert STORE.consumption_of(ME, "inv_2") is None
    rest = consume("inv_2", 10_000_000)
    assert (rest.amount, rest.left) == (6_000_000, {"": 4_000_000})
    assert {one["status"] for one in api("list_credits", "me", account_id=ME).json["credits"]} == {"used"}


def test_an_invoice_without_credits_has_consumed_nothing_for_ever(api: Api) -> None:
    """(442)"""
    assert consume("inv_1", 5).amount == 0
    grant(api)
    with pytest.raises(AlreadyConsumed):
        consume("inv_1", 5)


def test_two_invoices_never_burn_the_same_credit(api: Api) -> None:
    """The slower one loses its transaction, and builds it anew (442)"""
    grant(api, 10, name="c")
    slow = Writes()
    STORE.add_consume(slow, ME, "inv_slow", 10_000_000, since=NOV, until=DEC)
    consume("inv_fast", 7_000_000)
    with pytest.raises(StaleVersion):
        slow.commit(CreditItem._get_connection().connection)
    assert STORE.consumption_of(ME, "inv_slow") is None
    assert consume("inv_slow", 10_000_000).amount == 3_000_000


def test_a_credit_pays_the_months_that_it_was_in_force_in(api: Api) -> None:
    """Expired within the month: it pays that month's invoice, which is made when the month is over (442)"""
    grant(api, 1, name="expires", expires_at=iso(NOW + timedelta(days=2)))
    grant(api, 2, name="to come", effective_at=iso(DEC))
    api.clock.now = DEC + timedelta(hours=3)
    assert consume("inv_nov", 100_000_000).amount == 1_000_000
    assert consume("inv_dec", 100_000_000, since=DEC, until=JAN).amount == 2_000_000


def test_a_voided_credit_pays_nothing_more(api: Api) -> None:
    """(442, 451)"""
    made = grant(api, 10, name="c").json
    consume("inv_1", 3_000_000)
    voided = api("void_credit", "admin", account_id=ME, credit_id=made["credit_id"], query="reason=mistake")
    assert (voided.status, voided.json["status"], voided.json["balance"]) == (200, "voided", 0)
    again = api("void_credit", "admin", account_id=ME, credit_id=made["credit_id"])
    assert again.json["voided_at"] == voided.json["voided_at"]
    assert consume("inv_2", 3_000_000).amount == 0
    assert api("void_credit", "admin", account_id=OTHER, credit_id=made["credit_id"]).status == 404
    told = api.told()[-1]
    assert (told["action"], told["reason"], told["before"]["balance_micros"]) == ("credit-voided", "mistake", 7_000_000)


def test_a_recurring_credit_is_whole_again_each_time(api: Api) -> None:
    """(442)"""
    grant(api, 10, name="monthly", recurrence={"every": "month", "anchor": iso(NOV)})
    assert consume("inv_nov", 7_000_000).amount == 7_000_000
    assert consume("inv_nov_late", 7_000_000).amount == 3_000_000
    assert balances(api) == {"monthly": 0}
    assert consume("inv_dec", 99_000_000, since=DEC, until=JAN).amount == 10_000_000
    assert consume("inv_nov_later", 1_000_000).amount == 0, "what November left is gone"
    assert give_back("inv_nov") == 7_000_000
    api.clock.now = DEC
    assert balances(api) == {"monthly": 0}, "November takes back, and is over"
    api.clock.now = JAN
    assert balances(api) == {"monthly": 10_000_000}


def test_credits_for_some_resources_pay_these_only(api: Api) -> None:
    """(442)"""
    grant(api, 5, name="egress", priority=1, resources=["network_egress_mb"])
    grant(api, 5, name="any", priority=2)
    used = consume("inv_1", {"gpu_seconds": 7_000_000, "network_egress_mb": 6_000_000})
    assert [(one.resource, one.amount) for one in used.burnt] == [
        ("network_egress_mb", 5_000_000),
        ("gpu_seconds", 5_000_000),
    ]
    assert used.left == {"gpu_seconds": 2_000_000, "network_egress_mb": 1_000_000}
    assert consume("inv_2", 1).amount == 0


def test_what_an_invoice_burnt_is_given_back_once_the_last_first(api: Api) -> None:
    """(442)"""
    grant(api, 4, name="a", priority=1)
    grant(api, 4, name="b", priority=2)
    consume("inv_1", 7_000_000)
    assert balances(api) == {"a": 0, "b": 1_000_000}
    assert give_back("inv_1", 2_000_000) == 2_000_000
    assert balances(api) == {"a": 0, "b": 3_000_000}
    assert give_back("inv_1", 3_000_000) == 3_000_000
    assert balances(api) == {"a": 2_000_000, "b": 4_000_000}
    assert give_back("inv_1") == 2_000_000
    assert balances(api) == {"a": 4_000_000, "b": 4_000_000}
    assert give_back("inv_1") == 0
    assert give_back("inv_none") == 0


def test_an_invoice_burns_so_many_credits_at_most(api: Api) -> None:
    """Each is a write of its transaction; the next invoice goes on (442)"""
    for _ in range(MOST_BURNT + 2):
        grant(api, 1)
    assert consume("inv_1", 100_000_000).amount == MOST_BURNT * 1_000_000
    assert consume("inv_2", 100_000_000).amount == 2_000_000


def test_an_account_that_there_is_not_gets_nothing(api: Api) -> None:
    body = {"amount": 5}
    refused = api("grant_credit", "admin", account_id="usr_nobody", key="k", body=body)
    assert (refused.status, refused.json["type"].rpartition("#")[2]) == (404, "account-not-found")
    assert api.told() == []
