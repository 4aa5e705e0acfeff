"""OVHcloud: one catalogue of everything, in EUR. Wire format: SpareCores/sc-crawler, ovh/manager."""

from typing import Any

from starlette.responses import Response

from infra.local.providers.machines import priced_in, stocked
from infra.local.providers.service import Call, Operation, Service, answer, in_list, refusing
from infra.local.providers.world import Shape

SLUG = "ovhcloud"


def stock() -> list[Shape]:
    """In no region: the catalogue names none."""
    return stocked(SLUG, ("",))


def _addon(shape: Shape, *, code: str, brick: str = "gpu", share: int = 1) -> dict[str, Any]:
    hourly = priced_in("EUR", shape.hourly()) / share
    technical = {
        "cpu": {"cores": int(shape.vcpus), "type": "vCPU"},
        "memory": {"size": int(shape.ram_gb)},
        "gpu": {"model": shape.gpu, "number": shape.gpus, "memory": {"size": shape.vram_gb, "interface": "HBM"}},
        "os": {"family": "windows" if code.startswith("win-") else "linux"},
        "storage": {"disks": [{"number": 1, "capacity": int(shape.disk_gb)}]},
    }
    return {
        "planCode": code,
        "invoiceName": code,
        "product": "publiccloud-instance",
        "pricings": [
            {
                "phase": 0,
                "price": int((hourly * 10**8).to_integral_value()),
                "formattedPrice": f"{hourly:.2f} €",
                "intervalUnit": "hour",
                "interval": 1,
                "type": "consumption",
            }
        ],
        "blobs": {"commercial": {"brick": brick}, "technical": technical, "tags": []},
    }


async def _catalogue(call: Call) -> Response:
    addons: list[dict[str, Any]] = []
    for shape in call.world.shapes[SLUG].values():
        name = shape.details["name"]
        addons.append(_addon(shape, code=f"{name}.consumption"))
        addons.append(_addon(shape, code=f"win-{name}.consumption"))
        addons.append(_addon(shape, code=f"{name}.monthly.postpaid"))
        addons.append(_addon(shape, code=f"ai-{name}.minute.consumption", brick="ai-serving", share=60))
    codes = [addon["planCode"] for addon in addons]
    plans = [{"planCode": "project", "addonFamilies": [{"name": "instance", "addons": codes}]}]
    return answer({"locale": {"currencyCode": "EUR", "subsidiary": "FR"}, "plans": plans, "addons": addons})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/1.0/order/catalog/public/cloud", "list", _catalogue, needs_key=False),),
    refuse=refusing(lambda status, message: {"class": f"Client::{status}", "message": message}),
    rows_of=in_list("addons"),
    account=lambda request: "",
)
