"""When an alert fires, held against a simple oracle and against everything that a bus and a clock may do."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.prices.alerts import rules
from gpubroker.prices.alerts.alert import AT_ONCE, Alert, Change
from gpubroker.prices.alerts.rules import Verdict
from tests.unit.prices.alerts.making import NOW, a_change, after, an_alert

M = 1_500_000
LATER = after(minutes=1)


def nobody(offer_id: str) -> int | None:
    raise AssertionError("the market need not be asked")


def verdict(alert: Alert, change: Change, *, now=LATER, price_of=nobody) -> Verdict:
    return rules.verdict(alert, change, now=now, price_of=price_of)


def fired_by(alert: Alert, change: Change, now=LATER) -> Alert:
    return rules.fired(alert, change.quote, sequence=change.sequence, now=now)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (M + 1, M, Verdict.FIRES),
        (2 * M, 1, Verdict.FIRES),
        (M, M - 1, Verdict.UNMOVED),  # it was at the threshold already
        (2 * M, M + 1, Verdict.UNMOVED),
        (M - 1, 2 * M, Verdict.UNMOVED),
    ],
)
def test_it_fires_when_the_price_comes_to_the_threshold_from_above(old: int, new: int, expected: Verdict) -> None:
    assert verdict(an_alert(), a_change(old, new)) is expected


@pytest.mark.parametrize(
    ("selector", "change", "fires"),
    [
        ({"spot": True}, {}, False),
        ({"spot": True}, {"spot": True}, True),
        ({"region": "us", "regions": ("us", "us-east")}, {}, True),
        ({"region": "eu-west", "regions": ("eu-west",)}, {}, False),
        ({"region": "us", "regions": ("us", "us-east")}, {"region": None}, False),
        ({"provider": "runpod"}, {}, False),
        ({"provider": "vastai"}, {}, True),
        ({"gpu_type": "H100"}, {}, False),
    ],
)
def test_only_by_its_offers(selector, change, fires: bool) -> None:
    found = verdict(an_alert(**selector), a_change(2 * M, M, **change))
    assert found is (Verdict.FIRES if fires else Verdict.UNMOVED)


def test_the_same_change_again_and_an_older_one_that_comes_late_are_nothing() -> None:
    change = a_change(2 * M, M, sequence=7)
    alert = fired_by(an_alert(), change)
    assert verdict(alert, change) is Verdict.TOLD
    assert verdict(alert, a_change(2 * M, M - 5, sequence=5)) is Verdict.TOLD


def test_the_same_offer_fires_again_only_after_it_rose_in_between() -> None:
    alert = fired_by(an_alert(), a_change(2 * M, M, sequence=7))
    assert verdict(alert, a_change(M, M - 5, sequence=8)) is Verdict.UNMOVED
    assert verdict(alert, a_change(2 * M, M - 5, sequence=9)) is Verdict.FIRES


@pytest.mark.parametrize(("price", "expected"), [(M, Verdict.HELD), (M + 1, Verdict.FIRES), (None, Verdict.FIRES)])
def test_another_offer_fires_it_only_when_the_first_is_too_dear_again_or_gone(price, expected) -> None:
    alert = fired_by(an_alert(), a_change(2 * M, M, sequence=7))
    other = a_change(2 * M, M - 1, sequence=1, offer_id="runpod-y", provider="runpod")
    assert verdict(alert, other, price_of={"vastai-x": price}.get) is expected


def test_what_happened_before_it_was_made_is_not_its_business() -> None:
    assert verdict(an_alert(), a_change(2 * M, M, at=after(seconds=-10.001))) is Verdict.BEFORE
    assert verdict(an_alert(), a_change(2 * M, M, at=NOW)) is Verdict.FIRES


def test_a_change_on_its_way_to_the_table_as_the_alert_looked_there_fires_it_once() -> None:
    change = a_change(2 * M, M, at=after(seconds=-2))
    assert verdict(an_alert(), change) is Verdict.FIRES  # it saw the old price
    met = rules.fired(an_alert(), change.quote, sequence=AT_ONCE, now=NOW)
    assert verdict(met, change) is Verdict.TOLD  # it saw the new one


def test_an_expired_one_does_not_fire_even_if_it_is_still_stored() -> None:
    alert = an_alert(expires_at=after(minutes=1))
    assert verdict(alert, a_change(2 * M, M), now=after(seconds=59)) is Verdict.FIRES
    assert verdict(alert, a_change(2 * M, M), now=after(minutes=1)) is Verdict.EXPIRED


def test_a_change_that_is_told_hours_later_is_no_news() -> None:
    assert verdict(an_alert(), a_change(2 * M, M), now=after(hours=6)) is Verdict.FIRES
    assert verdict(an_alert(), a_change(2 * M, M), now=after(hours=6, minutes=2)) is Verdict.STALE


def test_within_its_cooldown_it_is_quiet_and_after_it_fires() -> None:
    alert = fired_by(an_alert(cooldown_seconds=600), a_change(2 * M, M, sequence=1), now=after(minutes=1))
    again = a_change(2 * M, M, sequence=3, at=after(minutes=5))
    assert verdict(alert, again, now=after(minutes=10)) is Verdict.QUIET
    assert verdict(alert, again, now=after(minutes=11)) is Verdict.FIRES


def test_a_clock_that_was_ahead_when_it_fired_does_not_silence_it_for_ever() -> None:
    alert = replace(an_alert(cooldown_seconds=600), last_fired_at=after(days=400))
    assert verdict(alert, a_change(2 * M, M)) is Verdict.FIRES
    assert rules.cooling(alert, after(days=400) - rules.timedelta(seconds=599))


def test_it_met_its_offer_as_it_was_made_and_the_first_change_of_that_offer_is_a_new_crossing() -> None:
    made = rules.fired(an_alert(), a_change(2 * M, M).quote, sequence=AT_ONCE, now=NOW)
    assert made.crossings == 1
    assert verdict(made, a_change(2 * M, M, sequence=0)) is Verdict.FIRES


def test_a_new_threshold_and_an_end_of_a_pause_arm_it_anew() -> None:
    alert = fired_by(an_alert(), a_change(2 * M, M, sequence=7))
    paused = rules.changed(alert, now=after(hours=1), paused=True)
    assert verdict(paused, a_change(2 * M, M, sequence=9)) is Verdict.PAUSED
    resumed = rules.changed(paused, now=after(hours=2), paused=False)
    assert (resumed.hold, resumed.since) == (None, after(hours=2))
    assert rules.changed(alert, now=after(hours=1), max_price_micros=M + 1).hold is None
    assert rules.changed(alert, now=after(hours=1), cooldown_seconds=5).hold == alert.hold
    assert rules.changed(an_alert(expires_at=after(days=1)), now=NOW, unlimited=True).expires_at is None


@dataclass
class Oracle:
    """What a person with pencil and paper would say: the condition is true while some offer that was told of is at or
    below the threshold; the alert fires when the offer that made it true is dear again and one falls below."""

    prices: dict[str, int] = field(default_factory=dict)
    holder: str | None = None
    fired: list[tuple[str, int]] = field(default_factory=list)

    def see(self, change: Change) -> None:
        name, price = change.quote.offer_id, change.quote.price_micros
        self.prices[name] = price
        if self.holder is not None and self.prices[self.holder] > M:
            self.holder = None
        if change.old_price_micros > M >= price and self.holder is None:
            self.holder = name
            self.fired.append((name, change.sequence))


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """The market's changes in their order: prices of three offers, each with its own count."""
    prices, counts = dict.fromkeys("abc", 2 * M), dict.fromkeys("abc", 0)
    made = []
    for name in draw(st.lists(st.sampled_from("abc"), max_size=25)):
        new = draw(st.sampled_from([M - 10, M, M + 1, 2 * M]))
        if new != prices[name]:
            counts[name] += 1
            made.append(a_change(prices[name], new, offer_id=name, sequence=counts[name]))
            prices[name] = new
    return made


@given(histories(), st.data())
def test_in_order_and_with_any_repetition_it_fires_as_the_oracle_does(history: list[Change], data: st.DataObject):
    oracle, alert, told = Oracle(), an_alert(), []
    market: dict[str, int] = {}
    for place, change in enumerate(history):
        oracle.see(change)
        market[change.quote.offer_id] = change.quote.price_micros
        repeated = data.draw(st.sampled_from([0, 1, 2]), label="deliveries beside")
        for one in [change] * (1 + repeated):
            if verdict(alert, one, price_of=market.get) is Verdict.FIRES:
                alert = fired_by(alert, one)
                told.append((one.quote.offer_id, one.sequence))
        assert told == oracle.fired, place


@given(histories(), st.randoms(use_true_random=False))
def test_in_any_order_no_change_fires_twice_in_a_row_and_nothing_fires_but_crossings(history, random) -> None:
    """Order is not guaranteed: then the alert may see fewer crossings than there were, never one of an offer after a
    later one of it, and the fact's id (alert, offer, sequence) makes any that come back the same fact."""
    shuffled = history * 2
    random.shuffle(shuffled)
    market = {change.quote.offer_id: change.quote.price_micros for change in history}
    alert = an_alert()
    for change in shuffled:
        if verdict(alert, change, price_of=market.get) is Verdict.FIRES:
            assert change.crosses(M)
            hold = alert.hold
            if hold is not None and hold.offer_id == change.quote.offer_id:
                assert change.sequence > hold.sequence
            alert = fired_by(alert, change)
