"""The rentals API: what callers get, and what nobody gets."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from gpubroker.composition.rentals import repository
from gpubroker.rentals import endings, rules
from gpubroker.rentals.ports import Instance
from gpubroker.rentals.rental import Holding, Phase
from tests.integration.rentals.conftest import TERMS, Api


def make_ready(api: Api, tenant: str, rental_id: str) -> None:
    """What the workflow does, by the same rules."""
    store = repository()
    store.change(tenant, rental_id, lambda r: rules.agree(r, rental_id, TERMS, api.clock.now))
    for member in store.of(tenant, rental_id).members:
        name = member.member_id
        store.change(tenant, rental_id, lambda r, name=name: rules.about_to_create(r, rental_id, name, api.clock.now))
        told = Instance(f"i-{name}", member.label, "running", "running", "203.0.113.7", 22, "root")
        store.change(tenant, rental_id, lambda r, n=name, t=told: rules.observed(r, n, t, api.clock.now))
    store.change(tenant, rental_id, lambda r: rules.conclude_ready(r, rental_id, api.clock.now))


def make_gone(api: Api, tenant: str, rental_id: str) -> None:
    store = repository()
    for member in store.of(tenant, rental_id).members:
        name = member.member_id
        store.change(tenant, rental_id, lambda r, name=name: endings.member_gone(r, name, api.clock.now))
    store.change(tenant, rental_id, lambda r: endings.conclude_end(r, api.clock.now))


def test_a_request_is_accepted_with_where_to_look_and_when(api: Api) -> None:  # (274)
    answer = api.rent()
    assert answer.status == 202
    rental = answer.json
    assert answer.headers["location"] == f"/api/v2/rentals/{rental['rental_id']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert rental["status"] == "requested"
    assert rental["price_per_hour_micros"] == 2_000_000
    assert rental["final_cost"] is None


def test_a_request_is_three_calls_and_a_look_is_one(api: Api) -> None:
    api.rent()
    api.market.reads = 0
    rental_id = api.rent().json["rental_id"]
    assert api.calls == ["GetItem", "TransactWriteItems"]  # the payer's budget; all that is written
    assert api.market.reads == 1
    api("get_rental", "pro", path={"rental_id": rental_id})
    assert api.calls == ["GetItem"]
    api("list_rentals", "pro")
    assert api.calls == ["Query"]
    api("end_rental", "pro", path={"rental_id": rental_id})
    assert api.calls == ["GetItem", "GetItem", "TransactWriteItems"]  # the rental; its hold; both written


def test_a_request_with_a_key_is_three_calls_too(api: Api) -> None:
    api.rent()
    api.market.reads = 0
    api.rent(headers={"idempotency_key": "k-1"})
    assert (api.calls, api.market.reads) == (["GetItem", "TransactWriteItems"], 1)


def test_provision_is_the_same_use_case(api: Api) -> None:  # (286), (342)
    body = {"offer_id": TERMS.offer_id, "duration_hours": 2, "auto_renew": True}
    answer = api("provision_rental", "agent", body=body)
    assert answer.status == 202
    assert answer.json["auto_renew"] is True
    assert api("get_rental", "pro", path={"rental_id": answer.json["rental_id"]}).status == 200


def test_the_same_key_and_body_is_the_same_rental_and_another_body_is_refused(api: Api) -> None:
    first = api.rent(headers={"idempotency_key": "k-1"})
    second = api.rent(headers={"idempotency_key": "k-1"})
    assert second.status == 202
    assert second.json == first.json
    assert repository().held_by("usr_pro").rentals == 1
    other = api.rent(duration_hours=2, headers={"idempotency_key": "k-1"})
    assert other.status == 422
    assert other.json["type"].endswith("idempotency-key-reused")
    assert api.rent("other", headers={"idempotency_key": "k-1"}).json["rental_id"] != first.json["rental_id"]


def test_a_repeated_request_is_answered_even_when_its_offer_has_vanished_or_rentals_were_stopped(api: Api) -> None:
    first = api.rent(headers={"idempotency_key": "k-1"})
    api("set_switch", "admin", body={"stopped": True})
    assert api.rent(headers={"idempotency_key": "k-1"}).json == first.json
    api.market.offers.clear()
    assert api.rent(headers={"idempotency_key": "k-1"}).json == first.json
    assert api.rent(headers={"idempotency_key": "k-2"}).status == 404


def test_an_offer_that_is_not_rentable_is_a_409_that_says_so(api: Api) -> None:
    api.market.offers["azure-nd"] = replace(TERMS, offer_id="azure-nd", provider="azure", rentable=False)
    answer = api.rent(offer_id="azure-nd")
    assert answer.status == 409
    assert answer.json["type"].endswith("offer-not-rentable")
    assert "azure" in answer.json["detail"]


def test_an_unknown_offer_is_404_and_a_dear_one_409_and_nothing_is_written(api: Api) -> None:
    assert api.rent(offer_id="vastai-gone").status == 404
    dear = api.rent(max_total_price=1.99)
    assert dear.status == 409
    assert dear.json["type"].endswith("price-over-limit")
    assert repository().held_by("usr_pro") == Holding()
    assert repository().newest_of("usr_pro", 10) == []


def test_disk_beyond_what_the_offer_includes_is_part_of_the_price_and_of_the_limit(api: Api) -> None:
    api.market.offers[TERMS.offer_id] = replace(TERMS, disk_micros_per_gb=Decimal("200.5"), disk_included_gb=32)
    assert api.rent(disk_gb=32).json["price_per_hour_micros"] == 2_000_000
    rental = api.rent(disk_gb=1_032).json
    assert rental["price_per_hour_micros"] == 2_200_500
    assert rental["max_total_price_micros"] == 2_200_500
    assert repository().held_by("usr_pro").micros == 2_000_000 + 2_200_500
    dear = api.rent(disk_gb=1_032, max_total_price=2.2)
    assert dear.status == 409
    assert dear.json["type"].endswith("price-over-limit")
    assert "$2.2005 an hour ($0.2005 of it for the disk)" in dear.json["detail"]
    assert api.rent(disk_gb=1_032, max_total_price=2.2005).status == 202


@pytest.mark.parametrize(
    ("role", "status"),
    [(None, 401), ("forged", 401), ("reader", 403), ("service", 403), ("free", 202), ("pro", 202), ("admin", 202),
     ("agent", 202)],
)  # fmt: skip
def test_who_may_rent(api: Api, role: str | None, status: int) -> None:
    answer = api("create_rental", role, body={"offer_id": TERMS.offer_id, "duration_hours": 1})
    assert answer.status == status


@pytest.mark.parametrize("role", ["free", "pro", "agent", "service", "reader"])
def test_only_administrators_reach_the_switch(api: Api, role: str) -> None:
    assert api("set_switch", role, body={"stopped": True}).status == 403
    assert api("get_switch", role).status == 403
    assert api("set_switch", None, body={"stopped": True}).status == 401


@pytest.mark.parametrize("role", ["free", "pro", "agent", "admin"])
def test_only_services_reach_the_internal_api(api: Api, role: str) -> None:  # (356)
    estimate = {"offer_id": TERMS.offer_id, "duration": 1}
    assert api("estimate_cost", role, body=estimate).status == 403
    assert api("finalize_rental", role, body={"rental_id": "ren_" + "0" * 26, "final_duration": 0}).status == 403
    assert api("estimate_cost", None, body=estimate).status == 401


def test_another_tenants_rental_is_404_for_every_verb(api: Api) -> None:
    rental_id = api.rent().json["rental_id"]
    for role in ("other", "admin"):
        where = {"rental_id": rental_id}
        assert api("get_rental", role, path=where).status == 404
        assert api("end_rental", role, path=where).status == 404
        assert api("scale_rental", role, path=where, body={"action": "add", "count": 1}).status == 404
    assert api("list_rentals", "other").json["rentals"] == []
    assert repository().of("usr_pro", rental_id).version == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ('{"offer_id": "a-b-c", "duration_hours": NaN}', 400),
        ('{"offer_id": "a-b-c", "offer_id": "d-e-f", "duration_hours": 1}', 400),
        ('{"offer_id": "a-b-c", "duration_hours": 1, "price": 3}', 422),
        ('{"offer_id": "a-b-c", "duration_hours": 1e300}', 422),
        ('{"offer_id": "a-b-c"}', 422),
        ("[]", 422),
    ],
)
def test_bad_requests_are_told_apart_and_change_nothing(api: Api, body: str, status: int) -> None:
    assert api("create_rental", "pro", body=body).status == status
    assert api.calls == []


def test_unknown_query_parameters_are_refused(api: Api) -> None:
    assert api("list_rentals", "pro", query="limit=0").status == 422
    assert api("list_rentals", "pro", query="page=1").status == 422
    assert api("get_rental", "pro", path={"rental_id": "ren_1"}, query="a=b").status == 422


def test_a_list_goes_page_by_page_and_its_cursor_is_its_callers(api: Api) -> None:
    for _ in range(5):
        api.clock.tick(seconds=1)
        api.rent()
    seen, cursor, pages = [], "", 0
    while True:
        page = api("list_rentals", "pro", query=f"limit=2{cursor}").json
        seen += [rental["rental_id"] for rental in page["rentals"]]
        pages += 1
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert (len(seen), len(set(seen)), pages) == (5, 5, 3)
    assert seen == sorted(seen, reverse=True)
    foreign = api("list_rentals", "other", query=f"limit=2{cursor}")
    assert foreign.status == 422
    assert foreign.json["errors"][0]["field"] == "cursor"


def test_the_cap_on_running_rentals_holds_under_concurrency(api: Api) -> None:
    api.rent("free")  # warm
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: api.rent("free").status, range(8)))
    held = repository().held_by("usr_free")
    assert held.rentals <= 2
    assert held.rentals == len(repository().newest_of("usr_free", 50))
    assert statuses.count(202) == 1
    assert set(statuses) <= {202, 409, 503}


def test_the_cap_on_committed_spend_names_the_plan_and_its_numbers(api: Api) -> None:
    answer = api.rent("free", duration_hours=51)
    assert answer.status == 409
    assert answer.json["type"].endswith("spending-cap-reached")
    assert "free" in answer.json["detail"]
    assert "$100.00" in answer.json["detail"]


def test_the_stop_switch_stops_what_is_new_and_nothing_else(api: Api) -> None:
    rental_id = api.rent().json["rental_id"]
    make_ready(api, "usr_pro", rental_id)
    stopped = api("set_switch", "admin", body={"stopped": True, "reason": "a provider overbills"})
    assert stopped.json["stopped"] is True
    refused = api.rent()
    assert refused.status == 503
    assert refused.json["type"].endswith("rentals-stopped")
    where = {"rental_id": rental_id}
    assert api("scale_rental", "pro", path=where, body={"action": "add", "count": 1}).status == 503
    assert api("get_rental", "pro", path=where).status == 200
    assert api("end_rental", "pro", path=where).status == 202
    assert api("get_switch", "admin").json["reason"] == "a provider overbills"
    api("set_switch", "admin", body={"stopped": False})
    assert api.rent().status == 202


def test_prefer_wait_waits_until_it_is_ready_and_then_answers_with_the_connection(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpubroker.composition import rentals as composition

    desk = composition.rental_desk()

    def workflow(_: float) -> None:
        (rental,) = repository().newest_of("usr_pro", 1)
        make_ready(api, "usr_pro", rental.rental_id)

    monkeypatch.setattr(desk, "_sleep", workflow)
    answer = api.rent(headers={"prefer": "wait=20"})
    assert answer.status == 200
    assert answer.json["status"] == "ready"
    assert answer.json["connection"]["ssh"]["host"] == "203.0.113.7"
    assert answer.headers["preference-applied"] == "wait=20"


def test_waiting_ends_with_a_202_when_it_takes_longer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpubroker.composition import rentals as composition

    desk = composition.rental_desk()
    spent = [0.0]
    monkeypatch.setattr(desk, "_sleep", lambda seconds: spent.append(spent[-1] + seconds))
    monkeypatch.setattr(desk, "_elapsed", lambda: spent[-1])
    answer = api.rent(headers={"prefer": "wait=3"})
    assert answer.status == 202
    assert spent[-1] == 3


def test_scaling_is_202_then_409_while_it_goes_on_and_replays_its_own_key(api: Api) -> None:  # (288), (344)
    rental_id = api.rent().json["rental_id"]
    where, more = {"rental_id": rental_id}, {"action": "add", "count": 2}
    assert api("scale_rental", "pro", path=where, body=more).status == 409
    make_ready(api, "usr_pro", rental_id)
    first = api("scale_rental", "pro", path=where, body=more, idempotency_key="s-1")
    assert (first.status, first.json["count"]) == (202, 3)
    assert first.json["operation"]["action"] == "add"
    busy = api("scale_rental", "pro", path=where, body=more)
    assert (busy.status, busy.headers["retry-after"]) == (409, "5")
    assert api("scale_rental", "pro", path=where, body=more, idempotency_key="s-1").json == first.json
    assert repository().held_by("usr_pro") == Holding(1, 3, 6_000_000)


def test_a_key_used_for_one_rental_says_nothing_about_another(api: Api) -> None:
    one, other = (api.rent().json["rental_id"] for _ in range(2))
    ended = [api("end_rental", "pro", path={"rental_id": rental}, idempotency_key="k") for rental in (one, other)]
    assert [answer.json["rental_id"] for answer in ended] == [one, other]
    assert {repository().of("usr_pro", rental).phase for rental in (one, other)} == {Phase.ENDING}


def test_ending_twice_is_harmless_and_the_cost_is_to_the_second(api: Api) -> None:  # (289), (345)
    rental_id = api.rent().json["rental_id"]
    where = {"rental_id": rental_id}
    make_ready(api, "usr_pro", rental_id)
    api.clock.tick(minutes=15)
    first = api("end_rental", "pro", path=where)
    assert (first.status, first.json["status"]) == (202, "ending")
    api.clock.tick(minutes=5)
    assert api("end_rental", "pro", path=where).json["ended_at"] == first.json["ended_at"]
    make_gone(api, "usr_pro", rental_id)
    ended = api("end_rental", "pro", path=where)
    assert (ended.status, ended.json["status"]) == (200, "ended")
    assert (ended.json["final_cost"], ended.json["final_cost_micros"]) == (0.5, 500_000)
    assert ended.json["connection"] is None
    assert repository().held_by("usr_pro") == Holding()


def test_an_estimate_is_the_price_of_now_and_holds_nothing(api: Api) -> None:  # (302)
    body = {"offer_id": TERMS.offer_id, "duration": 1.5, "options": {"count": 2}}
    answer = api("estimate_cost", "service", body=body)
    assert answer.status == 200
    assert answer.json["subtotal_per_instance"] == 3.0
    assert answer.json["estimated_cost_micros"] == 6_000_000
    fees = answer.json["fees"]  # all-in: 6.00 is 5.970149 and half a per cent of it
    assert (fees["net_micros"], fees["buyer_fee_micros"], fees["seller_fee_micros"]) == (5_970_149, 29_851, 29_851)
    assert api.calls == []
    assert api("estimate_cost", "service", body=body | {"offer_id": "vastai-none"}).status == 404


def test_an_estimate_breaks_down_into_compute_and_disk_that_add_up(api: Api) -> None:  # (302)
    priced = replace(TERMS, disk_micros_per_gb=Decimal("138.888889"), disk_included_gb=20)
    api.market.offers[TERMS.offer_id] = priced
    body = {"offer_id": TERMS.offer_id, "duration": 0.333, "options": {"count": 3, "disk_gb": 121}}
    told = api("estimate_cost", "service", body=body).json
    assert [(line["item"], line["price_per_hour_micros"]) for line in told["breakdown"]] == [
        ("compute", 2_000_000),
        ("disk", 14_028),
    ]
    assert sum(line["cost_per_instance_micros"] for line in told["breakdown"]) == told["subtotal_per_instance_micros"]
    assert sum(line["cost_micros"] for line in told["breakdown"]) == told["estimated_cost_micros"]
    assert told["estimated_cost_micros"] == 3 * round(Decimal(2_014_028 * 1199) / 3600)
    within = body | {"options": {"disk_gb": 20}}
    assert [line["item"] for line in api("estimate_cost", "service", body=within).json["breakdown"]] == ["compute"]
    refused = api("estimate_cost", "service", body=body | {"options": {"disk_gb": 0}})
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "options.disk_gb")


def test_finalising_gives_an_invoice_whose_lines_add_up_and_never_more_than_was_used(api: Api) -> None:  # (303)
    rental_id = api.rent(count=2).json["rental_id"]
    make_ready(api, "usr_pro", rental_id)
    early = api("finalize_rental", "service", body={"rental_id": rental_id, "final_duration": 0.1})
    assert (early.status, early.json["type"].rpartition("#")[2]) == (409, "rental-not-ended")
    api.clock.tick(minutes=30)
    api("end_rental", "pro", path={"rental_id": rental_id})
    make_gone(api, "usr_pro", rental_id)
    more = api("finalize_rental", "service", body={"rental_id": rental_id, "final_duration": 0.51})
    assert (more.status, more.json["type"].rpartition("#")[2]) == (409, "more-than-used")
    less = api("finalize_rental", "service", body={"rental_id": rental_id, "final_duration": 0.25})
    assert less.status == 200
    assert less.json["final_cost_micros"] == 1_000_000 == sum(line["cost_micros"] for line in less.json["lines"])
    assert less.json["used_cost_micros"] == 2_000_000
    assert less.json["user_id"] == "usr_pro"
    again = api("finalize_rental", "service", body={"rental_id": rental_id, "final_duration": 0.25})
    assert again.json == less.json
    other = api("finalize_rental", "service", body={"rental_id": rental_id, "final_duration": 0.2})
    assert other.status == 409
    assert api("get_rental", "pro", path={"rental_id": rental_id}).json["final_cost"] == 1.0
    assert api("finalize_rental", "service", body={"rental_id": "ren_" + "0" * 26, "final_duration": 1}).status == 404


@pytest.mark.parametrize("handler", ["estimate_cost", "finalize_rental"])
def test_being_a_service_is_not_enough_without_the_scope(api: Api, handler: str) -> None:  # (291), (356)
    assert api(handler, "narrow service", body={}).status == 403
    assert api(handler, "pro", body={}).status == 403
    assert api(handler, None, body={}).status == 401


def test_a_forged_callback_is_404_and_reads_nothing(api: Api) -> None:
    answer = api("receive_callback", None, path={"token": "Zm9yZ2Vk"})
    assert answer.status == 404
    assert api.calls == []


def test_a_late_callback_is_answered_politely_and_changes_nothing(api: Api) -> None:
    from gpubroker.rentals import callbacks

    rental_id = api.rent().json["rental_id"]
    make_ready(api, "usr_pro", rental_id)
    before = repository().of("usr_pro", rental_id)
    answer = api("receive_callback", None, path={"token": callbacks.token_of("usr_pro", rental_id, "m1")})
    assert (answer.status, answer.json["accepted"]) == (200, False)
    assert repository().of("usr_pro", rental_id) == before


def test_a_failed_write_leaves_no_event_behind(api: Api) -> None:
    import boto3

    api("set_switch", "admin", body={"stopped": True})
    api.rent()
    items = boto3.client("dynamodb").scan(TableName="rentals")["Items"]
    assert [item["pk"]["S"] for item in items] == ["HOUSE"]


def test_an_event_says_what_the_seed_says_and_holds_no_secret(api: Api) -> None:  # (323)
    import boto3

    api.rent(env={"TOKEN": "very-secret"}, start_script="echo very-secret")
    items = boto3.client("dynamodb").scan(TableName="rentals")["Items"]
    (entry,) = [item for item in items if item["pk"]["S"].startswith("OUTBOX#")]
    assert "very-secret" not in str(entry)
    event = json.loads(entry["event"]["S"])
    assert set(event["data"]) == {"rental_id", "user_id", "event_type", "data", "timestamp"}
    assert event["type"] == event["data"]["event_type"] == "RentalRequested"
    assert event["data"]["user_id"] == "usr_pro"
