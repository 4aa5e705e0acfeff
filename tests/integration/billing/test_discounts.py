"""Promotions and discounts over their API, and what invoices use of them (444)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpubroker.billing.discounts.discount import Discount, TakenOff, period_key, take_off, with_uses
from gpubroker.billing.discounts.items import DiscountItem
from gpubroker.billing.discounts.store import Discounts, Held
from gpubroker.kernel.time import iso
from gpubroker.storage.transaction import StaleVersion, transaction
from tests.integration.billing.api import ME, NOW, OTHER, Api, serving

NOV, DEC, JAN = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    yield from serving(make_table, monkeypatch)


def promotion(api: Api, **more: Any) -> Any:
    return api("create_promotion", "admin", body={"code": "Launch-50", "percentage": 50, **more})


def test_a_code_gives_a_discount_once_to_an_account(api: Api) -> None:
    """(444)"""
    made = promotion(api, duration="months", months=3, name="Launch", max_redemptions=10, reason="launch")
    assert (made.status, made.json["code"], made.json["status"]) == (201, "LAUNCH-50", "open")
    redeemed = api("redeem_promotion", "me", code="launch-50", key="k")
    assert redeemed.status == 201
    assert (redeemed.json["percentage"], redeemed.json["months"], redeemed.json["account_id"]) == (50, 3, ME)
    assert api("redeem_promotion", "me", code="launch-50", key="k").json == redeemed.json
    again = api("redeem_promotion", "me", code="LAUNCH-50")
    assert (again.status, again.json["type"].rpartition("#")[2]) == (409, "promotion-already-redeemed")
    (listed,) = api("list_promotions", "admin").json["promotions"]
    assert (listed["redemptions"], listed["max_redemptions"]) == (1, 10)
    (mine,) = api("list_discounts", "me", account_id=ME).json["discounts"]
    assert mine == redeemed.json
    assert api("list_discounts", "other", account_id=ME).status == 404
    (told,) = api.told()
    assert (told["action"], told["subject"], told["reason"]) == ("promotion-created", "LAUNCH-50", "launch")


def test_no_more_redeem_it_than_may(api: Api) -> None:
    """The last is counted in the transaction that gives the discount (444)"""
    promotion(api, max_redemptions=1)
    assert api("redeem_promotion", "me", code="launch-50").status == 201
    late = api("redeem_promotion", "other", code="launch-50")
    assert (late.status, late.json["type"].rpartition("#")[2]) == (409, "promotion-over")
    assert api("list_discounts", "other", account_id=OTHER).json["discounts"] == []
    (listed,) = api("list_promotions", "admin").json["promotions"]
    assert (listed["status"], listed["redemptions"]) == ("used up", 1)


def test_many_at_once_redeem_it_no_more_often_than_may(api: Api) -> None:
    """Each read the promotion before any had redeemed it (444)"""
    promotion(api, max_redemptions=3)
    store, read = Discounts(), Discounts().promotion("LAUNCH-50").promotion
    outcomes = []
    for number in range(8):
        account = f"usr_{number}"
        try:
            store.redeem(account, read, read.discount_for(account, NOW), idempotency=None, answer={})
            outcomes.append("given")
        except Exception as problem:
            outcomes.append(type(problem).__name__)
    assert outcomes == ["given"] * 3 + ["PromotionOver"] * 5
    assert Discounts().promotion("LAUNCH-50").redemptions == 3


def test_a_code_is_redeemed_between_its_dates_and_until_it_is_closed(api: Api) -> None:
    """(444)"""
    promotion(api, starts_at=iso(NOW + timedelta(days=1)), ends_at=iso(NOW + timedelta(days=3)))
    assert api("redeem_promotion", "me", code="launch-50").status == 409
    api.clock.tick(days=2)
    assert api("redeem_promotion", "me", code="launch-50").status == 201
    closed = api("close_promotion", "admin", code="launch-50", query="reason=enough")
    assert (closed.status, closed.json["status"]) == (200, "closed")
    assert api("close_promotion", "admin", code="launch-50").status == 200
    assert api("redeem_promotion", "other", code="launch-50").status == 409
    assert len(api("list_discounts", "me", account_id=ME).json["discounts"]) == 1, "who has it keeps it"
    assert api("redeem_promotion", "me", code="unknown").status == 404
    assert [told["action"] for told in api.told()] == ["promotion-created", "promotion-closed"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 5}, "body"),
        ({"percentage": None}, "body"),
        ({"percentage": 0}, "percentage"),
        ({"percentage": 100.5}, "percentage"),
        ({"percentage": None, "amount": 0}, "amount"),
        ({"percentage": None, "amount": 0.0000001}, "amount"),
        ({"duration": "months"}, "body"),
        ({"months": 3}, "body"),
        ({"duration": "months", "months": 0}, "months"),
        ({"resources": ["gold"]}, "resources.0"),
        ({"code": "a b"}, "code"),
        ({"max_redemptions": 0}, "max_redemptions"),
        ({"starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}, "body"),
        ({"ends_at": "2026-11-01T00:00:00Z"}, "ends_at"),
    ],
)
def test_a_promotion_that_makes_no_sense_is_refused(api: Api, change: dict[str, Any], field: str) -> None:
    refused = promotion(api, **change)
    assert (refused.status, api.fields(refused)[:1]) == (422, [field])
    assert api("list_promotions", "admin").json["promotions"] == []


def test_codes_are_one_of_a_kind_and_listed_in_pages(api: Api) -> None:
    for code in ("aaa", "bbb", "ccc"):
        assert promotion(api, code=code).status == 201
    assert promotion(api, code="BBB").status == 409
    first = api("list_promotions", "admin", query="limit=2").json
    rest = api("list_promotions", "admin", query=f"limit=2&cursor={first['next_cursor']}").json
    assert [one["code"] for one in [*first["promotions"], *rest["promotions"]]] == ["AAA", "BBB", "CCC"]


def test_a_discount_by_hand_and_its_end(api: Api) -> None:
    """(444, 451)"""
    body = {
        "name": "Sorry",
        "amount": 25,
        "resources": ["network_egress_mb"],
        "duration": "forever",
        "reason": "outage",
    }
    given = api("give_discount", "admin", account_id=ME, body=body, key="k")
    assert (given.status, given.json["amount_micros"], given.json["code"]) == (201, 25_000_000, None)
    assert api("give_discount", "admin", account_id=ME, body=body, key="k").json == given.json
    ended = api("end_discount", "admin", account_id=ME, discount_id=given.json["discount_id"])
    assert ended.json["ends_at"] == iso(NOW)
    assert api("end_discount", "admin", account_id=ME, discount_id=given.json["discount_id"]).json == ended.json
    assert api("end_discount", "admin", account_id=OTHER, discount_id=given.json["discount_id"]).status == 404
    assert [told["action"] for told in api.told()] == ["discount-given", "discount-ended"]


def used(held: list[Held], taken: list[TakenOff], start: datetime) -> list[Discount]:
    return with_uses([one.discount for one in held], taken, period_key(start))


def test_an_invoice_uses_a_discount_once(api: Api) -> None:
    """(441, 444)"""
    promotion(api, percentage=None, amount=10, duration="once")
    api("redeem_promotion", "me", code="launch-50")
    store = Discounts()

    def invoice(start: datetime, end: datetime, amount: int) -> int:
        held = store.all_of(ME)
        taken = take_off([one.discount for one in held], {"gpu_seconds": amount}, start=start, end=end)
        with transaction(DiscountItem) as tx:
            store.add_uses(tx, ME, held, used(held, taken, start))
        return sum(one.amount for one in taken)

    assert invoice(NOV, DEC, 4_000_000) == 4_000_000
    assert invoice(NOV, DEC, 9_000_000) == 6_000_000, "late usage has what is left"
    assert invoice(DEC, JAN, 9_000_000) == 0
    assert api("list_discounts", "me", account_id=ME).json["discounts"][0]["used"] == 10


def test_two_invoices_do_not_use_the_same_rest(api: Api) -> None:
    """(441, 444)"""
    promotion(api, percentage=None, amount=10, duration="once")
    api("redeem_promotion", "me", code="launch-50")
    store = Discounts()
    held = store.all_of(ME)
    taken = take_off([one.discount for one in held], {"gpu_seconds": 4_000_000}, start=NOV, end=DEC)
    with transaction(DiscountItem) as tx:
        store.add_uses(tx, ME, held, used(held, taken, NOV))
    with pytest.raises(StaleVersion), transaction(DiscountItem) as tx:
        store.add_uses(tx, ME, held, used(held, taken, NOV))
    assert store.all_of(ME)[0].discount.used == {"2026-11": 4_000_000}


def test_an_account_that_there_is_not_gets_nothing(api: Api) -> None:
    body = {"name": "Sorry", "amount": 5}
    refused = api("give_discount", "admin", account_id="usr_nobody", key="k", body=body)
    assert (refused.status, refused.json["type"].rpartition("#")[2]) == (404, "account-not-found")
    assert api.told() == []
