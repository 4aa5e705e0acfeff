"""The life of a rental as rules: what may happen when, and that everything may be called twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gpubroker.rentals import endings, rules, scaling, terms
from gpubroker.rentals.caps import LIMITS, CapReached, dollars
from gpubroker.rentals.ports import Instance
from gpubroker.rentals.rental import Failure, Holding, Launch, MemberPhase, Phase, Rental, Work
from tests.unit.rentals.lives import (
    CALLER,
    DEPLOYMENT,
    NOW,
    RENTAL_ID,
    TERMS,
    after,
    asked,
    made,
    ready,
    running,
    with_price,
)

FAILURE = Failure("no-capacity", "None left.")


def test_a_request_holds_the_price_of_one_term_for_every_instance() -> None:
    rental = asked(count=3, hours=2)
    assert rental.held == Holding(1, 3, 12_000_000)
    assert rental.phase is Phase.REQUESTED
    assert [member.phase for member in rental.members] == [MemberPhase.PLANNED] * 3


def test_without_a_limit_the_price_shown_is_the_limit() -> None:
    assert asked().max_price_micros == 2_000_000
    assert asked(limit=5_000_000).max_price_micros == 5_000_000


def test_an_offer_that_is_not_rentable_is_refused_and_said_so() -> None:
    with pytest.raises(rules.OfferNotRentable) as refused:
        asked(terms=replace(TERMS, rentable=False))
    assert refused.value.code == "offer-not-rentable"


def test_a_price_over_the_limit_is_refused_and_both_are_told() -> None:
    with pytest.raises(rules.PriceOverLimit, match=r"\$2\.00 an hour, your max_total_price is \$1\.999999"):
        asked(limit=1_999_999)


def test_an_offer_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(rules.OfferNotAvailable):
        asked(terms=replace(TERMS, available=False))


def test_the_price_read_again_is_what_is_agreed_and_held() -> None:
    rental, _ = rules.agree(asked(limit=3_000_000), RENTAL_ID, with_price(2_500_000), NOW)
    assert rental.phase is Phase.PROVISIONING
    assert rental.members[0].price_micros == 2_500_000
    assert rental.held.micros == 2_500_000


def test_agreeing_again_changes_nothing() -> None:
    rental, _ = rules.agree(asked(limit=3_000_000), RENTAL_ID, TERMS, NOW)
    again, told = rules.agree(rental, RENTAL_ID, with_price(2_900_000), NOW)
    assert again is rental
    assert told == ()


def test_only_one_create_of_a_member_may_be_in_flight() -> None:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    rental, _ = rules.about_to_create(rental, RENTAL_ID, "m1", NOW)
    with pytest.raises(rules.CreateInFlight):
        rules.about_to_create(rental, RENTAL_ID, "m1", after(seconds=44))
    again, _ = rules.about_to_create(rental, RENTAL_ID, "m1", after(seconds=45))
    assert again.member("m1").create_until == after(seconds=90)


def test_a_known_outcome_lets_the_next_create_go() -> None:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    rental, _ = rules.about_to_create(rental, RENTAL_ID, "m1", NOW)
    rental, _ = rules.created(rental, "m1", None)
    rental, _ = rules.about_to_create(rental, RENTAL_ID, "m1", after(seconds=1))
    assert rental.member("m1").create_until is not None


def test_nothing_is_created_for_a_rental_whose_end_was_asked_for() -> None:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    rental, _ = endings.end(rental, at=NOW, now=NOW, reason="requested")
    with pytest.raises(rules.Superseded):
        rules.about_to_create(rental, RENTAL_ID, "m1", NOW)


def test_charging_begins_at_the_whole_second_at_which_it_was_seen_running() -> None:
    rental = ready(at=after(seconds=7.9))
    assert rental.ready_at == after(seconds=7)
    assert rental.members[0].charges[0].since == after(seconds=7)
    assert rental.ends_at == after(hours=1, seconds=7)


def test_the_term_counts_from_the_first_member_so_that_none_is_charged_past_it() -> None:
    rental, _ = rules.agree(asked(count=2), RENTAL_ID, TERMS, NOW)
    rental = made(made(rental, "m1", after(seconds=10)), "m2", after(seconds=50))
    rental, told = rules.conclude_ready(rental, RENTAL_ID, after(seconds=51))
    assert rental.ready_at == after(seconds=50)
    assert rental.ends_at == after(hours=1, seconds=10)
    assert told[0].type == "RentalReady"


def test_a_rental_is_not_ready_before_all_of_it_is() -> None:
    rental, _ = rules.agree(asked(count=2), RENTAL_ID, TERMS, NOW)
    rental = made(rental, "m1", NOW)
    with pytest.raises(rules.NotReadyYet):
        rules.conclude_ready(rental, RENTAL_ID, NOW)


def test_being_ready_is_told_once() -> None:
    rental = ready()
    again, told = rules.conclude_ready(rental, RENTAL_ID, after(minutes=1))
    assert again is rental
    assert told == ()


def test_a_list_that_lags_behind_a_create_is_given_three_looks() -> None:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    rental, _ = rules.about_to_create(rental, RENTAL_ID, "m1", NOW)
    for _ in range(2):
        rental, _ = rules.observed(rental, "m1", None, NOW)
        assert rental.member("m1").failure is None
    rental, _ = rules.observed(rental, "m1", None, NOW)
    assert rental.member("m1").failure is not None


def test_a_failed_instance_is_no_ready_one() -> None:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    rental, _ = rules.about_to_create(rental, RENTAL_ID, "m1", NOW)
    rental, _ = rules.observed(rental, "m1", Instance("i-1", "label", "failed", "exited"), NOW)
    failure = rental.member("m1").failure
    assert failure is not None
    assert "exited" in failure.detail
    assert rental.member("m1").charges == ()


def test_undoing_charges_nothing_and_ends_only_what_was_asked_for() -> None:
    rental, _ = rules.agree(asked(count=2), RENTAL_ID, TERMS, NOW)
    rental = made(rental, "m1", NOW)
    rental, told = rules.undo(rental, RENTAL_ID, FAILURE, after(minutes=3))
    assert told == ()
    assert rental.phase is Phase.UNDOING
    assert [member.phase for member in rental.members] == [MemberPhase.ENDING, MemberPhase.UNDONE]
    assert rental.held == Holding(1, 1, 0)
    rental, _ = endings.member_gone(rental, "m1", after(minutes=4))
    rental, told = endings.conclude_end(rental, after(minutes=4))
    assert (rental.phase, rental.final_cost_micros, rental.held) == (Phase.FAILED, 0, Holding())
    assert [fact.type for fact in told] == ["RentalFailed"]
    assert told[0].data == {"reason": "no-capacity", "detail": "None left."}


def test_undoing_does_nothing_once_an_end_has_taken_over() -> None:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    rental, _ = endings.end(rental, at=NOW, now=NOW, reason="requested")
    again, _ = rules.undo(rental, RENTAL_ID, FAILURE, NOW)
    assert again is rental


def test_an_end_stops_the_charge_when_it_is_asked_for_not_when_the_provider_is_done() -> None:
    rental, told = endings.end(ready(), at=after(minutes=30), now=after(minutes=30), reason="requested")
    assert [fact.type for fact in told] == ["RentalEnding"]
    rental, _ = endings.member_gone(rental, "m1", after(minutes=55))
    rental, told = endings.conclude_end(rental, after(minutes=56))
    assert rental.final_cost_micros == 1_000_000
    assert rental.ended_at == after(minutes=30)
    assert rental.gone_at == after(minutes=56)
    assert told[0].data["final_cost_micros"] == 1_000_000
    assert sum(line["cost_micros"] for line in told[0].data["lines"]) == 1_000_000


def test_ending_twice_is_harmless() -> None:  # (289)
    rental, _ = endings.end(ready(), at=after(minutes=30), now=after(minutes=30), reason="requested")
    again, told = endings.end(rental, at=after(minutes=50), now=after(minutes=50), reason="requested")
    assert again is rental
    assert told == ()


def test_the_end_of_a_rental_that_nothing_was_made_for_leaves_nothing_to_end() -> None:
    rental, _ = endings.end(asked(), at=NOW, now=NOW, reason="requested")
    rental, _ = endings.conclude_end(rental, NOW)
    assert (rental.phase, rental.final_cost_micros) == (Phase.ENDED, 0)


def test_a_create_that_may_still_take_effect_keeps_its_member_from_being_gone() -> None:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    rental, _ = rules.about_to_create(rental, RENTAL_ID, "m1", NOW)
    rental, _ = endings.end(rental, at=NOW, now=NOW, reason="requested")
    assert endings.must_wait(rental, "m1", after(seconds=44))
    assert not endings.must_wait(rental, "m1", after(seconds=45))


def test_a_rental_is_not_settled_while_something_of_it_is_there() -> None:
    rental, _ = endings.end(ready(), at=NOW, now=NOW, reason="requested")
    with pytest.raises(endings.StillThere):
        endings.conclude_end(rental, NOW)


def test_time_that_is_up_ends_a_rental_as_of_that_moment() -> None:
    rental, told = terms.expire(ready(), after(hours=1, seconds=59))
    assert rental.ended_at == after(hours=1)
    assert rental.members[0].charges[-1].until == after(hours=1)
    assert told[0].data["reason"] == "expired"
    assert terms.expire(ready(), after(minutes=59)) == (ready(), ())


def test_every_open_rental_is_due_at_some_time_and_no_other() -> None:
    open_ones = [asked(), ready(), endings.end(ready(), at=NOW, now=NOW, reason="requested")[0]]
    assert all(terms.due_at(rental) is not None for rental in open_ones)
    assert terms.due_at(ready()) == after(hours=1)
    over = endings.conclude_end(endings.end(asked(), at=NOW, now=NOW, reason="x")[0], NOW)[0]
    assert terms.due_at(over) is None


def test_work_under_way_is_looked_at_before_the_end_of_the_term_if_it_is_due_earlier() -> None:
    rental, _ = scaling.add(ready(hours=10), 1, plan=CALLER.plan, deployment=DEPLOYMENT, now=NOW)
    assert terms.due_at(rental) == NOW + rules.LOOK_AFTER


def test_scaling_needs_a_ready_rental_at_which_nothing_is_done() -> None:  # (288)
    with pytest.raises(scaling.NotScalable):
        scaling.remove(asked(), 1, now=NOW)
    rental, told = scaling.add(ready(), 1, plan=CALLER.plan, deployment=DEPLOYMENT, now=NOW)
    assert told[0].data["action"] == "add"
    with pytest.raises(scaling.RentalBusy):
        scaling.add(rental, 1, plan=CALLER.plan, deployment=DEPLOYMENT, now=NOW)


def test_all_members_cannot_be_removed_that_is_an_end() -> None:
    with pytest.raises(scaling.ScaleTooFar, match="delete the rental"):
        scaling.remove(ready(count=2), 2, now=NOW)


def test_the_dearest_member_goes_first_and_of_those_the_newest() -> None:
    rental = ready(count=3, limit=9_000_000)
    dear = replace(rental.member("m2"), price_micros=3_000_000)
    rental, _ = scaling.remove(rental.with_member(dear), 2, now=after(minutes=6))
    assert [m.member_id for m in rental.members if m.phase is MemberPhase.ENDING] == ["m2", "m3"]
    assert rental.member("m2").charges[-1].until == after(minutes=6)
    assert rental.operation is not None
    assert rental.operation.work is Work.REMOVE


def added(rental: Rental, count: int = 1) -> Rental:
    return scaling.add(rental, count, plan=CALLER.plan, deployment=DEPLOYMENT, now=NOW)[0]


def test_an_addition_takes_the_own_offer_or_else_similar_ones_within_the_limit() -> None:
    rental = added(ready(limit=3_000_000))
    operation_id = f"{RENTAL_ID}-scale-1"
    own, _ = scaling.agree_added(rental, operation_id, TERMS, [], NOW)
    assert own.member("m2").offer.offer_id == TERMS.offer_id
    near = replace(TERMS, offer_id="runpod-h100", provider="runpod", price_micros=2_900_000)
    dear = replace(near, offer_id="runpod-dear", price_micros=3_000_001)
    other, _ = scaling.agree_added(rental, operation_id, None, [dear, near], NOW)
    assert other.member("m2").offer.offer_id == "runpod-h100"
    with pytest.raises(rules.OfferNotAvailable):
        scaling.agree_added(rental, operation_id, None, [dear], NOW)


def test_a_replacement_is_given_once_however_often_it_is_asked_for() -> None:
    operation_id = f"{RENTAL_ID}-scale-1"
    near = replace(TERMS, offer_id="runpod-h100", provider="runpod")
    rental, _ = scaling.agree_added(added(ready()), operation_id, TERMS, [], NOW)
    rental, _ = rules.about_to_create(rental, operation_id, "m2", NOW)
    rental, _ = scaling.give_up(rental, operation_id, "m2", FAILURE, NOW)
    rental, _ = scaling.replaced(rental, operation_id, "m2", [TERMS, near], deployment=DEPLOYMENT)
    assert rental.member("m2").replaced_by == "m3"
    assert rental.member("m3").offer.offer_id == "runpod-h100"
    again, _ = scaling.replaced(rental, operation_id, "m2", [near], deployment=DEPLOYMENT)
    assert again is rental


def test_an_undone_addition_leaves_the_rest_as_it_was() -> None:
    rental, _ = scaling.agree_added(added(ready(), 2), f"{RENTAL_ID}-scale-1", TERMS, [], NOW)
    rental, _ = rules.about_to_create(rental, f"{RENTAL_ID}-scale-1", "m2", NOW)
    rental, _ = scaling.undo_addition(rental, f"{RENTAL_ID}-scale-1", FAILURE, NOW)
    assert [m.phase for m in rental.members] == [MemberPhase.READY, MemberPhase.ENDING, MemberPhase.UNDONE]
    with pytest.raises(endings.StillThere):
        scaling.conclude_scaling(rental, f"{RENTAL_ID}-scale-1", NOW)
    rental, _ = endings.member_gone(rental, "m2", NOW)
    rental, told = scaling.conclude_scaling(rental, f"{RENTAL_ID}-scale-1", NOW)
    assert told[0].type == "RentalScaleFailed"
    assert rental.operation is None
    assert rental.held == ready().held


def test_an_end_takes_the_place_of_a_scaling() -> None:
    rental, _ = scaling.agree_added(added(ready()), f"{RENTAL_ID}-scale-1", TERMS, [], NOW)
    rental, _ = rules.about_to_create(rental, f"{RENTAL_ID}-scale-1", "m2", NOW)
    rental, _ = endings.end(rental, at=NOW, now=NOW, reason="requested")
    assert rental.operation is not None
    assert rental.operation.members == ("m1", "m2")
    with pytest.raises(rules.Superseded):
        rules.about_to_create(rental, f"{RENTAL_ID}-scale-1", "m2", after(minutes=5))


def test_finalising_may_confirm_less_and_never_more() -> None:  # (303), DESIGN §7
    rental, _ = endings.end(ready(), at=after(minutes=30), now=after(minutes=30), reason="requested")
    with pytest.raises(endings.NotEnded):
        endings.finalise(rental, 1, by="billing", now=after(hours=1))
    rental, _ = endings.member_gone(rental, "m1", after(minutes=31))
    rental, _ = endings.conclude_end(rental, after(minutes=31))
    with pytest.raises(endings.MoreThanUsed, match="1800 seconds were used"):
        endings.finalise(rental, 1_801, by="billing", now=after(hours=1))
    less, told = endings.finalise(rental, 900, by="billing", now=after(hours=1))
    assert less.final_cost_micros == 500_000
    assert told[0].data["final_cost_micros"] == 500_000
    assert endings.finalise(less, 900, by="billing", now=after(hours=2)) == (less, ())
    with pytest.raises(endings.AlreadyFinal):
        endings.finalise(less, 901, by="billing", now=after(hours=2))


def test_a_token_is_dropped_once_and_a_later_one_is_kept() -> None:
    rental, _ = rules.agree(asked(), RENTAL_ID, TERMS, NOW)
    rental, _ = rules.awaiting(rental, RENTAL_ID, "m1", "first")
    rental, _ = rules.awaiting(rental, RENTAL_ID, "m1", "second")
    kept, _ = rules.token_used(rental, "m1", "first")
    assert kept.member("m1").task_token == "second"
    dropped, _ = rules.token_used(rental, "m1", "second")
    assert dropped.member("m1").task_token is None


def test_the_caps_of_each_plan_are_higher_than_those_of_the_one_below() -> None:
    free, pro, enterprise = (LIMITS[plan] for plan in LIMITS)
    for low, high in ((free, pro), (pro, enterprise)):
        assert low.rentals < high.rentals
        assert low.instances < high.instances
        assert low.micros < high.micros
    assert "2 rentals, 4 instances and $100.00" in CapReached.of(next(iter(LIMITS))).detail


def test_amounts_are_written_with_cents_and_no_lost_digit() -> None:
    assert [dollars(a) for a in (0, 2_000_000, 1_999_999, 1_234_567_800_000, 10)] == [
        "$0.00", "$2.00", "$1.999999", "$1,234,567.80", "$0.00001"
    ]  # fmt: skip


def test_a_running_instance_seen_again_changes_nothing() -> None:
    rental = ready()
    again, told = rules.observed(rental, "m1", running("label"), after(minutes=5))
    assert again is rental
    assert told == ()


def test_a_rental_without_a_key_says_that_ssh_is_closed() -> None:
    assert "SSH is closed" in asked(launch=Launch()).notices[0]
    assert asked().notices == ()


def test_terms_of_an_hour_end_after_an_hour() -> None:
    assert ready(hours=1.5).duration == timedelta(minutes=90)
