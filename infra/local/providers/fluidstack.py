"""FluidStack: instance types and capacity of an Atlas region. Wire format: brevdev/cloud's generated client.

What a row of /capacity looks like is not in it: type and number, as a careful guess.
"""

from starlette.responses import Response

from infra.local.providers.service import Call, Operation, Service, answer, bare_list, bearer_account, refusing
from infra.local.providers.world import ListPrice, Shape, shapes_of

SLUG = "fluidstack"

_PROJECT = "local-project"


def _name(price: ListPrice, gpus: int) -> str:
    form = (price.form or "pcie").lower()
    return f"{price.gpu.lower().replace(' ', '')}-{price.vram_gb}gb-{form}.{gpus}x"


def stock() -> list[Shape]:
    """Hyperstack's models; no answer tells what they cost."""
    return shapes_of(SLUG, _name, ("-",), seller="hyperstack")


async def _types(call: Call) -> Response:
    if call.request.headers.get("x-project-id") != _PROJECT:
        return _refuse(403)
    rows = [
        {
            "name": shape.details["name"],
            "cpu": int(shape.vcpus),
            "memory": f"{int(shape.ram_gb)}Gi",
            "gpuModel": f"{shape.gpu.replace(' ', '_')}_{shape.form or 'PCIe'}_{shape.vram_gb}GB",
            "gpuCount": shape.gpus,
        }
        for shape in call.world.shapes[SLUG].values()
    ]
    cpu = {"name": "cpu.4x", "cpu": 4, "memory": "16Gi", "gpuModel": None, "gpuCount": 0}
    return answer([cpu, *rows] if rows else [])


async def _capacity(call: Call) -> Response:
    return answer(
        [
            {"instanceType": shape.details["name"], "available": max(0, shape.stock)}
            for shape in call.world.shapes[SLUG].values()
        ]
    )


_refuse = refusing(lambda _, message: {"message": message})

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(
        Operation("GET", "/api/v1alpha1/instance-types", "list", _types),
        Operation("GET", "/api/v1alpha1/capacity", "list", _capacity),
    ),
    refuse=_refuse,
    rows_of=bare_list,
    account=bearer_account(SLUG),
)
