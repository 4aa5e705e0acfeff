"""What a batch tells: significance, anomalies with exact numbers, windows, and once in effect. # R13 (250-253)"""

import random
import statistics
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubroker.messaging.price_stream import packed
from gpubroker.prices.changes import read
from gpubroker.prices.detector import LEAST, MINUTE_MS, WINDOW, Series, detect
from gpubroker.prices.items import StateItem, packed_ring, series_of
from tests.unit.prices.changing import NOW_MS, change


def told(*changes, series=None, now_ms=NOW_MS):
    """What `detect` finds; the series are made where none are given."""
    found, bad = read(packed(changes), now_ms)
    assert not bad
    series = {} if series is None else series
    for one in found:
        series.setdefault(one[1], Series())
    return detect(found, series, now_ms=now_ms)


def run(prices, **more):
    return [change("a", price, at_ms=NOW_MS - (len(prices) - n) * 20_000, **more) for n, price in enumerate(prices)]


@pytest.mark.parametrize(
    ("old", "new", "significant"),
    [
        (2_000_000, 2_100_000, False),  # exactly 5 %
        (2_000_000, 2_100_001, True),
        (2_000_000, 1_900_000, False),
        (2_000_000, 1_899_999, True),
        (1, 2, True),
        (10**12 - 1, 10**12, False),
    ],
)
def test_a_change_is_significant_over_five_percent_of_what_it_was(old, new, significant):  # R13.2 (251)
    found = told(change("a", new, old_price_micros=old))
    assert found.updates[0]["significant"] is significant
    assert found.changes == (found.updates if significant else [])
    assert found.updates[0]["change_percent"] == pytest.approx((new - old) / old * 100)


def test_nothing_is_an_anomaly_before_there_are_ten_samples():
    found = told(*run([2_000_000] * (LEAST - 1) + [9_000_000]))
    assert [update["z_score"] for update in found.updates] == [None] * LEAST
    assert not found.anomalies


def test_a_jump_after_a_flat_run_is_caught_and_rounding_is_not():  # R13.3 (252)
    found = told(*run([2_000_000] * LEAST + [2_005_000, 2_100_000]))
    assert [anomaly["new_price_micros"] for anomaly in found.anomalies] == [2_100_000]
    assert found.updates[LEAST]["z_score"] == pytest.approx(2.5)  # sigma is 0.1 % of 2 USD
    again = told(*run([2_000_000] * LEAST + [2_006_100]))
    (anomaly,) = again.anomalies
    assert (anomaly["mean"], anomaly["sigma"], anomaly["samples"]) == (2.0, 0.002, LEAST)
    assert anomaly["z_score"] == pytest.approx((anomaly["new_price"] - anomaly["mean"]) / anomaly["sigma"])


def reference(prices):
    """z of each price against the hundred before it, by the standard library's exact fractions."""
    for at, price in enumerate(prices):
        window = prices[max(0, at - WINDOW) : at]
        if len(window) < LEAST:
            yield None
            continue
        mean = Fraction(sum(window), len(window))
        variance = statistics.variance([Fraction(one) for one in window])
        sigma = max(float(variance) ** 0.5, float(mean) / 1000, 1.0)
        yield float(price - mean) / sigma


@pytest.mark.parametrize(
    ("mean", "spread"), [(2_000_000, 100_000), (10**11, 3 * 10**9), (10**11, 2), (50, 30), (3_000_000, 1)]
)
def test_the_numbers_are_those_of_exact_fractions(mean, spread):
    """Also with a huge mean and a tiny spread, after a thousand samples that came and went."""
    chance = random.Random(5)
    prices = [max(1, mean + chance.randint(-spread, spread)) for _ in range(1000)]
    found = told(*run(prices))
    for update, expected in zip(found.updates, reference(prices), strict=True):
        assert update["z_score"] == (None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-9))


def test_sums_stay_exact_however_often_samples_come_and_go():
    chance = random.Random(6)
    series = {}
    told(*run([chance.randint(10**11, 10**12) for _ in range(2000)]), series=series)
    assert series["a"].total == sum(series["a"].prices)
    assert series["a"].squares == sum(price**2 for price in series["a"].prices)
    assert len(series["a"].prices) == WINDOW


BATCH = [change(offer, 2_000_000 + n * 7_001, at_ms=NOW_MS - 60_000 + n * 977) for n, offer in enumerate("abcab" * 12)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_record_has_its_effect_once_however_batches_are_cut_and_come_again(data):  # R12.5 (248)
    """Cut at random and each batch delivered again, whole or its end only, with the state through storage each time."""
    whole, series = {}, {}
    expected = told(*BATCH, series=whole)
    updates, counted, at = [], {}, 0
    while at < len(BATCH):
        size = data.draw(st.integers(1, 20))
        back = data.draw(st.integers(0, at))
        found = told(*BATCH[back : at + size], series=series)
        at += size
        updates += found.updates
        for key, window in found.windows.items():
            counted[key] = [x + y for x, y in zip(counted.get(key, [0, 0]), window[:2], strict=True)]
        series = {offer: stored(one) for offer, one in series.items()}
    assert [update["event_id"] for update in updates] == [update["event_id"] for update in expected.updates]
    assert [update["z_score"] for update in updates] == [update["z_score"] for update in expected.updates]
    assert counted == {key: window[:2] for key, window in expected.windows.items()}
    assert {offer: list(one.prices) for offer, one in series.items()} == {
        offer: list(one.prices) for offer, one in whole.items()
    }


def stored(series):
    item = StateItem("SERIES#a", "STATE", ring=packed_ring(series), last_ms=series.last_ms, sequence=series.sequence)
    item.version = series.version + 1
    return series_of(item)


def test_a_series_is_the_same_after_a_cold_start_and_small():
    chance = random.Random(7)
    series = {}
    told(*run([2_000_000 + chance.randint(-99, 99) * 1000 for _ in range(300)]), series=series)
    again = stored(series["a"])
    assert (again.prices, again.seen, again.total) == (series["a"].prices, series["a"].seen, series["a"].total)
    assert (again.squares, again.last_ms, again.sequence) == (
        series["a"].squares,
        series["a"].last_ms,
        series["a"].sequence,
    )
    assert len(packed_ring(series["a"])) < 1000


def test_shards_in_whatever_order_give_the_same_windows_and_series():
    shards = [[one for one in BATCH if one["offer_id"] == offer] for offer in "abc"]
    states = []
    for order in (shards, shards[::-1]):
        series, windows = {}, {}
        for shard in order:
            for key, (samples, total, low, high) in told(*shard, series=series).windows.items():
                was = windows.get(key, (0, 0, low, high))
                windows[key] = (was[0] + samples, was[1] + total, min(was[2], low), max(was[3], high))
        states.append((windows, {offer: list(one.prices) for offer, one in series.items()}))
    assert states[0] == states[1]


def test_a_window_has_its_start_and_not_its_end():  # R13.4 (253)
    minute = NOW_MS - 10 * MINUTE_MS
    found = told(
        change("a", 1_000_000, at_ms=minute),
        change("b", 2_000_000, at_ms=minute + MINUTE_MS - 1),
        change("c", 4_000_000, at_ms=minute + MINUTE_MS),
        change("d", 5_000_000, at_ms=minute, gpu_type="A100"),
    )
    assert found.windows == {
        ("H100", minute): [2, 3_000_000, 1_000_000, 2_000_000],
        ("H100", minute + MINUTE_MS): [1, 4_000_000, 4_000_000, 4_000_000],
        ("A100", minute): [1, 5_000_000, 5_000_000, 5_000_000],
    }


def test_a_late_change_counts_in_its_window_for_an_hour_and_is_told_after_that_too():
    found = told(change("a", at_ms=NOW_MS - 59 * MINUTE_MS), change("b", at_ms=NOW_MS - 62 * MINUTE_MS))
    assert list(found.windows) == [("H100", NOW_MS - 59 * MINUTE_MS)]
    assert (found.too_late, len(found.updates)) == (1, 2)


def test_the_highest_sequence_is_the_present_price_whatever_comes_late():
    series = {}
    first = told(change("a", 1, at_ms=NOW_MS - 1000), change("a", 2, at_ms=NOW_MS), series=series)
    same = told(change("a", 3, at_ms=NOW_MS, event_id="evt_other"), series=series)
    late = told(change("a", 4, at_ms=NOW_MS - 500), series=series)
    sequences = [update["sequence"] for found in (first, same, late) for update in found.updates]
    assert sequences == [NOW_MS - 1000, NOW_MS, NOW_MS + 1, NOW_MS - 500]
    assert told(change("a", 5, at_ms=NOW_MS + 1), series=series).updates[0]["sequence"] == NOW_MS + 2


def test_what_is_older_than_a_full_window_is_taken_for_seen():
    series = {}
    told(*run([2_000_000 + n for n in range(WINDOW)]), series=series)
    ancient = told(change("a", 9, at_ms=NOW_MS - 24 * 3_600_000), series=series)
    assert (ancient.updates, ancient.repeated) == ([], 1)
