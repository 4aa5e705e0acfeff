"""What can go wrong at a provider, on request: who, at which operation, what, and how often."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

KINDS = {
    "latency": "answer after `seconds`",
    "hang": "never answer (`seconds` at most, default 120)",
    "status": "answer with `status` (default 500) and do nothing",
    "rate_limit": "answer 429 as this provider does, with `retry_after` where it is given",
    "unauthorized": "answer 401",
    "html": "answer 502 with a page of HTML",
    "page": "answer 200 with a page of HTML",
    "malformed": "answer 200 with something that is no JSON",
    "truncated": "answer 200 with the first half of the body",
    "cut": "promise the whole body, send half and close the connection",
    "reset": "reset the connection (TCP RST) and do nothing",
    "empty": "answer 200 with an empty list, as this provider writes it",
    "absurd_prices": "answer with negative, NaN and huge prices",
    "duplicates": "answer with every row twice",
    "huge": "answer with `megabytes` (default 50) of JSON",
    "slow_drip": "send the body byte by byte, one every `seconds` (default 0.05)",
    "error_after_effect": "do it, then answer with `status` (default 500)",
    "hang_after_effect": "do it, then never answer",
}


@dataclass(slots=True)
class Fault:
    """One injected fault. `operation` is list, create, get, find, end, keys, token or *; `count` None is for ever."""

    kind: str
    provider: str = "*"
    operation: str = "*"
    count: int | None = None
    seconds: float | None = None
    status: int | None = None
    retry_after: float | None = None
    megabytes: int = 50

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: one of {', '.join(sorted(KINDS))}")


Handler = Callable[[], Awaitable[Response]]
Rows = Callable[[Any], list[list[Any] | dict[str, Any]]]
"""The collections of rows in a decoded answer of one provider, to be spoiled in place."""

_HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class Faults:
    """The faults that are switched on, first come first served."""

    def __init__(self) -> None:
        self._active: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._active.append(fault)

    def clear(self, provider: str = "*") -> None:
        self._active = [one for one in self._active if provider not in ("*", one.provider)]

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self._active]

    def _take(self, provider: str, operation: str) -> Fault | None:
        for fault in self._active:
            if fault.provider in ("*", provider) and fault.operation in ("*", operation):
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self._active.remove(fault)
                return fault
        return None

    async def around(
        self,
        request: Request,
        provider: str,
        operation: str,
        handle: Handler,
        *,
        refuse: Callable[[int], Response],
        rows_of: Rows,
    ) -> Response:
        """Answer the request, with the fault that is due, if one is. `refuse(status)` answers as the provider would."""
        fault = self._take(provider, operation)
        if fault is None:
            return await handle()
        match fault.kind:
            case "latency":
                await _wait(request, fault.seconds or 1.0)
                return await handle()
            case "hang":
                await _wait(request, fault.seconds or 120.0)
                return refuse(504)
            case "reset":
                await _reset(request)
                return refuse(500)
            case "status":
                return refuse(fault.status or 500)
            case "rate_limit":
                response = refuse(429)
                if fault.retry_after is not None:
                    response.headers["retry-after"] = f"{fault.retry_after:g}"
                return response
            case "unauthorized":
                return refuse(401)
            case "html":
                return Response(_HTML, 502, media_type="text/html")
            case "page":
                return Response(_HTML, 200, media_type="text/html")
            case "malformed":
                return Response("{'offers': [", 200, media_type="application/json")
            case "huge":
                return StreamingResponse(_huge(fault.megabytes), media_type="application/json")
            case "error_after_effect":
                await handle()
                return refuse(fault.status or 500)
            case "hang_after_effect":
                await handle()
                await _wait(request, fault.seconds or 120.0)
                return refuse(504)
        response = await handle()
        return _spoiled(response, fault, rows_of)


def _spoiled(response: Response, fault: Fault, rows_of: Rows) -> Response:
    body = bytes(response.body)
    if fault.kind == "truncated":
        return Response(body[: len(body) // 2], response.status_code, media_type="application/json")
    if fault.kind == "cut":
        headers = {"content-length": str(len(body)), "content-type": "application/json"}
        return StreamingResponse(_half(body), response.status_code, headers=headers)
    if fault.kind == "slow_drip":
        return StreamingResponse(_drip(body, fault.seconds or 0.05), media_type="application/json")
    told = json.loads(body)
    for rows in rows_of(told):
        if fault.kind == "empty":
            rows.clear()
        elif fault.kind == "duplicates":
            if isinstance(rows, list):
                rows.extend(list(rows))
        elif fault.kind == "absurd_prices":
            places = list(rows) if isinstance(rows, dict) else range(len(rows))
            for index, place in enumerate(places):
                rows[place] = _absurd(rows[place], (-1.5, float("nan"), 1e12, 0)[index % 4])
    return Response(json.dumps(told), response.status_code, media_type="application/json")


_PRICES = {
    "OnDemandPrice",
    "USD",
    "cents_per_minute",
    "community",
    "communityPrice",
    "costPerHourCents",
    "cost_per_hour",
    "hour",
    "last_instance_price",
    "med",
    "min",
    "price",
    "price_per_hr",
    "dph_total",
    "hourly",
    "hourly_cost",
    "hourly_price",
    "min_bid",
    "minimumBidPrice",
    "monthly_cost",
    "nanos",
    "onDemand",
    "price_cents_per_hour",
    "price_hourly",
    "price_per_hour",
    "price_per_second",
    "retailPrice",
    "secure",
    "securePrice",
    "spot_price",
    "value",
}
"""The fields that are prices, in any provider's words."""


def _absurd(value: Any, price: float) -> Any:
    """The value with every price in it replaced; a text that is JSON itself (AWS) is looked into as well."""
    if isinstance(value, list):
        return [_absurd(one, price) for one in value]
    if isinstance(value, str) and value.startswith("{"):
        return json.dumps(_absurd(json.loads(value), price))
    if not isinstance(value, dict):
        return value
    return {name: price if name in _PRICES and _is_price(one) else _absurd(one, price) for name, one in value.items()}


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


async def _wait(request: Request, seconds: float) -> None:
    """Wait, but no longer than the caller stays connected: a hanging call must not keep the server from stopping."""
    await request.body()
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({gone}, timeout=seconds)
    finally:
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


async def _reset(request: Request) -> None:
    """Drop the connection as a dead machine's kernel does: what is left unsent is thrown away, the peer gets a reset.

    The server's receive is a method of its request cycle, which holds the transport; without a socket under it
    (an app called in this process) there is nothing to reset.
    """
    transport = getattr(getattr(request.receive, "__self__", None), "transport", None)
    if transport is None:
        raise RuntimeError("a connection can be reset only where there is one")
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(request)


async def _half(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]


async def _drip(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    for index in range(len(body)):
        yield body[index : index + 1]
        await asyncio.sleep(seconds)


async def _huge(megabytes: int) -> AsyncIterator[bytes]:
    yield b'{"padding": "'
    for _ in range(megabytes):
        yield b"x" * (1024 * 1024)
    yield b'"}'


def as_fault(row: Mapping[str, Any]) -> Fault:
    """A fault from the control API's JSON. Raises TypeError or ValueError on anything unknown."""
    return Fault(**row)
