"""Sellers whose list is one of whole machines: what machines.json says of them, put into regions with a stock."""

import json
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gpubroker.offers.rates import DATED
from infra.local.providers.world import Shape, chance


class Machine(NamedTuple):
    """One machine of a seller's list; `hourly` is USD for all of it."""

    name: str
    gpu: str
    form: str | None
    gpus: int
    vram_gb: int
    vcpus: int
    ram_gb: int
    disk_gb: int
    hourly: Decimal


@cache
def _listed() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "machines.json").read_text())["sellers"]  # type: ignore[no-any-return]


def machines_of(seller: str) -> list[Machine]:
    """Every machine of a seller, its price in USD whatever the seller's currency is."""
    told = _listed()[seller]
    rate = DATED.rate(told["currency"])
    return [Machine(*row[:-1], hourly=Decimal(row[-1]) * rate) for row in told["machines"]]


def stocked(slug: str, regions: Iterable[str], *, sold: float = 0.6, most: int = 6, spot: str = "") -> list[Shape]:
    """A shape for each machine and region: every machine in the first region, in `sold` of the others.

    Up to `most` are free, at some places none. `spot` is the part of the price that a machine which may be taken away
    costs; "" for sellers without any.
    """
    shapes = []
    for machine in machines_of(slug):
        for index, region in enumerate(regions):
            seed = (slug, machine.name, region)
            if index and chance(*seed, "sold") > sold:
                continue
            each = machine.hourly / machine.gpus
            shapes.append(
                Shape(
                    key=f"{machine.name}/{region}",
                    gpu=machine.gpu,
                    form=machine.form,
                    gpus=machine.gpus,
                    vram_gb=machine.vram_gb,
                    usd=each,
                    spot_usd=each * Decimal(spot) if spot else None,
                    region=region,
                    stock=int(most * chance(*seed)),
                    group=machine.name,
                    vcpus=machine.vcpus,
                    ram_gb=machine.ram_gb,
                    disk_gb=machine.disk_gb,
                    details={"name": machine.name},
                )
            )
    return shapes


def priced_in(currency: str, usd: Decimal) -> Decimal:
    """A price in USD as a seller in another currency states it."""
    return (usd / DATED.rate(currency)).quantize(Decimal("0.000001")).normalize()
