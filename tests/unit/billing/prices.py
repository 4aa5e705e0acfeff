"""Prices as the published test cases write them: tiers as (up_to, unit price, flat fee), all in USD."""

from collections.abc import Iterable
from decimal import Decimal

from gpubroker.billing.rating import GraduatedModel, PackageModel, ResourcePrice, Tier, VolumeModel
from gpubroker.kernel.money import micros

Row = tuple[str | None, str | None, str | None]


def tier(up_to: str | None, unit: str | None, flat: str | None, block: str | None = None) -> Tier:
    return Tier(
        None if up_to is None else Decimal(up_to),
        Decimal(unit or 0),
        micros(flat or 0),
        None if block is None else Decimal(block),
    )


def graduated(rows: Iterable[Row], *, minimum: str | None = None, maximum: str | None = None) -> ResourcePrice:
    model = GraduatedModel(tuple(tier(*row) for row in rows))
    return ResourcePrice("units", model, minimum=_usd(minimum), maximum=_usd(maximum))


def volume(rows: Iterable[Row], *, minimum: str | None = None, maximum: str | None = None) -> ResourcePrice:
    model = VolumeModel(tuple(tier(*row) for row in rows))
    return ResourcePrice("units", model, minimum=_usd(minimum), maximum=_usd(maximum))


def package(size: str, price: str, free: str = "0") -> ResourcePrice:
    return ResourcePrice("units", PackageModel(Decimal(size), micros(price), Decimal(free)))


def _usd(amount: str | None) -> int | None:
    return None if amount is None else micros(amount)
