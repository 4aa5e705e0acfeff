"""Latitude.sh: plans, SSH keys, scripts and virtual machines (JSON:API). Wire format: latitudesh-python-sdk 3.4."""

from typing import Any

from starlette.responses import Response

from infra.local.providers import vms
from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, refusing, rows_under
from infra.local.providers.world import Rented, Shape, shapes_of

SLUG = "latitude"

_SITES = {
    "ASH": "United States",
    "CHI": "United States",
    "DAL": "United States",
    "LAX2": "United States",
    "FRA": "Germany",
    "LON": "United Kingdom",
    "SAO2": "Brazil",
    "TYO4": "Japan",
}


def stock() -> list[Shape]:
    """Virtual machines of one GPU, servers of 4 and 8."""
    shapes = shapes_of(
        SLUG,
        lambda price, gpus: (
            f"vm-{price.gpu.lower().replace(' ', '')}-{price.vram_gb}-small"
            if gpus == 1
            else f"g4-{price.gpu.lower().replace(' ', '')}-{price.vram_gb}-{gpus}x"
        ),
        _SITES,
        counts=(1, 4, 8),
        here=0.6,
        most=5,
        disk_gb=3840,
    )
    for shape in shapes:
        shape.details["vm"] = shape.gpus == 1
    return shapes


def _plans(call: Call, *, vm: bool) -> list[dict[str, Any]]:
    plans: dict[str, dict[str, Any]] = {}
    for shape in call.world.shapes[SLUG].values():
        if shape.details["vm"] is not vm:
            continue
        name = shape.details["name"]
        plan = plans.setdefault(
            name,
            {
                "id": f"plan_{name}",
                "type": "virtual_machine_plans" if vm else "plans",
                "attributes": {
                    "slug": name,
                    "name": name.replace("-", "."),
                    "features": ["ssh", "user_data"],
                    "specs": _vm_specs(shape) if vm else _server_specs(shape),
                    "regions": [],
                },
            },
        )
        country = _SITES[shape.region]
        regions = plan["attributes"]["regions"]
        region = next((one for one in regions if one["name"] == country), None)
        if region is None:
            region = {
                "name": country,
                "locations": {"available": [], "in_stock": []},
                "stock_level": "unavailable",
                "pricing": {
                    "USD": {"hour": float(shape.hourly()), "month": float(shape.hourly()) * 600},
                    "BRL": {"hour": float(shape.hourly()) * 5.4},
                },
            }
            regions.append(region)
        region["locations"]["available"].append(shape.region)
        if shape.stock > 0:
            region["locations"]["in_stock"].append(shape.region)
            region["stock_level"] = "low" if shape.stock < 2 and region["stock_level"] != "medium" else "medium"
    return list(plans.values())


def _server_specs(shape: Shape) -> dict[str, Any]:
    return {
        "cpu": {"type": "AMD 9354", "clock": 3.25, "cores": shape.vcpus / 2, "count": 2},
        "memory": {"total": int(shape.ram_gb)},
        "drives": [{"count": 2, "size": "480 GB", "type": "NVME"}, {"count": 4, "size": "3.8 TB", "type": "NVME"}],
        "nics": [{"count": 2, "type": "100 Gbps"}],
        "gpu": {
            "count": shape.gpus,
            "type": f"NVIDIA {shape.gpu}",
            "vram_per_gpu": shape.vram_gb,
            "interconnect": shape.form or "PCIe",
        },
    }


def _vm_specs(shape: Shape) -> dict[str, Any]:
    return {
        "memory": int(shape.ram_gb),
        "gpu": f"NVIDIA {shape.gpu}",
        "vram_per_gpu": shape.vram_gb,
        "vcpus": int(shape.vcpus),
        "disk": {"type": "local NVMe", "size": {"amount": int(shape.disk_gb), "unit": "gib"}},
    }


def _page(call: Call, rows: list[Any]) -> Response:
    asked = call.request.query_params
    number, size = max(1, int(asked.get("page[number]", 1))), max(1, int(asked.get("page[size]", 20)))
    return answer({"data": rows[(number - 1) * size : number * size], "meta": {}})


async def _list(call: Call) -> Response:
    cpu = {"id": "plan_c3", "type": "plans", "attributes": {"slug": "c3-small-x86", "specs": {}, "regions": []}}
    rows = _plans(call, vm=False)
    return _page(call, rows if call.request.query_params.get("filter[gpu]") == "true" else [cpu, *rows])


async def _list_machines(call: Call) -> Response:
    return _page(call, _plans(call, vm=True))


def _resource(kind: str, one: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"id": one, "type": kind, "attributes": attributes}


async def _wanted(call: Call) -> dict[str, Any]:
    """The attributes of the resource that a body describes."""
    told = await call.json()
    found = told["data"].get("attributes") if isinstance(told, dict) and isinstance(told.get("data"), dict) else None
    return found if isinstance(found, dict) else {}


def _keys_here(call: Call) -> dict[str, dict[str, str]]:
    kept = vms.keys_of(call, SLUG).items()
    return {one: {"name": one, "public_key": text} for one, text in kept if one.startswith("ssh_")}


def _scripts_here(call: Call) -> dict[str, dict[str, str]]:
    """Kept as description and content, a line each."""
    kept = [(one, text.splitlines()) for one, text in vms.keys_of(call, SLUG).items() if one.startswith("ud_")]
    return {one: {"description": lines[0], "content": lines[1]} for one, lines in kept}


async def _keys(call: Call) -> Response:
    return _page(call, [_resource("ssh_keys", one, told) for one, told in _keys_here(call).items()])


async def _scripts(call: Call) -> Response:
    return _page(call, [_resource("user_data", one, told) for one, told in _scripts_here(call).items()])


async def _add_key(call: Call) -> Response:
    told = await _wanted(call)
    if not told.get("name") or not vms.is_key(told.get("public_key")):
        return _refuse(422)
    one = _keep(call, "ssh_", told["public_key"])
    return answer({"data": _resource("ssh_keys", one, _keys_here(call)[one])}, 201)


async def _add_script(call: Call) -> Response:
    told = await _wanted(call)
    if not told.get("description") or not told.get("content"):
        return _refuse(422)
    one = _keep(call, "ud_", f"{told['description']}\n{told['content']}")
    return answer({"data": _resource("user_data", one, _scripts_here(call)[one])}, 201)


def _keep(call: Call, kind: str, text: str) -> str:
    one = f"{kind}{call.world.next_serial():08x}"
    vms.keys_of(call, SLUG)[one] = text
    call.world.save()
    return one


async def _drop_script(call: Call) -> Response:
    if vms.keys_of(call, SLUG).pop(call.request.path_params["id"], None) is None:
        return _refuse(404)
    call.world.save()
    return Response(status_code=204)


def _machine(call: Call, instance: Rented) -> dict[str, Any]:
    booted = call.world.booted(instance)
    return _resource(
        "virtual_machines",
        instance.instance_id,
        {
            "name": instance.label,
            "status": "Failed" if instance.broken else "Running" if booted >= 1 else "Scheduling",
            "primary_ipv4": call.world.address_of(instance) if booted >= 0.5 else None,
        },
    )


async def _create(call: Call) -> Response:
    told = await _wanted(call)
    shape = vms.shape_of(call, SLUG, told.get("plan"), told.get("site"))
    known = {*_keys_here(call), *_scripts_here(call)}
    asked = {*(told.get("ssh_keys") or ()), *([told["user_data"]] if told.get("user_data") else [])}
    if shape is None or not shape.details["vm"] or not told.get("name") or told.get("project") != "local-project":
        return _refuse(422)
    if not asked <= known:
        return _refuse(422)
    if shape.stock <= 0:
        return _no("The selected plan is out of stock at this site")
    serial = call.world.next_serial()
    instance = call.world.rent(
        SLUG,
        call.account,
        shape,
        instance_id=f"vm_{vms.uuid_of(SLUG, serial).replace('-', '')[:16]}",
        label=told["name"],
        usd_per_hour=shape.hourly(),
        request=told,
    )
    return answer({"data": _machine(call, instance)}, 201)


def _no(message: str) -> Response:
    return answer(
        {"errors": [{"code": "VALIDATION_ERROR", "status": "422", "title": "Invalid", "detail": message}]}, 422
    )


async def _find(call: Call) -> Response:
    return _page(call, [_machine(call, one) for one in call.world.running(SLUG, call.account)])


async def _get(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    return _refuse(404) if instance is None else answer({"data": _machine(call, instance)})


async def _end(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    if instance is None:
        return _refuse(404)
    call.world.end(instance)
    return Response(status_code=204)


_refuse = refusing(lambda _, message: {"errors": [{"code": message.upper().replace(" ", "_"), "title": message}]})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/plans", "list", _list),
        Operation("GET", "/plans/virtual_machines", "list", _list_machines),
        Operation("POST", "/virtual_machines", "create", _create),
        Operation("GET", "/virtual_machines", "find", _find),
        Operation("GET", "/virtual_machines/{id}", "get", _get),
        Operation("DELETE", "/virtual_machines/{id}", "end", _end),
        Operation("GET", "/ssh_keys", "keys", _keys),
        Operation("POST", "/ssh_keys", "keys", _add_key),
        Operation("GET", "/user_data", "scripts", _scripts),
        Operation("POST", "/user_data", "scripts", _add_script),
        Operation("DELETE", "/user_data/{id}", "scripts", _drop_script),
    ),
    refuse=_refuse,
    rows_of=rows_under("data"),
    account=bearer_account(SLUG),
)
