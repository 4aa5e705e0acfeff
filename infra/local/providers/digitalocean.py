"""DigitalOcean: sizes in pages. Wire format: digitalocean/openapi."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, cut, refusing, rows_under
from infra.local.providers.world import Shape, chance, on_demand_of

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


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/v2/sizes", "list", _sizes),),
    refuse=refusing(lambda status, message: {"id": message.lower().replace(" ", "_"), "message": message}),
    rows_of=rows_under("sizes"),
    account=bearer_account(SLUG),
)
