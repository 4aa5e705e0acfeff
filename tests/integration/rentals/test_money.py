"""A rental and its payer's money are one write: held before anything is made, captured by exactly what it cost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from gpubroker.composition.rentals import due_sweep, repository
from gpubroker.ledger.accounts import State
from gpubroker.rentals import endings, rules
from gpubroker.rentals.ports import Instance
from gpubroker.rentals.rental import Holding, MemberPhase, Phase, Rental
from gpubroker.rentals.rules import Step
from tests.integration.rentals.conftest import TERMS, Api

MILLION = 1_000_000_000_000


def became_ready(api: Api, rental_id: str, tenant: str = "usr_pro") -> Rental:
    """Its members run from this moment on."""
    store, now = repository(), api.clock.now
    rental = store.change(tenant, rental_id, lambda r: rules.agree(r, rental_id, TERMS, now))
    for member in rental.members:

        def made(one: Rental, member_id: str = member.member_id, label: str = member.label) -> Step:
            one, _ = rules.about_to_create(one, rental_id, member_id, now)
            one, _ = rules.created(one, member_id, Instance(f"i-{member_id}", label, "running"))
            return rules.observed(one, member_id, Instance(f"i-{member_id}", label, "running"), now)

        store.change(tenant, rental_id, made)
    return store.change(tenant, rental_id, lambda r: rules.conclude_ready(r, rental_id, now))


def became_over(api: Api, rental_id: str, tenant: str = "usr_pro") -> Rental:
    """Nothing of it is left at its provider."""
    store, now = repository(), api.clock.now
    for member in store.of(tenant, rental_id).members:
        if member.phase is MemberPhase.ENDING:
            store.change(
                tenant, rental_id, lambda r, member_id=member.member_id: endings.member_gone(r, member_id, now)
            )
    return store.change(tenant, rental_id, lambda r: endings.conclude_end(r, now))


def test_a_request_holds_what_a_term_costs_and_the_end_takes_what_was_used(api: Api) -> None:
    """(442), (471)"""
    asked = api.rent(count=2)
    rental_id = asked.json["rental_id"]
    assert (asked.json["account_id"], asked.json["held"], asked.json["held_micros"]) == ("usr_pro", 4.0, 4_000_000)
    assert (api.book.balance("usr_pro").posted, api.book.balance("usr_pro").held) == (MILLION, 4_000_000)
    became_ready(api, rental_id)
    api.clock.tick(minutes=15)
    ending = api("end_rental", "pro", path={"rental_id": rental_id})
    assert ending.json["held_micros"] == 1_000_000, "no more than is owed"
    became_over(api, rental_id)
    view = api("get_rental", "pro", path={"rental_id": rental_id}).json
    balance = api.book.balance("usr_pro")
    assert (view["final_cost_micros"], view["held_micros"]) == (1_000_000, 0)
    assert (balance.posted, balance.held) == (MILLION - view["final_cost_micros"], 0)
    assert api.book.balance(f"escrow:{rental_id}").posted == 1_000_000


def test_without_the_money_nothing_is_made_and_nothing_written(api: Api) -> None:
    poor = api.rent(count=16, duration_hours=2160, max_total_price=2)
    assert (poor.status, poor.json["type"]) == (409, "/docs/problems#spending-cap-reached")
    api.book.set_credit_limit("usr_free", 0)
    api.book.hold(api.new_hold("usr_free", MILLION - 1_999_999))
    refused = api.rent("free")
    assert (refused.status, refused.json["type"]) == (402, "/docs/problems#insufficient-funds")
    assert repository().newest_of("usr_free", 5) == []
    assert repository().held_by("usr_free") == Holding()
    assert api.rent("free", duration_hours=0.5).status == 202


def test_who_never_paid_anything_in_is_told_that_there_is_no_money(api: Api) -> None:
    refused = api.rent("newcomer")
    assert (refused.status, refused.json["type"]) == (402, "/docs/problems#insufficient-funds")
    assert api.book.balance("usr_new").posted == 0


def test_of_ten_at_once_as_many_come_about_as_there_is_money_for(api: Api) -> None:
    """I4: available >= 0 under any concurrency."""
    api.book.hold(api.new_hold("usr_pro", MILLION - 3 * 2_000_000))
    with ThreadPoolExecutor(10) as together:
        answers = list(together.map(lambda _: api.rent().status, range(10)))
    assert sorted(answers) == [202] * 3 + [402] * 7
    assert api.book.balance("usr_pro").available == 0


def test_more_instances_hold_more_and_are_refused_where_there_is_not_enough(api: Api) -> None:
    rental_id = api.rent().json["rental_id"]
    became_ready(api, rental_id)
    api.book.hold(api.new_hold("usr_pro", MILLION - 2_000_000 - 2_000_000))
    path = {"rental_id": rental_id}
    refused = api("scale_rental", "pro", path=path, body={"action": "add", "count": 2})
    assert (refused.status, refused.json["type"]) == (402, "/docs/problems#insufficient-funds")
    added = api("scale_rental", "pro", path=path, body={"action": "add", "count": 1})
    assert (added.status, added.json["held_micros"]) == (202, 4_000_000)
    assert api.book.balance("usr_pro").available == 0


def test_a_frozen_account_rents_nothing_new_and_settles_what_runs(api: Api) -> None:
    """I11"""
    rental_id = api.rent().json["rental_id"]
    became_ready(api, rental_id)
    api.book.set_state("usr_pro", State.FROZEN)
    assert (api.rent().status, api.rent().json["type"]) == (409, "/docs/problems#account-frozen")
    api.clock.tick(minutes=30)
    api("end_rental", "pro", path={"rental_id": rental_id})
    assert became_over(api, rental_id).final_cost_micros == 1_000_000
    assert api.book.balance("usr_pro").posted == MILLION - 1_000_000


def test_a_renewal_needs_the_money_of_the_next_term_else_the_rental_ends_with_a_notice(api: Api) -> None:
    rental_id = api.rent(auto_renew=True).json["rental_id"]
    became_ready(api, rental_id)
    api.clock.tick(hours=1)
    assert due_sweep().attend("usr_pro", rental_id) == "renewed"
    assert api.book.balance("usr_pro").held == 4_000_000, "the term that is over, and the next"
    api.book.hold(api.new_hold("usr_pro", MILLION - 4_000_000))
    api.clock.tick(hours=1)
    assert due_sweep().attend("usr_pro", rental_id) == "expired"
    rental = repository().of("usr_pro", rental_id)
    assert (rental.phase, rental.ended_at) == (Phase.ENDING, api.clock.now)
    assert any(notice.startswith("Not renewed: ") for notice in rental.notices)
    api.clock.tick(seconds=30)
    assert became_over(api, rental_id).final_cost_micros == 4_000_000
    assert api.book.balance("usr_pro").posted == MILLION - 4_000_000


def test_a_rental_from_before_the_ledger_ends_as_it_was_made(api: Api) -> None:
    rental_id = api.rent().json["rental_id"]
    rental = became_ready(api, rental_id)
    store = repository()
    store.change("usr_pro", rental_id, lambda r: (replace(r, payer=None, funds=0), ()))
    assert rental.ready_at is not None
    api.clock.tick(hours=0.5)
    api("end_rental", "pro", path={"rental_id": rental_id})
    over = became_over(api, rental_id)
    assert (over.final_cost_micros, over.ended_at) == (1_000_000, rental.ready_at + timedelta(minutes=30))
