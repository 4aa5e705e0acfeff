"""Together AI: hardware of dedicated endpoints. Wire format: togethercomputer/openapi."""

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, in_list, refusing
from infra.local.providers.world import ListPrice, Shape, shapes_of

SLUG = "together"


def _name(price: ListPrice, gpus: int) -> str:
    link = (price.form or "PCIe").lower().rstrip("456")
    return f"{gpus}x_nvidia_{price.gpu.lower()}_{price.vram_gb}gb_{link}"


def stock() -> list[Shape]:
    return shapes_of(SLUG, _name, ("-",))


async def _list(call: Call) -> Response:
    rows = []
    for shape in call.world.shapes[SLUG].values():
        name = shape.details["name"]
        specs = {
            "gpu_type": name.partition("nvidia_")[2].rpartition("_")[0].replace("_", "-"),
            "gpu_link": name.rpartition("_")[2],
            "gpu_memory": shape.vram_gb,
            "gpu_count": shape.gpus,
        }
        row = {
            "object": "hardware",
            "id": name,
            "pricing": {"cents_per_minute": round(float(shape.hourly()) * 100 / 60, 6)},
            "specs": specs,
            "updated_at": "2026-05-24T09:00:00Z",
        }
        if call.request.query_params.get("model"):
            row["availability"] = {"status": "available" if shape.stock > 0 else "insufficient"}
        rows.append(row)
    return answer({"object": "list", "data": rows})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/v1/hardware", "list", _list),),
    refuse=refusing(lambda _, message: {"error": {"message": message, "type": "invalid_request_error"}}),
    rows_of=in_list("data"),
    account=bearer_account(SLUG),
)
