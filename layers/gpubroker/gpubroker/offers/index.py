"""The offers of one snapshot, ready to be asked: immutable, built once, shared by all requests of a process.

Offers stand in three orders (price, performance, score); in each, position i has bit i in the bitmap of every facet
value it has, so a filter is a few ANDs and a page is a few bits (see bitmaps.py). Price and VRAM are bit-sliced too,
which makes a range exact in any order. An order is made when it is first asked for; a new snapshot that differs little
is made from the last one by moving bits (`changed`), except for the score, which every change may shift.

For 100,000 offers an order takes about 3 MB.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter, neg
from typing import Any, Literal, TypeAlias

from gpubroker.kernel.collection import no_collection
from gpubroker.offers import bitmaps
from gpubroker.offers.bitmaps import Move, Slices
from gpubroker.offers.criteria import CRITERIA, matrix_of
from gpubroker.offers.merged import Merged
from gpubroker.offers.parts import Columns, Listing, Row, decode_listing
from gpubroker.offers.ranking import topsis

Sort: TypeAlias = Literal["price", "performance", "score"]
SORTS: tuple[Sort, ...] = ("price", "performance", "score")
BucketKey: TypeAlias = tuple[str, str]
"""Provider and bucket name."""

FACETS = ("gpu_model", "gpu_count", "region", "availability", "spot", "tags", "rentable")
_FIELD = {name: index for index, name in enumerate(Row._fields)}
_MOST_DISTANCES = 48  # that bits move by; with more, an order's bitmaps are made anew sooner than moved
_REBUILD_SHARE = 8  # with more than one offer in eight changed, making all anew is the faster way


@dataclass(frozen=True, slots=True)
class Order:
    """Offers by position: `rows[i]` is the row at position i, `facets[name][value]` the positions that have a value."""

    rows: list[int]
    everything: int
    facets: Mapping[str, Mapping[Any, int]]
    price: Slices
    vram: Slices


class Fragments:
    """The JSON of each row, where its bucket keeps it."""

    __slots__ = ("_keepers", "_places")

    def __init__(self, keepers: list[Sequence[bytes]] | None = None, places: list[int] | None = None) -> None:
        self._keepers: list[Sequence[bytes]] = keepers or []
        self._places: list[int] = places or []

    def __getitem__(self, row: int) -> bytes:
        return self._keepers[row][self._places[row]]

    def __len__(self) -> int:
        return len(self._places)

    def __add__(self, other: "Fragments") -> "Fragments":
        return Fragments(self._keepers + other._keepers, self._places + other._places)

    def keep(self, listed: Sequence[bytes], places: Sequence[int]) -> None:
        """Some places of a bucket, as the next rows."""
        self._keepers += [listed] * len(places)
        self._places += places

    def of(self, rows: Sequence[int]) -> list[bytes]:
        return [self[row] for row in rows]


@dataclass(slots=True)
class OfferIndex:
    """Columns, fragments and providers by row number. A row that left the market keeps its number, in no order.

    live     row numbers of the market, in the order of their offers' ids
    where    the row number of each offer id
    buckets  the row numbers of each bucket
    """

    columns: Columns
    fragments: Fragments
    providers: list[str]
    live: list[int]
    where: dict[str, int]
    buckets: dict[BucketKey, list[int]]
    orders: dict[Sort, Order] = field(default_factory=dict)
    scores: list[float] | None = None
    _merged: Merged | None = None

    @classmethod
    def of(cls, blobs: Mapping[BucketKey, bytes]) -> "OfferIndex":
        """From the listings of a snapshot. Raises parts.UnknownFormat."""
        if not blobs:
            return cls(_no_columns(), Fragments(), [], [], {}, {})
        with no_collection():
            return cls._joined((key, decode_listing(blobs[key])) for key in sorted(blobs))

    @classmethod
    def _joined(cls, listings: Iterable[tuple[BucketKey, Listing]]) -> "OfferIndex":
        columns = _no_columns()
        fragments = Fragments()
        providers: list[str] = []
        buckets = {}
        for key, listing in listings:
            start = len(fragments)
            for column, more in zip(columns, listing.columns, strict=True):
                column += more  # type: ignore[operator]
            fragments.keep(listing.fragments, range(len(listing.fragments)))
            providers += [key[0]] * len(listing.fragments)
            buckets[key] = list(range(start, len(fragments)))
        ids = columns.offer_id
        where = dict(zip(ids, range(len(ids)), strict=True))
        return cls(columns, fragments, providers, sorted(range(len(ids)), key=ids.__getitem__), where, buckets)

    def __len__(self) -> int:
        return len(self.live)

    def row(self, number: int) -> Row:
        return Row._make(column[number] for column in self.columns)

    def order(self, sort: Sort) -> Order:
        """The market in one order; made on first use, about 0.1 s for 100,000 offers (the score 0.2 s)."""
        found = self.orders.get(sort)
        if found is None:
            with no_collection():
                found = self.orders[sort] = self._ordered(sorted(self.live, key=self._key(sort)))
        return found

    @property
    def merged(self) -> Merged:
        """Which rows are the same thing from several sources; made on first use."""
        if self._merged is None:
            self._merged = Merged.of(self.columns, self.providers, self.live)
        return self._merged

    def warm(self) -> "OfferIndex":
        """Make all orders now."""
        for sort in SORTS:
            self.order(sort)
        return self

    def mark(self, sort: Sort, row: int) -> list[Any]:
        """Where an offer stands in an order, in values that outlive this snapshot (for cursors)."""
        return list(self._full_key(sort)(row))

    def after(self, sort: Sort, mark: Sequence[Any]) -> int:
        """The first position behind a mark, wherever that is in this snapshot."""
        key = self._full_key(sort)
        place = tuple(mark)
        return bisect_left(self.order(sort).rows, True, key=lambda row: key(row) > place)

    def score(self, row: int) -> float:
        """TOPSIS with the usual weights over the whole market, 0 to 1."""
        return self._scored()[row]

    def changed(self, blobs: Mapping[BucketKey, bytes], gone: Iterable[BucketKey] = ()) -> "OfferIndex":
        """The index after some buckets were replaced or removed; this one stays as it is. Raises UnknownFormat."""
        with no_collection():
            change = _Change(self)
            for key in sorted(blobs):
                change.replace(key, decode_listing(blobs[key]))
            for key in gone:
                change.replace(key, Listing(_no_columns(), []))
            return change.spliced() if change.small() else change.rebuilt()

    def _ordered(self, rows: list[int]) -> Order:
        if not rows:
            return Order([], 0, {name: {} for name in (*FACETS, "provider")}, Slices(()), Slices(()))
        take = itemgetter(*rows) if len(rows) > 1 else lambda values: (values[rows[0]],)
        facets = {name: _bits_by_value(take(self.columns[_FIELD[name]])) for name in FACETS}
        facets["provider"] = _bits_by_value(take(self.providers))
        facets["tags"] = _split(facets["tags"])
        price, vram = Slices.of(take(self.columns.price)), Slices.of(take(self.columns.vram_gb))
        return Order(rows, bitmaps.span(0, len(rows)), facets, price, vram)

    def _key(self, sort: Sort) -> Callable[[int], Any]:
        """A key for sorting `live`, whose own order (by id) then decides ties."""
        if sort == "price":
            return self.columns.price.__getitem__
        if sort == "performance":
            return list(zip(map(neg, self.columns.tflops), self.columns.price, strict=True)).__getitem__
        return list(map(neg, self._scored())).__getitem__

    def _full_key(self, sort: Sort) -> Callable[[int], tuple[Any, ...]]:
        """The whole place of a row in an order, its id last."""
        ids, price, tflops = self.columns.offer_id, self.columns.price, self.columns.tflops
        if sort == "price":
            return lambda row: (price[row], ids[row])
        if sort == "performance":
            return lambda row: (-tflops[row], price[row], ids[row])
        scores = self._scored()
        return lambda row: (-scores[row], ids[row])

    def _scored(self) -> list[float]:
        """TOPSIS with the usual weights over the whole market, by row number. Rounded, so that ties are ties."""
        if self.scores is None:
            matrix = matrix_of(self.columns, [criterion.name for criterion in CRITERIA])
            if len(self.live) < len(matrix):  # some rows have left the market
                matrix = list(map(matrix.__getitem__, self.live))
            weights, directions = zip(*((c.usual_weight, c.direction) for c in CRITERIA), strict=True)
            scores = [0.0] * len(self.fragments)
            members = self.live if len(self.live) < len(scores) else range(len(scores))
            for row, score in zip(members, topsis(matrix, weights, directions), strict=True):
                scores[row] = round(score, 12)
            self.scores = scores
        return self.scores


class _Change:
    """What differs between an index and the next one. New and changed offers get row numbers of their own."""

    def __init__(self, base: OfferIndex) -> None:
        self.base = base
        self.columns = _no_columns()
        self.fragments = Fragments()
        self.providers: list[str] = []
        self.removed: list[int] = []
        self.where = dict(base.where)
        self.buckets = dict(base.buckets)

    def replace(self, key: BucketKey, listing: Listing) -> None:
        base, first = self.base, len(self.base.fragments)
        left = {base.columns.offer_id[number]: number for number in self.buckets.pop(key, ())}
        members = []
        for place, (offer_id, fragment) in enumerate(zip(listing.columns.offer_id, listing.fragments, strict=True)):
            number = left.pop(offer_id, None)
            if number is None or base.fragments[number] != fragment:  # whatever a row says stands in its fragment
                if number is not None:
                    self.removed.append(number)
                number = self.where[offer_id] = first + len(self.fragments)
                for column, values in zip(self.columns, listing.columns, strict=True):
                    column.append(values[place])  # type: ignore[attr-defined]
                self.fragments.keep((fragment,), (0,))  # not the whole bucket, of which little may be new
                self.providers.append(key[0])
            members.append(number)
        for offer_id, number in left.items():
            self.removed.append(number)
            del self.where[offer_id]
        if members:
            self.buckets[key] = members

    def small(self) -> bool:
        rows = len(self.base.fragments) + len(self.fragments)
        moved = len(self.fragments) + len(self.removed)
        return moved * _REBUILD_SHARE <= len(self.where) and rows <= 2 * len(self.where) + 1000

    def rebuilt(self) -> OfferIndex:
        """All anew from what is in memory. Row numbers are given again, so rows that left are forgotten."""
        columns = Columns._make(old + new for old, new in zip(self.base.columns, self.columns, strict=True))  # type: ignore[operator]
        fragments = self.base.fragments + self.fragments

        def listing(numbers: list[int]) -> Listing:
            return Listing(Columns._make([c[n] for n in numbers] for c in columns), fragments.of(numbers))

        return OfferIndex._joined((key, listing(self.buckets[key])) for key in sorted(self.buckets))

    def spliced(self) -> OfferIndex:
        base = self.base
        made = OfferIndex(
            Columns._make(old + new for old, new in zip(base.columns, self.columns, strict=True)),  # type: ignore[operator]
            base.fragments + self.fragments,
            base.providers + self.providers,
            [],
            self.where,
            self.buckets,
        )
        fresh = list(range(len(base.fragments), len(made.fragments)))
        made.live = _replaced(base.live, self.removed, fresh, made.columns.offer_id.__getitem__)[0]
        for sort in SORTS:
            if sort in base.orders and sort != "score":
                made.orders[sort] = _moved(base.orders[sort], made, sort, self.removed, fresh)
        return made


def _moved(order: Order, index: OfferIndex, sort: Sort, removed: list[int], fresh: list[int]) -> Order:
    rows, gone, come = _replaced(order.rows, removed, fresh, index._full_key(sort))
    move = Move.of(len(order.rows), gone, come)
    if len(move.by_distance) > _MOST_DISTANCES:
        return index._ordered(rows)
    facets = {name: {value: move.apply(bits) for value, bits in of.items()} for name, of in order.facets.items()}
    price, vram = order.price.moved(move), order.vram.moved(move)
    for position in come:
        row, bit = index.row(rows[position]), 1 << position
        for name, of in facets.items():
            value = index.providers[rows[position]] if name == "provider" else row[_FIELD[name]]
            for one in str(value).split() if name == "tags" else (value,):
                of[one] = of.get(one, 0) | bit
        price, vram = price.with_value(position, row.price), vram.with_value(position, row.vram_gb)
    return Order(rows, bitmaps.span(0, len(rows)), facets, price, vram)


def _no_columns() -> Columns:
    return Columns._make([] for _ in Row._fields)


def _bits_by_value(column: Sequence[Any]) -> dict[Any, int]:
    """The positions of each value of a column."""
    values = list(dict.fromkeys(column))
    bits: dict[Any, int] = {}
    for start in range(0, len(values), 255):  # a code is a byte, 255 stands for the values of the other turns
        turn = values[start : start + 255]
        codes = dict.fromkeys(values, 255) | {value: code for code, value in enumerate(turn)}
        backwards = bytes(map(codes.__getitem__, reversed(column)))
        bits |= {value: bitmaps.of_code(backwards, code) for code, value in enumerate(turn)}
    return bits


def _split(by_tags: Mapping[str, int]) -> dict[str, int]:
    """From sets of tags, written with spaces, to the tags themselves."""
    tags: dict[str, int] = {}
    for written, bits in by_tags.items():
        for tag in written.split():
            tags[tag] = tags.get(tag, 0) | bits
    return tags


def _replaced(
    rows: list[int], removed: Iterable[int], fresh: Iterable[int], key: Callable[[int], Any]
) -> tuple[list[int], list[int], list[int]]:
    """An ordered list without some rows and with others: the list, positions lost (before), positions won (after)."""
    gone = sorted(bisect_left(rows, key(row), key=key) for row in removed)
    cuts = zip([0, *(cut + 1 for cut in gone)], [*gone, len(rows)], strict=True)
    kept = list(chain.from_iterable(rows[start:end] for start, end in cuts))
    made: list[int] = []
    come = []
    last = 0
    for value, row in sorted((key(row), row) for row in fresh):
        place = bisect_left(kept, value, key=key)
        made += kept[last:place]
        come.append(len(made))
        made.append(row)
        last = place
    return made + kept[last:], gone, come
