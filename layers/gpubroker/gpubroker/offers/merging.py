"""The same thing from two sources: a cloud's machine that the cloud lists and that an aggregator resells (R7.3, 217).

What is the same is told by facts that both sources state: the cloud behind it, GPU, form, memory, count, the cloud's
own name of the place, on demand or spot. Where one of them does not say the place, nothing is merged: a false merge
hides a machine, a missed one shows it twice. What a source has several of in one place (a small and a large shape
around the same GPU) is told apart by vCPUs and RAM as well, see `groups`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

from gpubroker.kernel.ids import stable_id
from gpubroker.offers.offer import Offer

RESOLD = frozenset(
    {
        "crusoe",
        "cudo",
        "digitalocean",
        "fluidstack",
        "hotaisle",
        "hyperstack",
        "lambdalabs",
        "latitude",
        "massedcompute",
        "nebius",
        "paperspace",
        "runpod",
        "scaleway",
        "tensordock",
        "verda",
        "voltagepark",
        "vultr",
    }
)
"""Clouds that an aggregator in the house resells (Shadeform, Prime Intellect): only their machines can meet."""

_WHAT = 10  # characters of an id that tell what it is

_OTHER_NAMES = {
    "datacrunch": "verda",
    "digital-ocean": "digitalocean",
    "do": "digitalocean",
    "hot-aisle": "hotaisle",
    "hotaisle-ai": "hotaisle",
    "lambda": "lambdalabs",
    "lambda-labs": "lambdalabs",
    "lambdacloud": "lambdalabs",
    "massed-compute": "massedcompute",
    "oracle": "oci",
    "voltage-park": "voltagepark",
}


def cloud_slug(name: str | None) -> str | None:
    """Our slug of a cloud as an aggregator names it; None for none."""
    if not name:
        return None
    slug = name.strip().lower().replace("_", "-").replace(" ", "-")
    return _OTHER_NAMES.get(slug, slug)


def machine_of(offer: Offer) -> str:
    """Equal for offers that may be the same thing: `<what>/<vCPUs>/<RAM>`; "" for one that can meet no other."""
    cloud = offer.cloud or offer.provider
    if cloud not in RESOLD or not offer.native_region:
        return ""
    what = _what(
        cloud,
        offer.gpu_model,
        offer.interconnect,
        offer.vram_gb_per_gpu,
        offer.gpu_count,
        offer.native_region,
        offer.spot,
    )
    return f"{what}/{offer.vcpus or 0:g}/{offer.ram_gb or 0:g}"


@lru_cache(maxsize=65_536)
def _what(
    cloud: str, model: str, form: str | None, vram: int | None, count: int, native_region: str, spot: bool
) -> str:
    place = native_region.strip().lower().replace("_", "-").replace(" ", "-")
    return stable_id(cloud, model, form or "", vram or 0, count, place, spot)[:_WHAT]


def groups(machines: Iterable[tuple[int, str]], providers: Sequence[str]) -> list[list[int]]:
    """The rows that are the same thing, from (row, machine) of those that may meet; each group has several providers.

    Where a provider lists several shapes of one thing, those meet only with a shape of the same vCPUs and RAM.
    """
    first: dict[str, tuple[int, str]] = {}
    met: dict[str, list[tuple[int, str]]] = {}
    for one in machines:  # most meet nobody, and cost no list
        what = one[1][:_WHAT]
        before = first.setdefault(what, one)
        if before is not one:
            met.setdefault(what, [before]).append(one)
    found = []
    for members in met.values():
        sellers = {providers[row] for row, _ in members}
        if len(sellers) == len(members):
            found.append([row for row, _ in members])
        elif len(sellers) > 1:
            found += _by_shape(members, providers)
    return found


def _by_shape(members: list[tuple[int, str]], providers: Sequence[str]) -> list[list[int]]:
    by_shape: dict[str, list[int]] = defaultdict(list)
    for row, machine in members:
        by_shape[machine].append(row)
    return [rows for rows in by_shape.values() if len({providers[row] for row in rows}) == len(rows) > 1]
