"""How changes travel: packed by columns, one partition an offer, old single records understood. # R12.4 (247)"""

import json
import zlib

import orjson
import pytest

from gpubroker.messaging import price_stream
from gpubroker.messaging.price_stream import PARTITIONS, Unreadable, packed, partition_of, rows, unpacked
from gpubroker.prices.changes import read
from tests.unit.prices.changing import NOW_MS, change


def test_what_is_packed_comes_out_as_it_was():
    told = [change("a", 1_850_000), change("b", 2_100_000, region=None, spot=True)]
    assert list(rows(packed(told))) == told


def test_a_record_of_many_is_a_tenth_of_its_rows():
    told = [
        change(f"vastai-{n:020d}", 2_000_000 + n * 997, event_id=f"evt_01J0000000000000000000.{n}") for n in range(300)
    ]
    assert len(packed(told)) * 10 < len(orjson.dumps(told))


def test_a_single_change_of_the_version_before_is_understood():
    (found,), bad = read(json.dumps(change("a", 1_850_000)).encode(), NOW_MS)
    assert (found[1], found[3], bad) == ("a", 1_850_000, [])


def test_an_offer_has_one_partition_for_ever_and_offers_spread():
    assert partition_of("vastai-lmbq4aqo247xxzsqwuz5") == "p04"
    assert len({partition_of(f"vastai-{n}") for n in range(1000)}) == PARTITIONS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01nonsense",
        b"{",
        b"[1]",
        zlib.compress(b"{"),
        zlib.compress(b'"text"'),
        zlib.compress(b'{"v": 2}'),
        zlib.compress(b'{"v": 1}'),
        packed([change()])[:-8],
        zlib.compress(orjson.dumps(orjson.loads(zlib.decompress(packed([change()]))) | {"spot": []})),
    ],
)
def test_what_is_no_record_is_told_as_such(data):
    with pytest.raises(Unreadable):
        unpacked(data)


def test_a_bomb_is_not_unpacked(monkeypatch):
    with pytest.raises(Unreadable, match="over"):
        unpacked(zlib.compress(b" " * (price_stream.MOST_BYTES + 1)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("provider", ""),
        ("offer_id", None),
        ("offer_id", "x" * 129),
        ("new_price_micros", 0),
        ("new_price_micros", -1),
        ("new_price_micros", 1.5),
        ("new_price_micros", True),
        ("new_price_micros", 10**13),
        ("old_price_micros", "2000000"),
        ("gpu_count", 0),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-05-24T10:00:00"),
        ("timestamp", "2026-05-24T10:06:00Z"),
        ("timestamp", 5),
        ("timestamp", None),
        ("timestamp", ["2026-05-24T10:00:00Z"]),
        ("timestamp", {}),
        ("region", 7),
        ("region", "x" * 129),
        ("spot", None),
    ],
)
def test_one_bad_change_never_costs_its_neighbours(field, value):
    good, bad = read(packed([change("a"), change("b") | {field: value}, change("c")]), NOW_MS)
    assert [found[1] for found in good] == ["a", "c"]
    (wrong,) = bad
    assert wrong[field] == value
    assert field in wrong["wrong"]
