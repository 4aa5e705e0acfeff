"""The simulated providers as one ASGI app: `/<slug>/...` speaks as the provider does, `/_control/...` is ours.

uvicorn --factory infra.local.providers.app:create_app
"""

import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.local.providers import (
    akash,
    aws,
    azure,
    cloudrift,
    crusoe,
    cudo,
    digitalocean,
    fluidstack,
    gcp,
    hotaisle,
    hyperbolic,
    hyperstack,
    jarvislabs,
    koyeb,
    lambdalabs,
    latitude,
    linode,
    mithril,
    oci,
    ovhcloud,
    paperspace,
    primeintellect,
    runpod,
    salad,
    scaleway,
    seeweb,
    shadeform,
    tensordock,
    together,
    vastai,
    verda,
    vultr,
)
from infra.local.providers.control import control_routes
from infra.local.providers.faults import Faults
from infra.local.providers.keys import STATE_VARIABLE
from infra.local.providers.payments import Processor
from infra.local.providers.rates import rates_routes
from infra.local.providers.service import Call, Operation, Service
from infra.local.providers.world import BOOT_SECONDS, World

SERVICES: dict[str, Service] = {
    one.SERVICE.slug: one.SERVICE
    for one in (
        akash,
        aws,
        azure,
        cloudrift,
        crusoe,
        cudo,
        digitalocean,
        fluidstack,
        gcp,
        hotaisle,
        hyperbolic,
        hyperstack,
        jarvislabs,
        koyeb,
        lambdalabs,
        latitude,
        linode,
        mithril,
        oci,
        ovhcloud,
        paperspace,
        primeintellect,
        runpod,
        salad,
        scaleway,
        seeweb,
        shadeform,
        tensordock,
        together,
        vastai,
        verda,
        vultr,
    )
}


def create_app(
    state_dir: Path | str | None = None,
    *,
    boot_seconds: float = BOOT_SECONDS,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """All providers over the catalogue's prices. With `state_dir` instances outlive a restart."""
    directory = state_dir or os.environ.get(STATE_VARIABLE)
    world = World(
        {slug: service.stock for slug, service in SERVICES.items()},
        clock=clock,
        boot_seconds=boot_seconds,
        state_dir=Path(directory) if directory else None,
    )
    faults = Faults()
    calls: Counter[tuple[str, str]] = Counter()
    routes = [
        Route(
            f"/{service.slug}{operation.path}",
            _endpoint(service, operation, world, faults, calls),
            methods=[operation.method],
        )
        for service in SERVICES.values()
        for operation in service.operations
    ]
    processor = Processor(Path(directory) / "payments.json" if directory else None, clock)
    app = Starlette(routes=[*routes, *control_routes(world, faults, calls), *rates_routes(clock), *processor.routes()])
    app.state.world = world
    app.state.faults = faults
    return app


def _endpoint(
    service: Service, operation: Operation, world: World, faults: Faults, calls: Counter[tuple[str, str]]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        calls[service.slug, operation.name] += 1

        async def handle() -> Response:
            account = service.account(request)
            if account is None or (operation.needs_key and not account):
                return service.refuse(401)
            group = operation.name if operation.name in service.intervals else "*"
            if world.too_soon(service.slug, group, account, service.intervals.get(group, 0)):
                return service.refuse(429)
            return await operation.handle(Call(world, request, account))

        return await faults.around(
            request, service.slug, operation.name, handle, refuse=service.refuse, rows_of=service.rows_of
        )

    return endpoint
