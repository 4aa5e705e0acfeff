"""The simulated source of exchange rates: the European Central Bank's daily file, of today, at rates that can be set.

GET  /_rates/eurofxref-daily.xml   what RefreshRates reads
POST /_control/rates               {"EUR": "1.25", ...}: USD for one unit, from now on
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gpubroker.offers.rates import DATED
from infra.local.providers.paths import EXCHANGE_RATES_PATH
from infra.local.providers.service import answer


def rates_routes(clock: Callable[[], float] = time.time) -> list[Route]:
    """The file, and its control."""
    usd = dict(DATED.usd_per_unit)

    async def daily(request: Request) -> Response:
        del request
        day = datetime.fromtimestamp(clock(), UTC).date().isoformat()
        per_euro = {"USD": usd["EUR"], **{code: usd["EUR"] / rate for code, rate in usd.items() if code != "EUR"}}
        cubes = "".join(f"<Cube currency='{code}' rate='{rate:.5f}'/>" for code, rate in sorted(per_euro.items()))
        body = f"<?xml version='1.0'?><Envelope><Cube><Cube time='{day}'>{cubes}</Cube></Cube></Envelope>"
        return Response(body, media_type="text/xml")

    async def change(request: Request) -> Response:
        try:
            wanted = {code: Decimal(str(rate)) for code, rate in (await request.json()).items()}
        except (InvalidOperation, AttributeError, ValueError):
            return answer({"error": "an object of currency codes and USD for one unit"}, 422)
        if unknown := wanted.keys() - usd.keys():
            return answer({"error": f"no such currency: {', '.join(sorted(unknown))}"}, 422)
        usd.update(wanted)
        return answer({code: str(rate) for code, rate in usd.items()})

    return [Route(EXCHANGE_RATES_PATH, daily), Route("/_control/rates", change, methods=["POST"])]
