"""Paperspace: which machine types its templates start on, in pages. Wire format: the provider's reference (v1)."""

from decimal import Decimal

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bearer_account, refusing
from infra.local.providers.world import Shape, chance

SLUG = "paperspace"

# Label without its count: GPU, GB; and the counts in which it is sold.
_TYPES: dict[str, tuple[str, int, tuple[int, ...]]] = {
    "A100": ("A100", 40, (1,)),
    "A100-80G": ("A100", 80, (1, 8)),
    "A4000": ("RTX A4000", 16, (1, 2, 4)),
    "A5000": ("RTX A5000", 24, (1, 2, 4)),
    "A6000": ("RTX A6000", 48, (1, 2, 4)),
    "H100": ("H100", 80, (1, 8)),
    "P4000": ("Quadro P4000", 8, (1, 2, 4)),
    "P5000": ("Quadro P5000", 16, (1, 2, 4)),
    "P6000": ("Quadro P6000", 24, (1,)),
    "RTX4000": ("Quadro RTX 4000", 8, (1,)),
    "RTX5000": ("Quadro RTX 5000", 16, (1,)),
    "V100": ("V100", 16, (1,)),
    "V100-32G": ("V100", 32, (1, 2, 4)),
}
_TEMPLATES = {"tlvh5xr": "ML-in-a-Box", "t0nspur5": "Ubuntu 22.04"}


def stock() -> list[Shape]:
    """No answer tells what they cost: a price is here because a shape has one."""
    return [
        Shape(
            key=label if gpus == 1 else f"{label}x{gpus}",
            gpu=gpu,
            gpus=gpus,
            vram_gb=vram_gb,
            usd=Decimal(1),
            region="-",
            stock=int(5 * chance(SLUG, label, gpus)),
            group=label,
        )
        for label, (gpu, vram_gb, counts) in _TYPES.items()
        for gpus in counts
    ]


async def _list(call: Call) -> Response:
    """A page a template: each starts on other machines here."""
    ids = list(_TEMPLATES)
    here = ids.index(after) if (after := call.request.query_params.get("after")) in ids else 0
    machines = [
        {"machineTypeLabel": shape.key, "isAvailable": shape.stock > 0}
        for index, shape in enumerate(call.world.shapes[SLUG].values())
        if index % len(ids) == here
    ]
    if machines:
        machines.append({"machineTypeLabel": "C5", "isAvailable": True})
    template = {"id": ids[here], "name": _TEMPLATES[ids[here]], "availableMachines": machines}
    following = ids[here + 1] if here + 1 < len(ids) else None
    return answer({"items": [template], "hasMore": following is not None, "nextPage": following})


SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("GET", "/v1/os-templates", "list", _list),),
    refuse=refusing(lambda _, message: {"code": message, "message": message}),
    rows_of=lambda told: [item["availableMachines"] for item in told.get("items", [])],
    account=bearer_account(SLUG),
)
