"""The index of alerts: what is asked for is what fires, and three ranges are enough for any change."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gpubroker.offers.regions import REGIONS as CANONICAL
from gpubroker.offers.slugs import SLUGS
from gpubroker.prices.alerts import index
from gpubroker.prices.alerts.alert import Alert, Change
from tests.unit.prices.alerts.making import a_change, an_alert

REGIONS = ("us", "us-east", "us-west", "eu-west", "a-new-region")
PRICES = st.integers(1, 40)
FAMILIES = {"us": ("us", "us-east", "us-west"), "eu": ("eu-west",)}


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    region = draw(st.sampled_from([None, *REGIONS, "eu"]))
    return an_alert(
        gpu_type=draw(st.sampled_from(["A100", "H100"])),
        region=region,
        regions=FAMILIES.get(region, (region,)) if region else (),
        provider=draw(st.sampled_from([None, "vastai", "runpod"])),
        spot=draw(st.sampled_from([None, True, False])),
        max_price_micros=draw(PRICES),
        alert_id=f"alr_{draw(st.integers(0, 10**9))}",
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    return a_change(
        draw(PRICES),
        draw(PRICES),
        gpu_type=draw(st.sampled_from(["A100", "H100"])),
        region=draw(st.sampled_from([None, *REGIONS])),
        provider=draw(st.sampled_from(["vastai", "runpod", "verda"])),
        spot=draw(st.booleans()),
        sequence=draw(st.integers(1, 100)),
    )


def stored(kept: list[Alert]) -> dict[str, list[str]]:
    """The index as the table would hold it: sorted keys by partition."""
    table: dict[str, list[str]] = {}
    for alert in kept:
        for pk, sk in index.entries_of(alert):
            table.setdefault(pk, []).append(sk)
    return {pk: sorted(keys) for pk, keys in table.items()}


def read(table: dict[str, list[str]], wanted: index.Range) -> list[str]:
    low, high = wanted.keys
    return [key for key in table.get(wanted.partition, []) if low <= key <= high]


@given(st.lists(alerts(), max_size=30, unique_by=lambda alert: alert.alert_id), changes())
def test_a_change_reads_the_alerts_that_it_crosses_and_no_other(kept: list[Alert], change: Change) -> None:
    quote = change.quote
    asked = index.questions([change])
    assert len(asked) <= 3
    found = [key for wanted in asked for key in read(stored(kept), wanted)]
    due = [
        alert.alert_id
        for alert in kept
        if quote.price_micros <= alert.max_price_micros < change.old_price_micros
        and alert.selector.covers(
            gpu_type=quote.gpu_type, region=quote.region, provider=quote.provider, spot=quote.spot
        )
    ]
    read_ids = [index.threshold_of(key)[1] for key in found]
    # Each once: an alert stands in one of the three partitions of a change at most. Only regions without partitions of
    # their own share one, where an entry may be read that its alert then refuses.
    assert len(read_ids) == len(set(read_ids))
    assert set(due) <= set(read_ids)
    if quote.region in index.REGIONS:
        assert set(due) == set(read_ids)


@given(st.lists(changes(), max_size=20))
def test_a_batch_asks_for_each_threshold_that_a_change_crosses_once(batch: list[Change]) -> None:
    asked = index.questions(batch)
    for partition in {wanted.partition for wanted in asked}:
        spans = sorted((wanted.low, wanted.high) for wanted in asked if wanted.partition == partition)
        assert all(high < low for (_, high), (low, _) in pairwise(spans))
        thresholds = {n for low, high in spans for n in range(low, high)}
        crossed = {
            n
            for change in batch
            if partition in index.partitions_asked(change)
            for n in range(change.quote.price_micros, change.old_price_micros)
        }
        assert thresholds == crossed


def test_a_rise_asks_nothing() -> None:
    assert index.questions([a_change(1_000_000, 2_000_000), a_change(5, 5)]) == []


def test_the_commonest_alert_is_two_entries_and_the_costliest_is_written_in_one_transaction() -> None:
    assert len(index.entries_of(an_alert())) == 2
    assert len(index.entries_of(an_alert(spot=False))) == 1
    costliest = index.entries_of(an_alert(provider="vastai"))
    assert len(costliest) == 2 * (len(index.REGIONS) + 1)
    assert 2 * len(costliest) + 4 <= 100  # moved to another threshold, with everything beside it


def test_a_paused_alert_has_no_entries() -> None:
    assert index.entries_of(an_alert(paused=True)) == ()


def test_every_region_of_the_offers_has_partitions_of_its_own() -> None:
    """Not needed for being right (the rest stands in ELSEWHERE), but for reading only what fires."""
    assert {*CANONICAL, "us"} <= set(index.REGIONS)
    assert not {index.ANY, index.ELSEWHERE} & {*index.REGIONS, *SLUGS}


def test_keys_sort_as_prices_do() -> None:
    dear, cheap = index.entry_key(10**12, "alr_a"), index.entry_key(999_999, "alr_b")
    assert cheap < dear
    assert index.threshold_of(dear) == (10**12, "alr_a")
