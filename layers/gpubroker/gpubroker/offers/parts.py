"""The stored form of the snapshot: each provider's part is cut into buckets, so that a change rewrites little.

An offer's bucket is the first character of its id's own part, so it can be told without asking, and buckets in their
order hold offers in the order of their ids. A bucket is kept twice: the *listing* is what queries need (columns to
index and ready-made JSON), the *records* are the whole offers, with what renting them takes and no caller may see.
"""

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, overload

import orjson

from gpubroker.offers.merging import machine_of
from gpubroker.offers.offer import AVAILABILITY, Availability, Offer

FORMAT = 3
"""Of the listing. A reader that meets another one leaves the bucket as it was; the next sync rewrites it."""

RECORDS_FORMAT = 2
"""Of the records. A bucket with others is made anew from its provider's next answer."""

LARGEST_BUCKET_BYTES = 350 * 1024
"""Compressed, both forms together: DynamoDB takes 400 KB, the keys and the STATE need little."""


UNPRICED = 1 << 30
"""Stands in a Row for a price that is not told: over every price there can be (wire.MAX_PRICE_PER_GPU), so last."""


class PartTooLarge(Exception):
    """A provider sells more offers than its buckets can hold (about 60,000): the buckets must become finer."""


class UnknownFormat(Exception):
    """A listing written by another version of this house."""


_STORED = tuple(one.name for one in fields(Offer) if one.name != "fetched_at")
_values = attrgetter(*_STORED)
_LEVEL = 1  # of compression: a fifth larger than 6, and four times as fast


class Row(NamedTuple):
    """What the index knows of one offer. Prices are micro-USD per GPU-hour, UNPRICED where none is told; 0 tflops and
    0 vram mean not known. `machine` tells what is the same thing from two sources, see `merging.py`; "" for nothing.
    """

    offer_id: str
    gpu_model: str
    gpu_count: int
    vram_gb: int
    region: str
    availability: str
    spot: bool
    tags: str
    rentable: bool
    price: int
    tflops: float
    machine: str


class Columns(NamedTuple):
    """Rows turned: one sequence for each field of a Row."""

    offer_id: Sequence[str]
    gpu_model: Sequence[str]
    gpu_count: Sequence[int]
    vram_gb: Sequence[int]
    region: Sequence[str]
    availability: Sequence[str]
    spot: Sequence[bool]
    tags: Sequence[str]
    rentable: Sequence[bool]
    price: Sequence[int]
    tflops: Sequence[float]
    machine: Sequence[str]


class Packed(Sequence[bytes]):
    """The fragments of one bucket, unpacked when the first of them is asked for: a process shows few buckets of many,
    and unpacking all of 10,000 offers is a tenth of a cold start."""

    __slots__ = ("_lines", "_packed", "_size")

    def __init__(self, packed: bytes, size: int) -> None:
        self._packed, self._size = packed, size
        self._lines: list[bytes] | None = None

    def _unpacked(self) -> list[bytes]:
        if self._lines is None:
            self._lines = zlib.decompress(self._packed).split(b"\n")
            self._packed = b""
        return self._lines

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...

    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        return self._unpacked()[place]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._unpacked())

    def __len__(self) -> int:
        return self._size


class Listing(NamedTuple):
    """One bucket as queries need it: its columns and, in the same order, the offers' JSON fragments."""

    columns: Columns
    fragments: Sequence[bytes]

    @property
    def rows(self) -> list[Row]:
        return list(map(Row._make, zip(*self.columns, strict=True)))


class Stored(NamedTuple):
    """One bucket as it was written: its version and the listing."""

    version: int
    listing: bytes


def bucket_of(offer_id: str) -> str:
    """The name of the bucket that an offer is in: one character."""
    own = offer_id.rpartition("-")[2]
    return own[0] if own else "_"


class Members(list[Offer]):
    """The offers of one bucket. Their records are encoded once: to be compared, and if they differ to be stored."""

    _records: bytes | None = None

    def records(self) -> bytes:
        """See encode_records; of the members as they were when first asked."""
        if self._records is None:
            self._records = encode_records(self)
        return self._records


def bucketed(offers: Iterable[Offer]) -> dict[str, Members]:
    """Offers by bucket, in the order of their ids; of two with the same id the last one counts (R7.3)."""
    unique = {offer.offer_id: offer for offer in offers}
    buckets: dict[str, Members] = defaultdict(Members)
    for offer_id in sorted(unique):
        buckets[bucket_of(offer_id)].append(unique[offer_id])
    return dict(buckets)


def row_of(offer: Offer, public: Mapping[str, Any]) -> Row:
    return Row(
        offer.offer_id,
        offer.gpu_model,
        offer.gpu_count,
        round(offer.vram_gb_per_gpu or 0),
        offer.region or "",
        offer.availability._value_,  # without the descriptor's detour
        offer.spot,
        " ".join(offer.compliance_tags),
        offer.rentable,
        UNPRICED if offer.price_micros_per_gpu_hour is None else offer.price_micros_per_gpu_hour,
        public["fp16_tflops"] or 0.0,
        machine_of(offer),
    )


def encode_listing(offers: list[Offer]) -> bytes:
    """The columns, and behind them one line of JSON for each offer (open at its end, see market.Freshness).

    Both compressed, and apart: the columns are needed at once, a fragment when it is shown.
    """
    from gpubroker.offers.views import public  # with the tables of figures, which only a writer needs

    shown = [public(offer) for offer in offers]
    rows = [row_of(offer, view) for offer, view in zip(offers, shown, strict=True)]
    packed = zlib.compress(b"\n".join([orjson.dumps(view)[:-1] for view in shown]), _LEVEL)
    head = {"format": FORMAT, "check": zlib.crc32(packed), "columns": list(zip(*rows, strict=True))}
    return zlib.compress(orjson.dumps(head), _LEVEL) + packed


def decode_listing(blob: bytes) -> Listing:
    """Raises UnknownFormat for another version's, ValueError or zlib.error for one that is broken."""
    reader = zlib.decompressobj()
    told = orjson.loads(reader.decompress(blob).partition(b"\n")[0])  # one line; format 1 went on behind it
    if told["format"] != FORMAT:
        raise UnknownFormat(str(told["format"]))
    columns, packed = Columns(*told["columns"]), reader.unused_data
    if zlib.crc32(packed) != told["check"]:  # now, while there is another tier to ask, and not when it is shown
        raise ValueError("the fragments are not those that were written")
    return Listing(columns, Packed(packed, len(columns.offer_id)))


def encode_records(offers: list[Offer]) -> bytes:
    """The whole offers but for `fetched_at`, which is their provider's and stands in its state. Not compressed.

    The names of the fields once, then a row of values for each offer.
    """
    told = {"format": RECORDS_FORMAT, "fields": _STORED, "rows": list(map(_values, offers))}
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def compressed(raw: bytes) -> bytes:
    return zlib.compress(raw, _LEVEL)


def decode_records(blob: bytes, fetched_at: float) -> list[Offer]:
    """The offers of compressed records, with the time of their provider's answer. Raises UnknownFormat."""
    told = orjson.loads(zlib.decompress(blob))
    if not isinstance(told, dict) or told.get("format") != RECORDS_FORMAT:
        raise UnknownFormat("records of another version")
    moment = datetime.fromtimestamp(fetched_at, UTC)
    fields = told["fields"]
    return [Offer.from_values(dict(zip(fields, row, strict=True)), moment) for row in told["rows"]]


class Listed(NamedTuple):
    """Of a stored offer, what a comparison with what is offered now needs."""

    offer_id: str
    gpu_model: str
    gpu_count: int
    region: str | None
    spot: bool
    price_micros_per_hour: int | None
    price_micros_per_gpu_hour: int | None
    availability: Availability


def decode_listed(blob: bytes) -> dict[str, Listed]:
    """The offers of compressed records by their ids, as far as they are compared: a third of what whole ones cost.
    Raises UnknownFormat."""
    told = orjson.loads(zlib.decompress(blob))
    if not isinstance(told, dict) or told.get("format") != RECORDS_FORMAT:
        raise UnknownFormat("records of another version")
    values = itemgetter(*map(told["fields"].index, Listed._fields))
    listed = {}
    for *plain, availability in map(values, told["rows"]):
        listed[plain[0]] = Listed._make((*plain, AVAILABILITY[availability]))
    return listed


def digest(raw_records: bytes) -> str:
    """Of a bucket's records, not compressed. Equal digests: equal offers, and figures of the same dated table."""
    from gpubroker.offers.gpu_figures import AS_OF

    return hashlib.blake2b(raw_records, digest_size=6, person=f"{FORMAT} {AS_OF}".encode()).hexdigest()
