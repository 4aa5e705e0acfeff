"""Shadeform: several clouds behind one key. Wire format: the official OpenAPI document of api.shadeform.ai."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, header_account
from infra.local.providers.world import Rented, Shape, World, chance, on_demand_of

SLUG = "shadeform"

# The seller of the published price, Shadeform's name of that cloud, and its regions as Shadeform names them.
_CLOUDS = (
    ("lambdalabs", "lambdalabs", {"us-south-2": "Dallas", "us-west-1": "California", "us-east-1": "Virginia"}),
    ("hyperstack", "hyperstack", {"canada-1": "Toronto", "norway-1": "Oslo", "us-1": "USA"}),
    ("verda", "datacrunch", {"helsinki-finland-2": "Helsinki", "reykjavik-iceland-1": "Reykjavik"}),
    (
        "digitalocean",
        "digitalocean",
        {"newyork-usa-2": "New York", "toronto-canada-1": "Toronto", "amsterdam-netherlands-3": "Amsterdam"},
    ),
    (
        "vultr",
        "vultr",
        {
            "chicago-usa-1": "Chicago",
            "frankfurt-germany-1": "Frankfurt",
            "tokyo-japan-1": "Tokyo",
            "sydney-australia-1": "Sydney",
        },
    ),
    (
        "tensordock",
        "tensordock",
        {
            "losangeles-usa-1": "Los Angeles",
            "dallas-usa-1": "Dallas",
            "warsaw-poland-1": "Warsaw",
            "mumbai-india-1": "Mumbai",
        },
    ),
)


def stock() -> list[Shape]:
    shapes: dict[str, Shape] = {}
    for seller, cloud, regions in _CLOUDS:
        for price in on_demand_of(seller):
            kind = price.gpu.replace("RTX A", "A").replace("Quadro ", "").replace(" ", "")
            named = f"{kind}_{price.vram_gb}G" if price.gpu in ("A100", "H100") else kind
            for gpus in (1, 2, 4, 8):
                native = f"gpu_{gpus}x_{named.lower()}_{(price.form or 'any').lower()}"
                for region, title in regions.items():
                    seed = (SLUG, cloud, native, region)
                    key = f"{cloud}/{native}/{region}"
                    shapes[key] = Shape(
                        key=key,
                        gpu=price.gpu,
                        form=price.form,
                        gpus=gpus,
                        vram_gb=price.vram_gb,
                        usd=price.usd_per_gpu_hour,
                        region=region,
                        stock=int(5 * chance(*seed)) if chance(*seed, "here") < 0.6 else 0,
                        group=f"{cloud}/{native}",
                        vcpus=(price.vcpus or 16) * gpus,
                        ram_gb=(price.ram_gb or 96) * gpus,
                        disk_gb=256 * gpus,
                        details={
                            "cloud": cloud,
                            "native": native,
                            "shade": named if gpus == 1 else f"{named}x{gpus}",
                            "gpu_type": named,
                            "title": title,
                        },
                    )
    return list(shapes.values())


async def _list(call: Call) -> Response:
    asked = call.request.query_params
    rows: dict[str, Any] = {}
    for shape in call.world.shapes[SLUG].values():
        if asked.get("cloud") not in (None, shape.details["cloud"]):
            continue
        row = rows.setdefault(
            shape.group,
            {
                "cloud": shape.details["cloud"],
                "shade_instance_type": shape.details["shade"],
                "cloud_instance_type": shape.details["native"],
                "hourly_price": int(shape.hourly() * 100),
                "deployment_type": "vm",
                "configuration": _configuration(shape),
                "boot_time": {"min_boot_in_sec": 180, "max_boot_in_sec": 300},
                "availability": [],
            },
        )
        row["availability"].append(
            {"region": shape.region, "available": shape.stock > 0, "display_name": shape.details["title"]}
        )
    found = list(rows.values())
    if asked.get("available") == "true":
        found = [row for row in found if any(place["available"] for place in row["availability"])]
    return answer({"instance_types": found})


def _configuration(shape: Shape) -> dict[str, Any]:
    return {
        "memory_in_gb": int(shape.ram_gb),
        "storage_in_gb": int(shape.disk_gb),
        "vcpus": int(shape.vcpus),
        "num_gpus": shape.gpus,
        "gpu_type": shape.details["gpu_type"],
        "interconnect": (shape.form or "pcie").lower(),
        "vram_per_gpu_in_gb": shape.vram_gb,
        "nvlink": bool(shape.form and shape.form.startswith("SXM")),
        "os_options": ["ubuntu22.04_cuda12.2_shade_os"],
    }


async def _create(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    shape = next(
        (
            one
            for one in call.world.shapes[SLUG].values()
            if (one.details["cloud"], one.region, one.details["shade"])
            == (wanted.get("cloud"), wanted.get("region"), wanted.get("shade_instance_type"))
        ),
        None,
    )
    if shape is None or not wanted.get("name"):
        return answer({"error": "no such cloud, region or shade_instance_type, or no name"}, 400)
    if wanted.get("ssh_key_id") not in (None, *call.world.keys.get((SLUG, call.account), {})):
        return answer({"error": "ssh_key_id not found"}, 400)
    if shape.stock <= 0:
        return answer({"error": "The requested instance type is out of stock in this region."}, 409)
    serial = call.world.next_serial()
    instance = call.world.rent(
        SLUG,
        call.account,
        shape,
        instance_id=_uuid("shade", serial),
        label=wanted["name"],
        usd_per_hour=shape.hourly(),
        request=wanted,
    )
    return answer({"id": instance.instance_id, "cloud_assigned_id": _uuid("cloud", serial)})


def _uuid(*parts: object) -> str:
    text = "".join(f"{int(chance(*parts, index) * 2**52):013x}" for index in range(3))[:32]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


def _instance(world: World, instance: Rented) -> dict[str, Any]:
    shape = world.shape_of(instance)
    booted = world.booted(instance)
    steps = ("creating", "pending_provider", "pending")
    status = "error" if instance.broken else "active" if booted >= 1 else steps[min(2, int(booted * 3))]
    up = booted >= 1 and not instance.broken
    return {
        "id": instance.instance_id,
        "cloud": instance.request.get("cloud"),
        "region": instance.request.get("region"),
        "shade_instance_type": instance.request.get("shade_instance_type"),
        "cloud_instance_type": shape.details["native"] if shape else None,
        "shade_cloud": True,
        "name": instance.label,
        "configuration": _configuration(shape) if shape else None,
        "ip": world.address_of(instance) if up else "",
        "ssh_user": "shadeform",
        "ssh_port": 22,
        "status": "deleted" if instance.ended_at is not None else status,
        "cost_estimate": "0.0",
        "hourly_price": int(float(instance.usd_per_hour) * 100 + 0.5),
        "launch_configuration": instance.request.get("launch_configuration"),
        "created_at": instance.created_at,
        "deleted_at": instance.ended_at,
    }


async def _find(call: Call) -> Response:
    return answer({"instances": [_instance(call.world, one) for one in call.world.running(SLUG, call.account)]})


async def _get(call: Call) -> Response:
    instance = call.world.instance(SLUG, call.account, call.request.path_params["id"])
    if instance is None:
        return answer({"error": "instance not found"}, 404)
    return answer(_instance(call.world, instance))


async def _end(call: Call) -> Response:
    instance = call.world.instance(SLUG, call.account, call.request.path_params["id"])
    if instance is None:
        return answer({"error": "instance not found"}, 404)
    call.world.end(instance)
    return Response(status_code=200)


async def _keys(call: Call) -> Response:
    keys = call.world.keys.get((SLUG, call.account), {})
    rows = [{"id": key_id, "name": key_id, "public_key": text, "is_default": False} for key_id, text in keys.items()]
    return answer({"ssh_keys": rows})


async def _add_key(call: Call) -> Response:
    wanted = await call.json()
    if (
        not isinstance(wanted, dict)
        or not wanted.get("name")
        or not str(wanted.get("public_key", "")).startswith("ssh-")
    ):
        return answer({"error": "name and public_key are required"}, 400)
    key_id = _uuid("key", call.account, wanted["public_key"])
    call.world.keys.setdefault((SLUG, call.account), {})[key_id] = wanted["public_key"]
    call.world.save()
    return answer({"id": key_id})


def _refuse(status: int) -> Response:
    messages = {401: "Invalid API key", 404: "not found", 429: "Too many requests"}
    return answer({"error": messages.get(status, "internal error")}, status)


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v1/instances/types", "list", _list),
        Operation("POST", "/v1/instances/create", "create", _create),
        Operation("GET", "/v1/instances", "find", _find),
        Operation("GET", "/v1/instances/{id}/info", "get", _get),
        Operation("POST", "/v1/instances/{id}/delete", "end", _end),
        Operation("GET", "/v1/sshkeys", "keys", _keys),
        Operation("POST", "/v1/sshkeys/add", "keys", _add_key),
    ),
    refuse=_refuse,
    rows_of=lambda told: [told["instance_types"]] if "instance_types" in told else [],
    account=header_account(SLUG, "x-api-key"),
)
