"""DigitalOcean: sizes in pages. Wire format: digitalocean/openapi."""

from typing import Any

from starlette.responses import Response

from infra.local.providers import vms
from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, cut, in_list, refusing
from infra.local.providers.world import Rented, Shape, chance, on_demand_of

SLUG = "digitalocean"

_REGIONS = ("nyc2", "tor1", "atl1", "ams3", "fra1", "sgp1", "sfo3")
_WORDS = {"RTX 4000 Ada": "rtx4000_ada", "RTX 6000 Ada": "rtx6000_ada"}
_AMD = ("MI300X", "MI350X")


def stock() -> list[Shape]:
    shapes = []
    for price in on_demand_of(SLUG):
        model = _WORDS.get(price.gpu, price.gpu.lower())
        for gpus in (1, 8) if price.vram_gb >= 80 else (1,):
            name = f"gpu-{model.split('_')[0]}x{gpus}-{price.vram_gb * gpus}gb"
            shapes += [
                Shape(
                    key=f"{name}/{region}",
                    gpu=price.gpu,
                    form=price.form,
                    gpus=gpus,
                    vram_gb=price.vram_gb,
                    usd=price.usd_per_gpu_hour,
                    region=region,
                    stock=int(6 * chance(SLUG, name, region)),
                    group=name,
                    vcpus=(price.vcpus or 8) * gpus,
                    ram_gb=(price.ram_gb or 64) * gpus,
                    disk_gb=720 if gpus == 1 else 2046,
                    details={"name": name, "model": f"{'amd' if price.gpu in _AMD else 'nvidia'}_{model}"},
                )
                for region in _REGIONS
            ]
    return shapes


def size_of(shape: Shape, regions: list[str]) -> dict[str, Any]:
    """A size as it is listed and as a Droplet shows its own."""
    hourly = float(shape.hourly())
    disk = {"type": "local", "size": {"amount": int(shape.disk_gb), "unit": "gib"}}
    return {
        "slug": shape.details["name"],
        "memory": int(shape.ram_gb * 1024),
        "vcpus": int(shape.vcpus),
        "disk": int(shape.disk_gb),
        "transfer": 15.0,
        "price_monthly": round(hourly * 744, 2),
        "price_hourly": hourly,
        "regions": regions,
        "available": True,
        "description": f"{shape.gpu} GPU - {shape.gpus}X",
        "gpu_info": {
            "count": shape.gpus,
            "vram": {"amount": shape.vram_gb * shape.gpus, "unit": "gib"},
            "model": shape.details["model"],
        },
        "disk_info": [disk],
    }


_BASIC = {
    "slug": "s-1vcpu-1gb", "memory": 1024, "vcpus": 1, "disk": 25, "transfer": 1.0, "price_monthly": 6.0,
    "price_hourly": 0.00893, "regions": ["nyc1", "fra1"], "available": True, "description": "Basic", "disk_info": [],
}  # fmt: skip


async def _sizes(call: Call) -> Response:
    free: dict[str, list[str]] = {}
    shapes: dict[str, Shape] = {}
    for shape in call.world.shapes[SLUG].values():
        shapes[shape.group] = shape
        free.setdefault(shape.group, []).extend([shape.region] if shape.stock > 0 else [])
    rows = [*(size_of(shape, free[name]) for name, shape in shapes.items())]
    if rows:  # sizes without GPUs stand between the others
        rows.insert(1, dict(_BASIC))
    found, page, pages = cut(rows, call, size="per_page", default=20, most=200)
    links = {"pages": {"next": f"{call.request.url.replace_query_params(page=page + 1)}"}} if page < pages else {}
    return answer({"sizes": found, "links": links, "meta": {"total": len(rows)}})


def _droplet(call: Call, instance: Rented) -> dict[str, Any]:
    shape = call.world.shape_of(instance)
    booted = call.world.booted(instance)
    status = "off" if instance.broken else "active" if booted >= 1 else "new"
    public = {"ip_address": call.world.address_of(instance), "netmask": "255.255.240.0", "type": "public"}
    private = {"ip_address": "10.114.0.2", "netmask": "255.255.240.0", "type": "private"}
    return {
        "id": int(instance.instance_id),
        "name": instance.label,
        "status": status,
        "region": {"slug": shape.region} if shape else None,
        "size_slug": shape.details["name"] if shape else None,
        "size": size_of(shape, [shape.region]) if shape else None,
        "networks": {"v4": [private, public] if booted >= 0.5 else [], "v6": []},
    }


async def _create(call: Call) -> Response:
    wanted = await call.json()
    wanted = wanted if isinstance(wanted, dict) else {}
    shape = vms.shape_of(call, SLUG, wanted.get("size"), wanted.get("region"))
    known = {str(number) for number in vms.keys_of(call, SLUG)}
    if shape is None or not wanted.get("name") or not wanted.get("image"):
        return _unprocessable("You specified an invalid size, region, image or name for Droplet creation.")
    if not {str(one) for one in wanted.get("ssh_keys", ())} <= known:
        return _unprocessable("A given SSH key is not known.")
    if shape.stock <= 0:
        return _unprocessable("Size is not available in this region.")
    return answer({"droplet": _droplet(call, vms.rent(call, SLUG, shape, wanted, label=wanted["name"]))}, 202)


def _unprocessable(message: str) -> Response:
    return answer({"id": "unprocessable_entity", "message": message}, 422)


async def _list(call: Call) -> Response:
    """GPU Droplets are listed when they are asked for only."""
    gpus = call.request.query_params.get("type") == "gpus"
    rows = [_droplet(call, one) for one in call.world.running(SLUG, call.account)] if gpus else []
    found, page, pages = cut(rows, call, size="per_page", default=20, most=200)
    links = {"pages": {"next": f"{call.request.url.replace_query_params(page=page + 1)}"}} if page < pages else {}
    return answer({"droplets": found, "links": links, "meta": {"total": len(rows)}})


async def _get(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    return _refuse(404) if instance is None else answer({"droplet": _droplet(call, instance)})


async def _end(call: Call) -> Response:
    instance = vms.mine(call, SLUG)
    if instance is None:
        return _refuse(404)
    call.world.end(instance)
    return Response(status_code=204)


async def _keys(call: Call) -> Response:
    rows = [{"id": int(number), "public_key": text} for number, text in vms.keys_of(call, SLUG).items()]
    return answer({"ssh_keys": rows, "links": {}, "meta": {"total": len(rows)}})


async def _add_key(call: Call) -> Response:
    wanted = await call.json()
    keys = vms.keys_of(call, SLUG)
    text = wanted.get("public_key") if isinstance(wanted, dict) else None
    if not vms.is_key(text) or text in keys.values():
        return _unprocessable("SSH Key is already in use on your account, or is none.")
    number = 500_000 + call.world.next_serial()
    keys[str(number)] = str(text)
    call.world.save()
    return answer({"ssh_key": {"id": number, "name": wanted.get("name"), "public_key": text}}, 201)


_refuse = refusing(lambda status, message: {"id": message.lower().replace(" ", "_"), "message": message})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/v2/sizes", "list", _sizes),
        Operation("POST", "/v2/droplets", "create", _create),
        Operation("GET", "/v2/droplets", "find", _list),
        Operation("GET", "/v2/droplets/{id}", "get", _get),
        Operation("DELETE", "/v2/droplets/{id}", "end", _end),
        Operation("GET", "/v2/account/keys", "keys", _keys),
        Operation("POST", "/v2/account/keys", "keys", _add_key),
    ),
    refuse=_refuse,
    rows_of=in_list("sizes"),
    account=bearer_account(SLUG),
)
