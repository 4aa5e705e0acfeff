"""Favourites: kept once, the same on every device, one tenant's own (checklist 272)."""

import pytest

from offers.add_favorite import handler as add
from offers.list_favorites import handler as listed
from offers.remove_favorite import handler as remove
from tests.unit.offers.conftest import *  # noqa: F403  the same fixtures, over a table
from tests.unit.offers.making import an_offer, market_of

OFFERS = [an_offer(name) for name in range(7)]


@pytest.fixture(autouse=True)
def market(reader, table):
    reader.market = market_of(OFFERS)
    return reader.market


def keep(ask, offer, who="pro", headers=None):
    return ask(add, body={"offer_id": offer.offer_id}, who=who, headers=headers)


def kept(ask, who="pro", **query):
    return ask(listed, query, who=who)[1]


def test_a_favourite_is_kept_once_however_often_it_is_added(ask):
    first = keep(ask, OFFERS[0])
    second = keep(ask, OFFERS[0])
    assert (first[0], second[0]) == (201, 200)
    assert first[1] == second[1]
    (entry,) = kept(ask)["favorites"]
    assert entry["offer"]["offer_id"] == OFFERS[0].offer_id
    assert entry["on_market"]


KEY = {"idempotency-key": "k-1"}


def test_the_same_key_gives_the_first_answer_again_whatever_happened_since(ask, reader):
    first = keep(ask, OFFERS[0], headers=KEY)[:2]
    ask(remove, offer_id=OFFERS[0].offer_id, who="pro")
    assert keep(ask, OFFERS[0], headers=KEY)[:2] == first
    reader.market = market_of(OFFERS[1:])
    assert keep(ask, OFFERS[0], headers=KEY)[:2] == first
    assert first[0] == 201
    assert kept(ask)["favorites"] == []


def test_a_key_that_told_of_an_old_favourite_tells_so_again(ask):
    keep(ask, OFFERS[0])
    assert [keep(ask, OFFERS[0], headers=KEY)[0] for _ in range(2)] == [200, 200]


def test_the_same_key_for_another_offer_is_refused_and_keeps_nothing(ask):
    keep(ask, OFFERS[0], headers=KEY)
    status, body, _ = keep(ask, OFFERS[1], headers=KEY)
    assert (status, body["type"].rpartition("#")[2]) == (422, "idempotency-key-reused")
    assert len(kept(ask)["favorites"]) == 1
    assert keep(ask, OFFERS[1], "free", headers=KEY)[0] == 201, "another tenant's key is another key"


def test_a_new_key_for_what_is_not_on_the_market_is_no_offer(ask, reader):
    reader.market = market_of(OFFERS[1:])
    assert keep(ask, OFFERS[0], headers=KEY)[0] == 404


def test_favourites_are_the_tenants_own(ask):
    keep(ask, OFFERS[0])
    assert kept(ask, "free")["favorites"] == []
    assert len(kept(ask, "agent")["favorites"]) == 1, "an agent acts for its owner"
    assert ask(remove, offer_id=OFFERS[0].offer_id, who="free")[0] == 204
    assert len(kept(ask)["favorites"]) == 1


def test_a_favourite_is_forgotten_and_forgetting_twice_is_no_error(ask):
    keep(ask, OFFERS[0])
    for _ in range(2):
        assert ask(remove, offer_id=OFFERS[0].offer_id, who="pro")[0] == 204
    assert kept(ask)["favorites"] == []


def test_favourites_come_in_pages(ask):
    for offer in OFFERS:
        keep(ask, offer)
    found, cursor = [], None
    while True:
        page = kept(ask, limit=3, **({"cursor": cursor} if cursor else {}))
        found += [entry["offer_id"] for entry in page["favorites"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == sorted(offer.offer_id for offer in OFFERS)
    stolen = kept(ask, limit=3)["next_cursor"]
    assert ask(listed, {"cursor": stolen}, who="free")[0] == 422


def test_a_favourite_that_left_the_market_stays_and_says_so(ask, reader):
    keep(ask, OFFERS[0])
    reader.market = market_of(OFFERS[1:])
    (entry,) = kept(ask)["favorites"]
    assert (entry["on_market"], entry["offer"]) == (False, None)


def test_what_is_not_on_the_market_cannot_be_added(ask, table):
    status, body, _ = ask(add, body={"offer_id": "vastai-nothing"}, who="pro")
    assert (status, body["errors"][0]["field"]) == (404, "offer_id")
    assert table.scan()["Items"] == []


@pytest.mark.parametrize("who", [None, "forged"])
def test_favourites_need_credentials(ask, who):
    for handler in (add, listed, remove):
        assert ask(handler, body={}, who=who, offer_id="x-1")[0] == 401


def test_favourites_need_their_scope(ask):
    assert keep(ask, OFFERS[0], who="narrow")[0] == 403


def test_calls_to_aws_are_one_each_and_two_when_it_was_there(ask, calls):
    keep(ask, OFFERS[0])
    keep(ask, OFFERS[0])
    kept(ask)
    ask(remove, offer_id=OFFERS[0].offer_id, who="pro")
    assert calls == ["TransactWriteItems", "TransactWriteItems", "GetItem", "Query", "DeleteItem"]
