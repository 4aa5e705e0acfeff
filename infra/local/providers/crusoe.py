"""Crusoe Cloud: instance types and capacities, every request signed. Wire format: the vendor's gateway specification.

The signature is computed here from the documentation, not with the adapter's code: one that both got wrong alike would
be none.
"""

import base64
import hashlib
import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from infra.local.providers.keys import account_of, local_keys
from infra.local.providers.service import Call, Operation, Service, answer, in_list, refusing
from infra.local.providers.world import ListPrice, Shape, shapes_of

SLUG = "crusoe"

_LOCATIONS = ("us-east1-a", "us-northcentral1-a", "us-southcentral1-a", "eu-iceland1-a")
_PROJECT = "local-project"


def _type(price: ListPrice) -> str:
    form = (price.form or "PCIe").rstrip("456")
    return (
        f"{price.gpu}-{form}-{price.vram_gb}GB"
        if price.gpu in ("A100", "H100", "H200", "B200")
        else f"{price.gpu.replace('RTX ', '')}-{price.vram_gb}GB"
    )


def stock() -> list[Shape]:
    """Verda's models; no answer tells what they cost."""
    shapes = shapes_of(
        SLUG, lambda price, gpus: f"{_type(price).lower()}.{gpus}x", _LOCATIONS, seller="verda", counts=(1, 2, 4, 8)
    )
    shapes = [shape for shape in shapes if shape.gpu in ("A100", "B200", "H100", "H200", "L40S")]
    for shape in shapes:
        family = shape.details["name"].rpartition(".")[0]
        shape.details["type"] = family.replace("pcie", "PCIe").upper().replace("PCIE", "PCIe")
    return shapes


async def _types(call: Call) -> Response:
    if call.request.path_params["project"] != _PROJECT:
        return _refuse(403)
    items: dict[str, Any] = {"c1a.4x": {"product_name": "c1a.4x", "num_gpu": 0, "gpu_type": "", "cpu_cores": 4}}
    for shape in call.world.shapes[SLUG].values():
        items[shape.details["name"]] = {
            "product_name": shape.details["name"],
            "num_gpu": shape.gpus,
            "gpu_type": shape.details["type"],
            "cpu_cores": int(shape.vcpus),
            "memory_gb": int(shape.ram_gb),
            "disk_gb": int(shape.disk_gb),
            "cpu_type": "amd64",
        }
    return answer({"items": list(items.values())})


async def _capacities(call: Call) -> Response:
    items = []
    for shape in call.world.shapes[SLUG].values():
        row = {"type": shape.details["name"], "location": shape.region, "num_slices": shape.gpus}
        items += [row | {"quantity": max(0, shape.stock), "quota_type": "on-demand"}]
        if shape.stock > 1:
            items += [row | {"quantity": shape.stock // 2, "quota_type": "spot"}]
    return answer({"items": items})


def _account(request: Request) -> str | None:
    """Whose signature it is: HMAC SHA-256 of path, query, method and time, each on a line of its own."""
    header, stamp = request.headers.get("authorization", ""), request.headers.get("x-crusoe-timestamp", "")
    if not header:
        return ""
    version, _, rest = header.removeprefix("Bearer ").partition(":")
    access, _, signature = rest.partition(":")
    account = account_of(SLUG, access)
    if version != "1.0" or account is None or not stamp:
        return None
    secret = local_keys(account)[SLUG]["secret_key"]
    path = request.url.path.removeprefix(f"/{SLUG}")
    told = f"{path}\n{request.url.query}\n{request.method}\n{stamp}\n"
    key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    expected = base64.urlsafe_b64encode(hmac.new(key, told.encode(), hashlib.sha256).digest()).decode().rstrip("=")
    return account if hmac.compare_digest(expected, signature) else None


_refuse = refusing(lambda _, message: {"code": message.lower().replace(" ", "_"), "message": message})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v1alpha5/projects/{project}/compute/vms/types", "list", _types),
        Operation("GET", "/v1alpha5/capacities", "list", _capacities),
    ),
    refuse=_refuse,
    rows_of=in_list("items"),
    account=_account,
)
