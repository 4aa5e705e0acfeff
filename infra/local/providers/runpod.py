"""RunPod: GraphQL prices, the v2 catalogue, and pods over REST v1. Wire format: runpod/docs api-reference(-v2)."""

import re
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account
from infra.local.providers.world import Rented, Shape, World, chance, list_prices

SLUG = "runpod"

_IDS = {
    ("RTX A5000", None): ("NVIDIA RTX A5000", "RTX A5000"),
    ("RTX A6000", None): ("NVIDIA RTX A6000", "RTX A6000"),
    ("RTX 3090", None): ("NVIDIA GeForce RTX 3090", "RTX 3090"),
    ("RTX 4090", None): ("NVIDIA GeForce RTX 4090", "RTX 4090"),
    ("RTX 5090", None): ("NVIDIA GeForce RTX 5090", "RTX 5090"),
    ("RTX 6000 Ada", None): ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
    ("RTX PRO 6000", None): ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000"),
    ("A40", None): ("NVIDIA A40", "A40"),
    ("L4", None): ("NVIDIA L4", "L4"),
    ("L40", None): ("NVIDIA L40", "L40"),
    ("L40S", None): ("NVIDIA L40S", "L40S"),
    ("A100", "PCIe"): ("NVIDIA A100 80GB PCIe", "A100 PCIe"),
    ("A100", "SXM4"): ("NVIDIA A100-SXM4-80GB", "A100 SXM"),
    ("H100", "PCIe"): ("NVIDIA H100 PCIe", "H100 PCIe"),
    ("H100", "NVL"): ("NVIDIA H100 NVL", "H100 NVL"),
    ("H100", "SXM5"): ("NVIDIA H100 80GB HBM3", "H100 SXM"),
    ("H200", None): ("NVIDIA H200", "H200 SXM"),
    ("B200", None): ("NVIDIA B200", "B200"),
    ("B300", "SXM6"): ("NVIDIA B300 SXM6 AC", "B300"),
}
_DATA_CENTERS = (
    "EU-RO-1", "EU-SE-1", "EU-CZ-1", "EU-FR-1", "EU-NL-1", "EUR-IS-1", "CA-MTL-1", "CA-MTL-3", "US-TX-3", "US-CA-2",
    "US-GA-1", "US-KS-2", "US-IL-1", "US-NC-1", "US-WA-1", "AP-JP-1", "OC-AU-1", "SEA-SG-1",
)  # fmt: skip
_MOST = {"SECURE": 8, "COMMUNITY": 4}


def stock() -> list[Shape]:
    """One shape per GPU type, cloud and (secure) data centre; its stock is GPUs, its price one GPU's."""
    shapes = []
    for price in (one for one in list_prices() if one.seller == SLUG and not one.spot):
        gpu_id, name = _IDS.get((price.gpu, price.form)) or _IDS[price.gpu, None]
        cloud = price.tier.upper()
        if cloud == "SECURE":
            places = [place for place in _DATA_CENTERS if chance(SLUG, gpu_id, place) < 0.4] or ["US-TX-3"]
        else:
            places = [""]
        spot = next(
            (
                one
                for one in list_prices()
                if (one.seller, one.gpu, one.form, one.spot) == (SLUG, price.gpu, price.form, True)
            ),
            None,
        )
        bid = min(spot.usd_per_gpu_hour, price.usd_per_gpu_hour * Decimal("0.7")) if spot else None
        shapes += [
            Shape(
                key=f"{gpu_id}/{cloud}/{place}",
                gpu=price.gpu,
                form=price.form,
                gpus=1,
                vram_gb=price.vram_gb,
                usd=price.usd_per_gpu_hour,
                spot_usd=bid,
                region=place,
                stock=int(48 * chance(SLUG, gpu_id, cloud, place, "stock") ** 1.5),
                group=f"{gpu_id}/{cloud}",
                vcpus=price.vcpus or 16,
                ram_gb=price.ram_gb or 125,
                details={"id": gpu_id, "name": name, "cloud": cloud},
            )
            for place in places
        ]
    return shapes


def _level(gpus: int, count: int) -> str:
    return "NONE" if gpus < count else "LOW" if gpus < 4 * count else "MEDIUM" if gpus < 16 * count else "HIGH"


def _by_type(world: World) -> dict[str, list[Shape]]:
    found: dict[str, list[Shape]] = {}
    for shape in world.shapes[SLUG].values():
        found.setdefault(shape.details["id"], []).append(shape)
    return found


def _price(shapes: list[Shape], cloud: str) -> float | None:
    return next((float(one.usd) for one in shapes if one.details["cloud"] == cloud), None)


async def _catalog(call: Call) -> Response:
    asked = call.request.query_params
    count, cloud = int(asked.get("count", 1)), asked.get("cloud", "SECURE")
    rows = []
    for gpu_id, shapes in _by_type(call.world).items():
        here = [one for one in shapes if one.details["cloud"] == cloud]
        secure, community = _price(shapes, "SECURE"), _price(shapes, "COMMUNITY")
        most = max((one.stock for one in here), default=0)
        rows.append(
            {
                "id": gpu_id,
                "name": shapes[0].details["name"],
                "manufacturer": "NVIDIA",
                "memory": shapes[0].vram_gb,
                "secure": secure is not None,
                "community": community is not None,
                "price": {"secure": secure, "community": community},
                "maxCount": {"secure": _MOST["SECURE"], "community": _MOST["COMMUNITY"]},
                "availability": _level(most, count),
                "dataCenters": [
                    {"id": one.region, "name": one.region, "availability": _level(one.stock, count)}
                    for one in here
                    if one.region
                ],
            }
        )
    return answer({"gpus": rows})


_ALIAS = re.compile(r"(?:(\w+)\s*:\s*)?lowestPrice\s*\(\s*input\s*:\s*\{\s*gpuCount\s*:\s*(\d+)")


async def _graphql(call: Call) -> Response:
    asked = await call.json()
    query = asked.get("query") if isinstance(asked, dict) else None
    if not isinstance(query, str) or "gpuTypes" not in query:
        return answer(
            {"errors": [{"message": "Only gpuTypes is known here.", "extensions": {"code": "BAD_USER_INPUT"}}]}
        )
    aliases = [(alias or "lowestPrice", int(count)) for alias, count in _ALIAS.findall(query)]
    rows = []
    for gpu_id, shapes in _by_type(call.world).items():
        secure, community = _price(shapes, "SECURE"), _price(shapes, "COMMUNITY")
        row: dict[str, Any] = {
            "id": gpu_id,
            "displayName": shapes[0].details["name"],
            "manufacturer": "Nvidia",
            "memoryInGb": shapes[0].vram_gb,
            "securePrice": secure or 0,
            "communityPrice": community or 0,
            "secureCloud": secure is not None,
            "communityCloud": community is not None,
            "maxGpuCount": _MOST["SECURE"],
        }
        bid = next((float(one.spot_usd) for one in shapes if one.spot_usd is not None), None)
        most = max(one.stock for one in shapes)
        for alias, count in aliases:
            level = _level(most, count)
            row[alias] = {
                "minimumBidPrice": bid,
                "uninterruptablePrice": min(one for one in (secure, community) if one is not None)
                if level != "NONE"
                else None,
                "minVcpu": int(shapes[0].vcpus * count),
                "minMemory": int(shapes[0].ram_gb * count),
                "stockStatus": None if level == "NONE" else level.capitalize(),
            }
        rows.append(row)
    return answer({"data": {"gpuTypes": rows}})


async def _create(call: Call) -> Response:
    wanted = await call.json()
    if not isinstance(wanted, dict) or not wanted.get("gpuTypeIds") or not wanted.get("imageName"):
        return answer({"error": "create pod: gpuTypeIds and imageName are required", "status": 400}, 400)
    count, cloud = int(wanted.get("gpuCount", 1)), wanted.get("cloudType", "SECURE")
    places = wanted.get("dataCenterIds")
    shape = next(
        (
            one
            for one in call.world.shapes[SLUG].values()
            if one.details["id"] in wanted["gpuTypeIds"]
            and one.details["cloud"] == cloud
            and (not places or one.region in places)
            and count <= min(one.stock, _MOST[cloud])
        ),
        None,
    )
    if shape is None:
        message = (
            "create pod: There are no longer any instances available with the requested specifications. "
            "Please refresh and try again."
        )
        return answer({"error": message, "status": 500}, 500)
    instance = call.world.rent(
        SLUG,
        call.account,
        shape,
        instance_id=_pod_id(call.world.next_serial()),
        label=wanted.get("name") or "my pod",
        usd_per_hour=shape.usd * count,
        request=wanted,
    )
    shape.stock -= count - 1
    return answer(_pod(call.world, instance), 201)


def _pod_id(serial: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number = int(chance("pod", serial) * 36**10) * 1000 + serial
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text += digits[digit]
    return text.ljust(14, "x")


def _pod(world: World, instance: Rented) -> dict[str, Any]:
    asked = instance.request
    up = world.booted(instance) >= 1 and not instance.broken
    return {
        "id": instance.instance_id,
        "name": instance.label,
        "desiredStatus": "TERMINATED" if instance.ended_at is not None else "EXITED" if instance.broken else "RUNNING",
        "image": asked.get("imageName"),
        "costPerHr": float(instance.usd_per_hour),
        "adjustedCostPerHr": float(instance.usd_per_hour),
        "containerDiskInGb": asked.get("containerDiskInGb", 50),
        "volumeInGb": asked.get("volumeInGb", 0),
        "interruptible": bool(asked.get("interruptible")),
        "gpu": {"count": asked.get("gpuCount", 1)},
        "env": asked.get("env", {}),
        "ports": asked.get("ports", []),
        "publicIp": world.address_of(instance) if up else "",
        "portMappings": {"22": world.port_of(instance, 22)} if up else None,
        "lastStatusChange": "Rented by User",
    }


async def _find(call: Call) -> Response:
    return answer([_pod(call.world, one) for one in call.world.running(SLUG, call.account)])


async def _get(call: Call) -> Response:
    instance = call.world.instance(SLUG, call.account, call.request.path_params["id"])
    if instance is None or instance.ended_at is not None:
        return answer({"error": "pod not found", "status": 404}, 404)
    return answer(_pod(call.world, instance))


async def _end(call: Call) -> Response:
    instance = call.world.instance(SLUG, call.account, call.request.path_params["id"])
    if instance is None or instance.ended_at is not None:
        return answer({"error": "pod not found", "status": 404}, 404)
    if shape := call.world.shape_of(instance):
        shape.stock += int(instance.request.get("gpuCount", 1)) - 1
    call.world.end(instance)
    return Response(status_code=204)


def _refuse(status: int) -> Response:
    messages = {401: "unauthorized", 404: "not found", 429: "too many requests"}
    return answer({"error": messages.get(status, "internal server error"), "status": status}, status)


def _rows_of(told: Any) -> list[Any]:
    if not isinstance(told, dict):
        return []
    return [told["gpus"]] if "gpus" in told else [told["data"]["gpuTypes"]] if "data" in told else []


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("POST", "/graphql", "list", _graphql, needs_key=False),
        Operation("GET", "/v2/catalog/gpus", "list", _catalog),
        Operation("POST", "/v1/pods", "create", _create),
        Operation("GET", "/v1/pods", "find", _find),
        Operation("GET", "/v1/pods/{id}", "get", _get),
        Operation("DELETE", "/v1/pods/{id}", "end", _end),
    ),
    refuse=_refuse,
    rows_of=_rows_of,
    account=bearer_account(SLUG),
)
