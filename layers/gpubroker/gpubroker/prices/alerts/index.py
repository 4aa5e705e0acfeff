"""The index of alerts: a change of price asks three partitions, and each holds nothing but alerts of its kind in order
of their thresholds. So what is read is what fires (and what is cooling down or held), however many there are.

A threshold m fires when a price falls from `old` to `new` with new <= m < old: one range of a sort key. A change could
be meant by alerts with and without a region, a provider and a kind: eight sorts of selectors, eight questions. Instead
an alert is written where it will be looked for:

    kind         on demand and spot apart; an alert for both stands in both
    region       a name that covers several regions stands in each
    any region   of a certain provider: stands in each region of that provider; of any provider: in a partition for all

which leaves (region, provider), (region, any), (any, any). The commonest alert, a GPU at a price, is two entries, the
most expensive (one provider, any region, both kinds) two for each region.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gpubroker.kernel.money import MicroUsd
from gpubroker.prices.alerts.alert import Alert, Change, Selector

REGIONS = (
    "af",
    "ap-northeast",
    "ap-south",
    "ap-southeast",
    "ca",
    "eu-central",
    "eu-north",
    "eu-west",
    "me",
    "oceania",
    "sa",
    "us",
    "us-central",
    "us-east",
    "us-west",
)
"""The regions with partitions of their own. Whatever else a region is called, now or one day, stands in ELSEWHERE, so a
new one needs no rewriting; entries are held against the change after they were read."""
ELSEWHERE = "elsewhere"
ANY = "*"
_DIGITS = 13  # of a price in micro-USD: a million dollars is 10**12
PREFIX = "WATCH#"


@dataclass(frozen=True, slots=True)
class Range:
    """A question to one partition: thresholds from `low` (inclusive) to `high` (exclusive)."""

    partition: str
    low: MicroUsd
    high: MicroUsd

    @property
    def keys(self) -> tuple[str, str]:
        """Bounds for BETWEEN: a threshold's own entries sort after its bare number."""
        return price_key(self.low), price_key(self.high)


def price_key(micros: MicroUsd) -> str:
    return f"{micros:0{_DIGITS}d}"


def entry_key(max_price_micros: MicroUsd, alert_id: str) -> str:
    return f"{price_key(max_price_micros)}#{alert_id}"


def threshold_of(entry: str) -> tuple[MicroUsd, str]:
    """The threshold and the alert of an entry's sort key."""
    price, _, alert_id = entry.partition("#")
    return int(price), alert_id


def partitions_of(selector: Selector) -> tuple[str, ...]:
    """Where an alert of this selector is looked for, without repetition."""
    kinds = (False, True) if selector.spot is None else (selector.spot,)
    if selector.region is not None:
        places: Iterable[str] = dict.fromkeys(_place(region) for region in selector.regions)
    elif selector.provider is not None:
        places = (*REGIONS, ELSEWHERE)
    else:
        places = (ANY,)
    provider = selector.provider or ANY
    return tuple(_partition(selector.gpu_type, kind, place, provider) for kind in kinds for place in places)


def partitions_asked(change: Change) -> tuple[str, str, str]:
    """Where the alerts stand that a change may fire."""
    quote = change.quote
    place = _place(quote.region)
    return (
        _partition(quote.gpu_type, quote.spot, place, quote.provider),
        _partition(quote.gpu_type, quote.spot, place, ANY),
        _partition(quote.gpu_type, quote.spot, ANY, ANY),
    )


def entries_of(alert: Alert) -> tuple[tuple[str, str], ...]:
    """(pk, sk) of each entry of an alert; none while it is paused."""
    if alert.paused:
        return ()
    key = entry_key(alert.max_price_micros, alert.alert_id)
    return tuple((partition, key) for partition in partitions_of(alert.selector))


def questions(changes: Sequence[Change]) -> list[Range]:
    """The ranges to read for a batch: falls only, and ranges of one partition joined where they touch or overlap.

    Never a threshold is asked for that no change crosses, and none twice.
    """
    wanted: dict[str, list[tuple[MicroUsd, MicroUsd]]] = {}
    for change in changes:
        if change.quote.price_micros < change.old_price_micros:
            for partition in partitions_asked(change):
                wanted.setdefault(partition, []).append((change.quote.price_micros, change.old_price_micros))
    return [Range(partition, low, high) for partition, spans in wanted.items() for low, high in _joined(spans)]


def _joined(spans: list[tuple[MicroUsd, MicroUsd]]) -> list[tuple[MicroUsd, MicroUsd]]:
    joined: list[tuple[MicroUsd, MicroUsd]] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return joined


def _place(region: str | None) -> str:
    return region if region in REGIONS else ELSEWHERE


def _partition(gpu_type: str, spot: bool, place: str, provider: str) -> str:
    # The GPU's name last: it is the only part that may hold any character.
    return f"{PREFIX}{'spot' if spot else 'on-demand'}#{place}#{provider}#{gpu_type}"
