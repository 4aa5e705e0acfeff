"""What the simulated providers sell and run: shapes with a price and a stock, and instances that boot by the clock."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

BOOT_SECONDS = 3.0
"""How long an instance takes from its creation until it can be used, unless it is set otherwise."""


def chance(*parts: object) -> float:
    """A number in [0, 1) that the same parts always give: what makes the catalogue varied and the same each time."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def pick(options: Iterable[Any], *parts: object) -> Any:
    """One of the options, always the same one for the same parts."""
    choices = list(options)
    return choices[int(chance(*parts) * len(choices))]


@dataclass(frozen=True, slots=True)
class ListPrice:
    """A published price per GPU-hour of one seller, from catalogue.json."""

    seller: str
    gpu: str
    form: str | None
    vram_gb: int
    tier: str
    spot: bool
    usd_per_gpu_hour: Decimal
    vcpus: int | None
    ram_gb: int | None


@cache
def facts() -> Mapping[str, Any]:
    """catalogue.json."""
    return json.loads((Path(__file__).parent / "catalogue.json").read_text())  # type: ignore[no-any-return]


@cache
def list_prices() -> tuple[ListPrice, ...]:
    """Every published price in the catalogue, and those made up for sellers that publish none where we can read it."""
    published = tuple(
        ListPrice(
            **{name: row[name] for name in ("seller", "gpu", "form", "vram_gb", "tier", "spot", "vcpus", "ram_gb")},
            usd_per_gpu_hour=Decimal(row["usd_per_gpu_hour"]),
        )
        for row in facts()["prices"]
    )
    made_up = tuple(
        replace(
            price,
            seller=seller,
            usd_per_gpu_hour=(price.usd_per_gpu_hour * Decimal(told["factor"])).quantize(Decimal("0.01")),
        )
        for seller, told in facts()["made_up"].items()
        for price in published
        if price.seller == told["like"] and not price.spot and price.gpu in told["gpus"]
    )
    return published + made_up


def on_demand_of(seller: str) -> list[ListPrice]:
    """A seller's cheapest on-demand price of each variant."""
    found: dict[tuple[str, str | None, int], ListPrice] = {}
    for price in sorted(list_prices(), key=lambda price: price.usd_per_gpu_hour):
        if price.seller == seller and not price.spot:
            found.setdefault((price.gpu, price.form, price.vram_gb), price)
    return list(found.values())


def spot_of(price: ListPrice) -> Decimal | None:
    """The same seller's published spot price of the same variant."""
    return next(
        (
            one.usd_per_gpu_hour
            for one in list_prices()
            if one.spot and (one.seller, one.gpu, one.vram_gb) == (price.seller, price.gpu, price.vram_gb)
        ),
        None,
    )


@dataclass(slots=True)
class Shape:
    """Something that a simulated provider sells. `group` shares a price: changing one of it changes all.

    usd and spot_usd are per GPU-hour; `stock` counts machines of this shape that are free.
    """

    key: str
    gpu: str
    gpus: int
    vram_gb: int
    usd: Decimal
    region: str
    stock: int
    group: str
    form: str | None = None
    spot_usd: Decimal | None = None
    vcpus: float = 0
    ram_gb: float = 0
    disk_gb: float = 0
    details: dict[str, Any] = field(default_factory=dict)

    def hourly(self, *, spot: bool = False) -> Decimal:
        """USD per hour of the whole machine."""
        each = self.spot_usd if spot and self.spot_usd is not None else self.usd
        return each * self.gpus


@dataclass(slots=True)
class Rented:
    """An instance. Times are epoch seconds; `request` is what the create asked for."""

    instance_id: str
    provider: str
    account: str
    label: str
    shape: str
    usd_per_hour: str
    created_at: float
    boots_at: float
    ended_at: float | None = None
    broken: bool = False
    request: dict[str, Any] = field(default_factory=dict)


def shapes_of(
    slug: str,
    name: Callable[[ListPrice, int], str],
    places: Iterable[str],
    *,
    seller: str | None = None,
    counts: Iterable[int] = (1, 2, 4, 8),
    most: int = 8,
    here: float = 0.8,
    disk_gb: float = 200,
) -> list[Shape]:
    """What a cloud sells that has each of its GPUs, by its list prices, in each place.

    `name(price, gpus)` is the cloud's own name of the shape and `name/place` the key; up to `most` are free where there
    are any, which is so in `here` of the places.
    """
    return [
        Shape(
            key=f"{name(price, gpus)}/{place}",
            gpu=price.gpu,
            form=price.form,
            gpus=gpus,
            vram_gb=price.vram_gb,
            usd=price.usd_per_gpu_hour,
            region=place,
            stock=int(most * chance(slug, name(price, gpus), place)) if chance(slug, gpus, place, "here") < here else 0,
            group=f"{price.gpu}/{price.form}/{price.vram_gb}",
            vcpus=(price.vcpus or 16) * gpus,
            ram_gb=(price.ram_gb or 96) * gpus,
            disk_gb=disk_gb,
            details={"name": name(price, gpus)},
        )
        for price in on_demand_of(seller or slug)
        for gpus in counts
        for place in places
    ]


class World:
    """Everything that changes while the simulation runs. `state_dir` keeps instances over a restart."""

    def __init__(
        self,
        stock: Mapping[str, Callable[[], list[Shape]]],
        *,
        clock: Callable[[], float],
        boot_seconds: float = BOOT_SECONDS,
        state_dir: Path | None = None,
    ) -> None:
        self._catalogue = {slug: make() for slug, make in stock.items()}
        self.clock = clock
        self.default_boot_seconds = boot_seconds
        self.boot_seconds = boot_seconds
        self._file = state_dir / "instances.json" if state_dir else None
        self._lock = threading.Lock()
        self.shapes: dict[str, dict[str, Shape]] = {}
        self.instances: dict[str, Rented] = {}
        self.keys: dict[tuple[str, str], dict[str, str]] = {}
        self.serial = 0
        self.rate_limits = False
        self._last_calls: dict[tuple[str, str, str], float] = {}
        self._fill()
        if self._file and self._file.exists():
            kept = json.loads(self._file.read_text())
            self.serial = kept["serial"]
            self.instances = {row["instance_id"]: Rented(**row) for row in kept["instances"]}
            self.keys = {(row["provider"], row["account"]): row["keys"] for row in kept["keys"]}
            for instance in self.instances.values():
                if instance.ended_at is None and (shape := self.shape_of(instance)):
                    shape.stock = max(0, shape.stock - 1)

    def _fill(self) -> None:
        self.shapes = {
            slug: {shape.key: replace(shape) for shape in shapes} for slug, shapes in self._catalogue.items()
        }

    def reset(self) -> None:
        """As at the first start: catalogue prices and stock, no instances."""
        self._fill()
        self.boot_seconds = self.default_boot_seconds
        self.rate_limits = False
        self._last_calls.clear()
        self.instances.clear()
        self.keys.clear()
        self.save()

    def save(self) -> None:
        """Write the instances, if a directory was given; in one step, so that a crash leaves the last whole state."""
        if self._file is None:
            return
        with self._lock:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            passing = self._file.with_suffix(".new")
            kept = {
                "serial": self.serial,
                "instances": [asdict(one) for one in self.instances.values()],
                "keys": [
                    {"provider": slug, "account": account, "keys": keys} for (slug, account), keys in self.keys.items()
                ],
            }
            passing.write_text(json.dumps(kept))
            os.replace(passing, self._file)

    def too_soon(self, provider: str, operation: str, account: str, interval: float) -> bool:
        """Whether the documented interval since the last such call is not over yet, if limits are switched on."""
        if not self.rate_limits or interval <= 0:
            return False
        call, now = (provider, operation, account), self.clock()
        if now - self._last_calls.get(call, -interval) < interval:
            return True
        self._last_calls[call] = now
        return False

    def next_serial(self) -> int:
        """A number that no instance, key or contract had before."""
        self.serial += 1
        return self.serial

    def shape_of(self, instance: Rented) -> Shape | None:
        return self.shapes[instance.provider].get(instance.shape)

    def rent(
        self,
        provider: str,
        account: str,
        shape: Shape,
        *,
        instance_id: str,
        label: str,
        usd_per_hour: Decimal,
        request: dict[str, Any],
    ) -> Rented:
        """Take one of the stock and start booting it."""
        now = self.clock()
        shape.stock -= 1
        instance = Rented(
            instance_id=instance_id,
            provider=provider,
            account=account,
            label=label,
            shape=shape.key,
            usd_per_hour=str(usd_per_hour),
            created_at=now,
            boots_at=now + self.boot_seconds,
            request=request,
        )
        self.instances[instance_id] = instance
        self.save()
        return instance

    def end(self, instance: Rented) -> None:
        """End it and give its machine back; once."""
        if instance.ended_at is None:
            instance.ended_at = self.clock()
            if shape := self.shape_of(instance):
                shape.stock += 1
            self.save()

    def instance(self, provider: str, account: str, instance_id: str) -> Rented | None:
        """An account's instance, ended or not."""
        found = self.instances.get(instance_id)
        return found if found and (found.provider, found.account) == (provider, account) else None

    def running(self, provider: str, account: str | None = None) -> list[Rented]:
        """The instances that are not ended, oldest first."""
        return [
            one
            for one in self.instances.values()
            if one.provider == provider and account in (None, one.account) and one.ended_at is None
        ]

    def booted(self, instance: Rented) -> float:
        """How far the boot is: 0 to 1."""
        span = instance.boots_at - instance.created_at
        return 1.0 if span <= 0 else min(1.0, max(0.0, (self.clock() - instance.created_at) / span))

    def address_of(self, instance: Rented) -> str:
        """A public address of the documentation range (RFC 5737), the same for the instance's whole life."""
        return f"203.0.113.{1 + int(chance('address', instance.instance_id) * 254)}"

    def port_of(self, instance: Rented, port: int) -> int:
        """The public port to which a container's port is mapped."""
        return 10_000 + int(chance("port", instance.instance_id, port) * 50_000)
