"""Paperspace (DigitalOcean): machine types with whether they can be had. The API tells no price.

GET /v1/os-templates, bearer key, in pages (hasMore, nextPage, asked back as `after`): each template names the machine
types it starts on and whether they are available. A type's label says its GPU, memory and count ("A100-80Gx8",
"V100-32G", "RTX4000"); a label without a GPU (C5) is none of ours. There is no region in it, and no size.
Source: no priced list is in the clients seen (SkyPilot keeps a table by hand); this call and its fields are a careful
guess from the provider's reference, pages as in SkyPilot's client.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from gpubroker.offers import asking, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import MODELS, Identified, describe, sold_with
from gpubroker.offers.offer import Offer, offer_id_of

SLUG = "paperspace"
ORIGIN = "https://api.paperspace.com"
SOURCE = "GET /v1/os-templates + GPU by machine type's name"

_LABEL = re.compile(r"(?P<gpu>.+?)(?:x(?P<count>[248]))?")


class MachineType(wire.Row):
    machineTypeLabel: str  # noqa: N815  (the wire's own names)
    isAvailable: bool | None = None  # noqa: N815


class Template(wire.Row):
    availableMachines: tuple[MachineType, ...] = ()  # noqa: N815


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"items": all pages}."""

    async def page(params: Mapping[str, str]) -> Any:
        return await asking.ask(
            client, SLUG, "GET", f"{base_url}/v1/os-templates", headers=asking.bearer(key), params=params
        )

    def following(answer: Any, read: int) -> Mapping[str, str] | None:
        del read
        return {"after": str(answer["nextPage"])} if answer.get("hasMore") and answer.get("nextPage") else None

    return {"items": await asking.pages(SLUG, page, lambda answer: wire.member(SLUG, answer, "items"), following)}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"items": [...]} to one offer per machine type: available when one of its templates says so."""
    harvest = wire.Harvest(SLUG, fetched_at)
    free: dict[str, bool | None] = {}
    for template in harvest.read(Template, wire.listed(SLUG, payload, "items")):
        named: set[str] = set()
        for kind in template.availableMachines:
            label = kind.machineTypeLabel
            free[label] = kind.isAvailable or free.get(label) or kind.isAvailable
            if label in named and _gpu(label):
                harvest.skip("duplicate")
            named.add(label)
    for label, available in sorted(free.items()):
        if gpu := _gpu(label):
            harvest.add(_offer(label, gpu, available, harvest.fetched_at))
    return harvest.offers()


def _gpu(label: str) -> tuple[Identified, int] | None:
    """What GPU a machine type has, and how many; None for one without."""
    found = _LABEL.fullmatch(label)
    gpu = describe(found.group("gpu")) if found else None
    if found is None or gpu is None or gpu.model not in MODELS:
        return None
    return gpu, int(found.group("count") or 1)


def _offer(label: str, told: tuple[Identified, int], free: bool | None, fetched_at: datetime) -> Offer:
    gpu, gpus = told
    return Offer(
        offer_id=offer_id_of(SLUG, label),
        provider=SLUG,
        provider_offer_id=label,
        source=SOURCE,
        gpu_model=gpu.model,
        gpu_count=gpus,
        vram_gb_per_gpu=gpu.vram_gb or sold_with(gpu.model),
        interconnect=gpu.form,
        **wire.UNPRICED,
        **wire.stock(free, confidence=0.6),
        compliance_tags=tags(SLUG),
        fetched_at=fetched_at,
    )
