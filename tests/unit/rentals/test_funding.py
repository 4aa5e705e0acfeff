"""What is held for a rental covers what it will cost, whatever happens and whenever the end comes."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gpubroker.kernel.caller import Plan
from gpubroker.rentals import endings, rules, scaling, terms
from gpubroker.rentals.cost import rental_cost
from gpubroker.rentals.funding import needed
from gpubroker.rentals.rental import Failure, Phase, Rental, Work
from tests.unit.rentals.lives import DEPLOYMENT, NOW, RENTAL_ID, TERMS, after, asked, made, ready, with_price

PAYER = "usr_1"


def test_a_request_holds_one_term_of_every_instance() -> None:
    rental = asked(count=3, hours=1.5, payer=PAYER)
    assert (rental.payer, rental.funds) == (PAYER, 3 * 3_000_000)


def test_a_part_of_a_micro_dollar_is_held_for_as_a_whole_one() -> None:
    assert asked(terms=with_price(1), hours=0.5, payer=PAYER).funds == 1


def test_where_the_provider_bills_nothing_is_held_and_nobody_pays() -> None:
    rental = asked(terms=replace(TERMS, integration="int_1"), payer=PAYER)
    assert (rental.payer, rental.funds) == (None, 0)


def test_the_hold_follows_the_agreed_price() -> None:
    rental = asked(payer=PAYER, limit=3_000_000)
    rental, _ = rules.agree(rental, RENTAL_ID, with_price(2_500_000), NOW)
    assert rental.funds == 2_500_000


def test_what_is_undone_holds_nothing() -> None:
    rental, _ = rules.undo(asked(payer=PAYER), RENTAL_ID, Failure("no-capacity", ""), NOW)
    assert (rental.phase, rental.funds) == (Phase.UNDOING, 0)


def test_an_end_shrinks_the_hold_to_what_is_owed_and_settling_frees_it() -> None:
    rental = ready(count=2, payer=PAYER)
    rental, _ = endings.end(rental, at=after(minutes=30), now=after(minutes=30), reason="requested")
    assert rental.funds == rental_cost(rental, after(hours=5)) == 2_000_000
    for member in rental.members:
        rental, _ = endings.member_gone(rental, member.member_id, after(minutes=31))
    rental, _ = endings.conclude_end(rental, after(minutes=31))
    assert (rental.final_cost_micros, rental.funds) == (2_000_000, 0)


def test_a_renewal_holds_the_term_that_is_over_and_the_next() -> None:
    rental = ready(auto_renew=True, limit=3_000_000, payer=PAYER)
    assert rental.funds == 2_000_000
    rental, _ = terms.renew(rental, {"m1": 3_000_000}, after(hours=1, minutes=2))
    assert rental.funds == 5_000_000


def test_without_a_payer_nothing_is_held() -> None:
    """Rentals from before the ledger run on as they were."""
    assert ready().funds == 0


def _step(rental: Rental, now: datetime, action: str, number: int) -> Rental:
    """Something that may happen to a ready rental."""
    if action == "add" and rental.operation is None:
        rental, _ = scaling.add(rental, 1 + number % 2, plan=Plan.PRO, deployment=DEPLOYMENT, now=now)
        operation = rental.operation
        assert operation is not None
        price = with_price(1_000_001 + number)
        rental, _ = scaling.agree_added(rental, operation.operation_id, price, (), now)
        if number % 3 == 0:
            rental, _ = scaling.undo_addition(rental, operation.operation_id, Failure("no-capacity", ""), now)
            for member_id in operation.members:
                rental, _ = endings.member_gone(rental, member_id, now)
        else:
            for member_id in operation.members:
                rental = made(rental, member_id, now)
        rental, _ = scaling.conclude_scaling(rental, operation.operation_id, now)
    elif action == "remove" and rental.operation is None and len(rental.live_members) > 1:
        rental, _ = scaling.remove(rental, 1, now=now)
        operation = rental.operation
        assert operation is not None
        assert operation.work is Work.REMOVE
        for member_id in operation.members:
            rental, _ = endings.member_gone(rental, member_id, now)
        rental, _ = scaling.conclude_scaling(rental, operation.operation_id, now)
    elif action == "renew":
        prices = {member.member_id: 1 + (number * 7919) % 3_000_000 for member in rental.live_members}
        rental, _ = terms.renew(rental, prices, now)
    elif action == "lose" and len(rental.live_members) > 1:
        rental, _ = endings.seen(rental, {rental.live_members[0].member_id: None}, now)
    return rental


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 4000), st.sampled_from(["add", "remove", "renew", "lose", "wait"]), st.integers(0, 10**6)
        ),
        max_size=12,
    ),
    st.integers(1, 3),
    st.integers(0, 10_000),
)
def test_whenever_it_ends_the_hold_covers_the_bill(
    story: list[tuple[int, str, int]], count: int, until_the_end: int
) -> None:
    """I5: what is captured is never more than what is held (the renewals come as late as the sweep makes them)."""
    rental, now = ready(count=count, auto_renew=True, limit=3_000_000, payer=PAYER), NOW
    for seconds, action, number in story:
        now += timedelta(seconds=seconds)
        if terms.time_is_up(rental, now):
            rental = _step(rental, now, "renew", number)
        rental = _step(rental, now, action, number)
        assert rental.funds == needed(rental)
    held = rental.funds
    now += timedelta(seconds=until_the_end)
    ended, _ = endings.end(rental, at=now, now=now, reason="requested")
    owed = rental_cost(ended, now + timedelta(days=9))
    assert owed <= ended.funds <= held
    assert ended.funds - owed <= len(ended.members), "each member's part of a micro-dollar is rounded up"
