"""Vast.ai: some 1,400 single machines. Wire format: vast-ai/docs api-reference/openapi.yaml."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account
from infra.local.providers.world import Rented, Shape, World, chance, on_demand_of, pick, spot_of

SLUG = "vastai"
MACHINES_PER_PRICE = 88
_CENT = Decimal("0.0001")

_PLACES = (
    "Norway, NO", "Sweden, SE", "Finland, FI", "Iceland, IS", "Denmark, DK", "Germany, DE", "Netherlands, NL",
    "France, FR", "United Kingdom, GB", "Poland, PL", "Czechia, CZ", "Romania, RO", "Spain, ES", "Bulgaria, BG",
    "California, US", "Texas, US", "New York, US", "Washington, US", "Illinois, US", "Virginia, US", "Oregon, US",
    "Georgia, US", "Utah, US", ", US", "Ontario, CA", "Quebec, CA", "Japan, JP", "South Korea, KR", "Taiwan, TW",
    "Singapore, SG", "Thailand, TH", "India, IN", "Australia, AU", "Brazil, BR", "Israel, IL", "South Africa, ZA",
)  # fmt: skip
_NAMES = {
    ("A100", "SXM4"): "A100 SXM4",
    ("A100", "PCIe"): "A100 PCIE",
    ("H100", "SXM5"): "H100 SXM",
    ("H100", "PCIe"): "H100 PCIE",
    ("H100", "NVL"): "H100 NVL",
    ("V100", None): "Tesla V100",
}


def stock() -> list[Shape]:
    shapes = []
    for index, price in enumerate(on_demand_of(SLUG)):
        spot = spot_of(price)
        for number in range(MACHINES_PER_PRICE):
            seed = (SLUG, price.gpu, price.form, price.vram_gb, number)
            ask = 7_000_000 + index * 1_000 + number
            # Hosts ask around the published price: most a little more, few less.
            usd = (price.usd_per_gpu_hour * Decimal(str(0.92 + 0.9 * chance(*seed, "price") ** 2))).quantize(_CENT)
            ratio = Decimal(str(0.45 + 0.3 * chance(*seed, "bid")))
            cores = pick((8, 12, 16, 24, 32), *seed, "cores")
            gpus = pick((1, 1, 1, 2, 2, 4, 4, 8), *seed, "gpus")
            shapes.append(
                Shape(
                    key=str(ask),
                    gpu=price.gpu,
                    form=price.form,
                    gpus=gpus,
                    vram_gb=price.vram_gb,
                    usd=usd,
                    spot_usd=((spot or usd * ratio) * (usd / price.usd_per_gpu_hour)).quantize(_CENT),
                    region=pick(_PLACES, *seed, "place"),
                    stock=0 if chance(*seed, "rented") < 0.2 else 1,
                    group=str(ask),
                    vcpus=cores * gpus,
                    ram_gb=pick((4, 6, 8, 12), *seed, "ram") * cores * gpus / 2,
                    disk_gb=round(100 + 1900 * chance(*seed, "disk"), 1),
                    details={
                        "gpu_name": _NAMES.get((price.gpu, price.form), price.gpu),
                        "machine_id": 5_000 + index * 100 + number,
                        "host_share": pick((1.0, 1.0, 0.5, 0.25), *seed, "share"),
                        "reliability": round(0.90 + 0.0999 * chance(*seed, "reliability") ** 0.3, 4),
                        "verified": chance(*seed, "verified") < 0.9,
                        "storage_cost": round(0.08 + 0.15 * chance(*seed, "storage"), 3),
                        "cores_known": chance(*seed, "cores known") > 0.03,
                        "place_known": chance(*seed, "place known") > 0.02,
                    },
                )
            )
    return shapes


def _row(shape: Shape, storage_gb: float) -> dict[str, Any]:
    details = shape.details
    base = float(shape.hourly())
    share = details["host_share"]
    return {
        "id": int(shape.key),
        "ask_contract_id": int(shape.key),
        "machine_id": details["machine_id"],
        "host_id": details["machine_id"] // 7,
        "gpu_name": details["gpu_name"],
        "num_gpus": shape.gpus,
        "gpu_frac": share,
        "gpu_ram": shape.vram_gb * 1024 - 12,
        "gpu_total_ram": (shape.vram_gb * 1024 - 12) * shape.gpus,
        "cpu_cores": int(shape.vcpus / share) if details["cores_known"] else None,
        "cpu_cores_effective": float(shape.vcpus),
        "cpu_ram": int(shape.ram_gb * 1024 / share),
        "disk_space": shape.disk_gb,
        "dph_base": base,
        "dph_total": round(base + storage_gb * details["storage_cost"] / 30 / 24, 6),
        "min_bid": float(shape.hourly(spot=True)),
        "storage_cost": details["storage_cost"],
        "inet_down": 812.4,
        "inet_up": 640.1,
        "inet_down_cost": 0.005,
        "inet_up_cost": 0.005,
        "reliability2": details["reliability"],
        "verified": details["verified"],
        "verification": "verified" if details["verified"] else "unverified",
        "external": False,
        "rentable": shape.stock > 0,
        "rented": shape.stock <= 0,
        "geolocation": shape.region if details["place_known"] else None,
        "cuda_max_good": 12.8,
        "compute_cap": 890,
        "duration": 2_592_000.0,
        "direct_port_count": 99,
        "static_ip": True,
        "hosting_type": 0,
    }


_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, want: have == want,
    "neq": lambda have, want: have != want,
    "gt": lambda have, want: have is not None and have > want,
    "gte": lambda have, want: have is not None and have >= want,
    "lt": lambda have, want: have is not None and have < want,
    "lte": lambda have, want: have is not None and have <= want,
    "in": lambda have, want: have in want,
    "notin": lambda have, want: have not in want,
}
_FIELDS = {"reliability": "reliability2"}


async def _list(call: Call) -> Response:
    wanted = await call.json() or {}
    storage = float(wanted.get("allocated_storage", 8))
    filters = {_FIELDS.get(name, name): ops for name, ops in wanted.items() if isinstance(ops, dict)}
    rows = [
        row
        for row in (_row(shape, storage) for shape in call.world.shapes[SLUG].values())
        if all(_OPS[op](row.get(name), want) for name, ops in filters.items() for op, want in ops.items())
    ]
    for name, direction in reversed(wanted.get("order", [["score", "desc"]])):
        rows.sort(key=lambda row: (row.get(name) is None, row.get(name) or 0), reverse=direction == "desc")
    return answer({"offers": rows[: int(wanted.get("limit", 64))]})


async def _create(call: Call) -> Response:
    wanted = await call.json()
    shape = call.world.shapes[SLUG].get(call.request.path_params["ask"])
    if not isinstance(wanted, dict) or not wanted.get("image"):
        return answer({"success": False, "error": "invalid_args", "msg": "image is missing"}, 400)
    if shape is None or shape.stock <= 0:
        return answer({"success": False, "error": "no_such_ask", "msg": "Instance type by id is not available."}, 404)
    bid = wanted.get("price")
    too_low = bid is not None and Decimal(str(bid)) < shape.hourly(spot=True)
    storage = Decimal(str(wanted.get("disk", 8))) * Decimal(str(shape.details["storage_cost"])) / 720
    hourly = (shape.hourly() if bid is None else Decimal(str(bid))) + storage
    contract = call.world.next_serial() + 20_000_000
    instance = call.world.rent(
        SLUG,
        call.account,
        shape,
        instance_id=str(contract),
        label=wanted.get("label") or "",
        usd_per_hour=round(hourly, 6),
        request=wanted,
    )
    if too_low:
        # The documented trap: refused, and there is a contract all the same.
        instance.broken = True
        call.world.save()
        told = {"success": False, "error": "bid_too_low", "msg": "Bid is below the minimum.", "new_contract": contract}
        return answer(told, 400)
    return answer({"success": True, "new_contract": contract})


def _instance(world: World, instance: Rented) -> dict[str, Any]:
    booted = world.booted(instance)
    shape = world.shape_of(instance)
    status = "exited" if instance.broken else "creating" if booted < 0.4 else "loading" if booted < 1 else "running"
    up = status == "running"
    address = world.address_of(instance)
    return {
        "id": int(instance.instance_id),
        "label": instance.label or None,
        "actual_status": status if booted >= 0.2 or instance.broken else None,
        "intended_status": "stopped" if instance.broken else "running",
        "cur_state": "running",
        "status_msg": "success, running" if up else "",
        "ssh_host": "ssh4.vast.ai",
        "ssh_port": world.port_of(instance, 22),
        "public_ipaddr": f"{address}\n" if up else None,
        "ports": {
            f"{port}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(world.port_of(instance, port))}]
            for port in (22, 8080)
        }
        if up
        else {},
        "jupyter_token": f"jupyter{instance.instance_id}",
        "dph_total": float(instance.usd_per_hour),
        "start_date": instance.created_at,
        "machine_id": shape.details["machine_id"] if shape else None,
        "gpu_name": shape.details["gpu_name"] if shape else None,
        "num_gpus": shape.gpus if shape else None,
    }


async def _find(call: Call) -> Response:
    rows = [_instance(call.world, one) for one in call.world.running(SLUG, call.account)]
    return answer({"instances_found": len(rows), "instances": rows})


async def _get(call: Call) -> Response:
    instance = call.world.instance(SLUG, call.account, call.request.path_params["id"])
    if instance is None or instance.ended_at is not None:
        return answer({"success": False, "error": "no_such_instance", "msg": "Instance not found."}, 404)
    return answer({"instances": _instance(call.world, instance)})


async def _end(call: Call) -> Response:
    instance = call.world.instance(SLUG, call.account, call.request.path_params["id"])
    if instance is None or instance.ended_at is not None:
        return answer({"success": False, "error": "no_such_instance", "msg": "Instance not found."}, 404)
    call.world.end(instance)
    return answer({"success": True})


def _refuse(status: int) -> Response:
    if status == 429:
        return Response("API requests too frequent", 429, media_type="text/plain")
    errors = {401: ("auth_error", "Invalid user key"), 404: ("not_found", "Not found")}
    error, message = errors.get(status, ("server_error", "Something went wrong"))
    return answer({"success": False, "error": error, "msg": message}, status)


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("POST", "/api/v0/bundles/", "list", _list, needs_key=False),
        Operation("PUT", "/api/v0/asks/{ask}/", "create", _create),
        Operation("GET", "/api/v0/instances/", "find", _find),
        Operation("GET", "/api/v0/instances/{id}/", "get", _get),
        Operation("DELETE", "/api/v0/instances/{id}/", "end", _end),
    ),
    refuse=_refuse,
    rows_of=lambda told: [told["offers"]] if "offers" in told else [],
    account=bearer_account(SLUG),
    intervals={"*": 0.15},
)
