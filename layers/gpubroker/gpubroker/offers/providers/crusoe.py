"""Crusoe Cloud: instance types with the number that each location has now. The API tells no price.

GET /projects/{project}/compute/vms/types and GET /capacities, joined by the type's name. Each request is signed: HMAC
SHA-256 over path, sorted query, method and time, with the account's secret key; access key, secret key and project are
the key's object. Units: memory_gb and disk_gb GB; quantity instances; VRAM stands in the name of the GPU
("A100-PCIe-80GB"). A location may be listed under several quotas: the most of one counts.
Prices are on a web page only, so the offers have none: they show capacity and cannot be rented here.
Source: the vendor's gateway specification (api-evangelist/crusoe), dstackai/gpuhunt for host, version and signature.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.gpus import describe
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.regions import canonical_region

SLUG = "crusoe"
ORIGIN = "https://api.crusoecloud.com"
SOURCE = "GET /projects/{project}/compute/vms/types + GET /capacities"
KEY_PARTS = ("access_key", "secret_key", "project")

_VERSION = "/v1alpha5"


class InstanceType(wire.Row):
    product_name: str
    num_gpu: int = 0
    gpu_type: str | None = None
    cpu_cores: float | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None


class Capacity(wire.Row):
    type: str
    location: str
    quantity: float = 0


def signed(key: Any, method: str, path: str, now: datetime) -> dict[str, str]:
    """The headers of a request without a query. Raises BadCredentials when the secret is no base 64."""
    access, secret = asking.account(SLUG, key, "access_key", "secret_key")
    stamp = now.astimezone(UTC).replace(microsecond=0).isoformat()
    try:
        decoded = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    except (binascii.Error, ValueError) as error:
        raise errors.BadCredentials(SLUG, "secret_key is not base 64") from error
    digest = hmac.new(decoded, f"{path}\n\n{method}\n{stamp}\n".encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return {"x-crusoe-timestamp": stamp, "authorization": f"Bearer 1.0:{access}:{signature}"}


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"types": answer, "capacities": answer}. `key` is {"access_key", "secret_key", "project"}."""
    _, _, project = asking.account(SLUG, key, "access_key", "secret_key", "project")

    async def read(path: str) -> Any:
        headers = signed(key, "GET", _VERSION + path, datetime.now(UTC))
        return await asking.ask(client, SLUG, "GET", f"{base_url}{_VERSION}{path}", headers=headers)

    types, capacities = await asking.together(
        read(f"/projects/{quote(project, safe='')}/compute/vms/types"), read("/capacities")
    )
    return {"types": types, "capacities": capacities}


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """Both answers by endpoint to one offer per type and location; the types alone to one per type."""
    harvest = wire.Harvest(SLUG, fetched_at)
    both = isinstance(payload, Mapping) and "items" not in payload
    types = (
        wire.member(SLUG, payload, "types", "compute/vms/types", "/projects/{pid}/compute/vms/types")
        if both
        else payload
    )
    where = _where(harvest, payload) if both else None
    rows = wire.listed(SLUG, types, "items")
    harvest.each(InstanceType, rows, lambda kind: _offers(kind, where, harvest.fetched_at))
    return harvest.offers()


def _where(harvest: wire.Harvest, payload: Mapping[str, Any]) -> dict[str, dict[str, float]] | None:
    """How many of each type each location has; None where nothing was said."""
    answer = payload.get("capacities", payload.get("/capacities"))
    if answer is None:
        return None
    found: dict[str, dict[str, float]] = {}
    for row in harvest.read(Capacity, wire.listed(SLUG, answer, "items")):
        here = found.setdefault(row.type, {})
        here[row.location] = max(here.get(row.location, 0), row.quantity)
    return found


def _offers(
    kind: InstanceType, where: Mapping[str, Mapping[str, float]] | None, fetched_at: datetime
) -> Iterable[Offer]:
    if kind.num_gpu == 0 or not kind.gpu_type:
        return
    gpus = wire.gpu_number(kind.num_gpu)
    gpu = describe(kind.gpu_type)
    # A type that no location has is listed once, without one.
    nowhere: list[tuple[str | None, float | None]] = [(None, None if where is None else 0)]
    for location, quantity in list((where or {}).get(kind.product_name, {}).items()) or nowhere:
        yield Offer(
            offer_id=offer_id_of(SLUG, kind.product_name, location or ""),
            provider=SLUG,
            provider_offer_id=kind.product_name,
            source=SOURCE,
            gpu_model=gpu.model,
            gpu_count=gpus,
            vram_gb_per_gpu=gpu.vram_gb,
            vcpus=wire.tidy(kind.cpu_cores),
            ram_gb=wire.tidy(kind.memory_gb),
            disk_gb=wire.tidy(kind.disk_gb or None),
            interconnect=gpu.form,
            region=canonical_region(SLUG, location),
            native_region=location,
            **wire.UNPRICED,
            **wire.stock(None if quantity is None else quantity > 0),
            compliance_tags=tags(SLUG),
            fetched_at=fetched_at,
        )
