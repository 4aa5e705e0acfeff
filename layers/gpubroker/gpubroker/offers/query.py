"""From filters to a page: set operations on an index, nothing else. No HTTP, no clock, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from gpubroker.offers import bitmaps
from gpubroker.offers.criteria import AVAILABILITY_LEVEL
from gpubroker.offers.index import OfferIndex, Order, Sort
from gpubroker.offers.parts import UNPRICED

Sized: TypeAlias = tuple[str, int]
"""A canonical model and GB of VRAM of one GPU."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What an offer must be. Empty and None filter nothing; ranges include their ends.

    gpu_models, gpu_counts, regions, providers, availabilities: one of these; compliance_tags: all of these;
    gpu_sizes: models that count with this VRAM only, beside gpu_models; prices: micro-USD per GPU-hour;
    VRAM: GB of one GPU, and an offer that does not say it fits no range and no size.
    """

    gpu_models: tuple[str, ...] = ()
    gpu_sizes: tuple[Sized, ...] = ()
    gpu_counts: tuple[int, ...] = ()
    regions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    availabilities: tuple[str, ...] = ()
    min_availability: str | None = None
    compliance_tags: tuple[str, ...] = ()
    spot: bool | None = None
    rentable: bool | None = None
    min_vram_gb: int | None = None
    max_vram_gb: int | None = None
    min_price: int | None = None
    max_price: int | None = None

    @property
    def whole(self) -> bool:
        """Whether only on what all sources of one thing have in common: GPU, memory, count, on demand or spot."""
        varying = (self.regions, self.providers, self.availabilities, self.min_availability, self.compliance_tags,
                   self.rentable, self.min_price, self.max_price)  # fmt: skip
        return all(one in _OFF for one in varying)

    def text(self) -> str:
        """The filters as one stable text: what a cursor belongs to."""
        return "\x1e".join(f"{name}={value}" for name in self.__slots__ if (value := getattr(self, name)) not in _OFF)


_OFF: tuple[Any, ...] = ((), None)


@dataclass(frozen=True, slots=True)
class Page:
    """Row numbers of one page in their order; `total` counts all matches; `more` says whether any follow."""

    rows: list[int]
    total: int
    more: bool


def matching(index: OfferIndex, filters: Filters, sort: Sort) -> int:
    """The positions, in that order, of all offers that pass; of one thing from several sources, the best that does."""
    found = _passing(index, filters, sort)
    return index.merged.once(found, sort, index.order(sort).rows, whole=filters.whole)


def _passing(index: OfferIndex, filters: Filters, sort: Sort) -> int:
    order = index.order(sort)
    found = _priced(index, order, filters, sort)
    facets = order.facets
    if filters.gpu_models or filters.gpu_sizes:
        wanted = _any(facets["gpu_model"], filters.gpu_models)
        for model, gb in filters.gpu_sizes:
            of_size = order.vram.at_least(gb, order.everything) & order.vram.at_most(gb, order.everything)
            wanted |= facets["gpu_model"].get(model, 0) & of_size
        found &= wanted
    if filters.providers:
        found &= _any(facets["provider"], filters.providers)
    if filters.regions:
        found &= _any(facets["region"], filters.regions)
    if filters.gpu_counts:
        found &= _any(facets["gpu_count"], filters.gpu_counts)
    if filters.availabilities:
        found &= _any(facets["availability"], filters.availabilities)
    if filters.min_availability is not None:
        least = AVAILABILITY_LEVEL[filters.min_availability]
        found &= _any(facets["availability"], tuple(a for a, level in AVAILABILITY_LEVEL.items() if level >= least))
    for tag in filters.compliance_tags:
        found &= facets["tags"].get(tag, 0)
    if filters.spot is not None:
        found &= facets["spot"].get(filters.spot, 0)
    if filters.rentable is not None:
        found &= facets["rentable"].get(filters.rentable, 0)
    if filters.min_vram_gb is not None or filters.max_vram_gb is not None:
        found &= order.vram.at_least(max(1, filters.min_vram_gb or 0), order.everything)
        if filters.max_vram_gb is not None:
            found &= order.vram.at_most(filters.max_vram_gb, order.everything)
    return found


def page_after(index: OfferIndex, filters: Filters, sort: Sort, mark: list[Any], size: int) -> Page:
    """The page behind a mark (index.mark); the first one for an empty mark."""
    found = matching(index, filters, sort)
    return _page(index, found, sort, index.after(sort, mark) if mark else 0, size)


def page_number(index: OfferIndex, filters: Filters, sort: Sort, number: int, size: int) -> Page:
    """The page of that number, counted from 1; empty behind the last."""
    found = matching(index, filters, sort)
    before = (number - 1) * size
    if not before:
        return _page(index, found, sort, 0, size)
    total = found.bit_count()
    if before >= total:
        return Page([], total, False)
    return _page(index, found, sort, bitmaps.select(found, before), size, total)


def all_rows(index: OfferIndex, filters: Filters, sort: Sort = "price") -> list[int]:
    """Every match, in order."""
    order, found = index.order(sort), matching(index, filters, sort)
    return [order.rows[position] for position in bitmaps.first(found, 0, found.bit_count())]


def _page(index: OfferIndex, found: int, sort: Sort, start: int, size: int, total: int | None = None) -> Page:
    positions = bitmaps.first(found, start, size + 1)
    rows = index.order(sort).rows
    return Page(
        [rows[position] for position in positions[:size]],
        found.bit_count() if total is None else total,
        len(positions) > size,
    )


def _priced(index: OfferIndex, order: Order, filters: Filters, sort: Sort) -> int:
    low, high = filters.min_price, filters.max_price
    if low is None and high is None:
        return order.everything
    high = min(high if high is not None else UNPRICED, UNPRICED - 1)  # what has no price is in no range of prices
    if sort == "price":  # a range of prices is a range of positions
        start = 0 if low is None else index.after(sort, [low, ""])
        end = index.after(sort, [high + 1, ""])
        return bitmaps.span(start, end)
    found = order.everything
    if low is not None:
        found &= order.price.at_least(low, order.everything)
    return found & order.price.at_most(high, order.everything)


def _any(bits: Mapping[Any, int], wanted: tuple[Any, ...]) -> int:
    found = 0
    for value in wanted:
        found |= bits.get(value, 0)
    return found
