"""The stored form of a bucket: what is needed at once, and what only when it is shown."""

import zlib

import orjson
import pytest

from gpubroker.offers import parts
from tests.unit.offers.making import many

OFFERS = many(50)


def test_a_listing_unpacks_no_offer_before_one_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = parts.decode_listing(parts.encode_listing(OFFERS))
    unpacked = []
    real = zlib.decompress
    monkeypatch.setattr(parts.zlib, "decompress", lambda packed: unpacked.append(len(packed)) or real(packed))
    assert (len(listing.fragments), len(listing.columns.offer_id), unpacked) == (50, 50, [])
    shown = [orjson.loads(fragment + b"}")["offer_id"] for fragment in listing.fragments]
    assert shown == list(listing.columns.offer_id) == [offer.offer_id for offer in OFFERS]
    assert orjson.loads(listing.fragments[7] + b"}")["offer_id"] == OFFERS[7].offer_id
    assert len(unpacked) == 1


@pytest.mark.parametrize("spoil", [lambda blob: blob[:-3], lambda blob: blob[:-1] + bytes([blob[-1] ^ 1])])
def test_a_listing_whose_hidden_part_is_broken_is_refused_when_it_is_read(spoil) -> None:
    with pytest.raises(ValueError, match="not those that were written"):
        parts.decode_listing(spoil(parts.encode_listing(OFFERS)))


def test_a_listing_of_the_first_format_is_left_aside() -> None:
    old = zlib.compress(b"\n".join([orjson.dumps({"format": 1, "columns": []}), b'{"offer_id":"a"']))
    with pytest.raises(parts.UnknownFormat):
        parts.decode_listing(old)
