"""The common shape of a simulated provider, and the small things that all of them answer with."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from infra.local.providers.faults import Rows
from infra.local.providers.keys import account_of
from infra.local.providers.world import Shape, World


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets: the world, the request, and whose key it came with ("" where none is needed)."""

    world: World
    request: Request
    account: str

    async def json(self) -> Any:
        """The decoded body; None where there is none or it is no JSON."""
        try:
            return json.loads(await self.request.body() or b"null")
        except ValueError:
            return None


Handle = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented call. `name` is what faults are aimed at."""

    method: str
    path: str
    name: str
    handle: Handle
    needs_key: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """One provider: what it sells, its calls, whose key a request has, and how it says no."""

    slug: str
    stock: Callable[[], list[Shape]]
    operations: tuple[Operation, ...]
    refuse: Callable[[int], Response]
    rows_of: Rows
    account: Callable[[Request], str | None]
    intervals: Mapping[str, float] = field(default_factory=dict)
    """Seconds between two calls of an operation ("*": of any other one), where the provider documents a limit."""


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(json.dumps(value), status, media_type="application/json")


def refusing(told: Callable[[int, str], Any]) -> Callable[[int], Response]:
    """How a provider says no: `told(status, message)` is its body."""

    def refuse(status: int) -> Response:
        return answer(told(status, _MESSAGES.get(status, "Internal server error")), status)

    return refuse


_MESSAGES = {401: "Unauthorized", 403: "Forbidden", 404: "Not found", 422: "Invalid", 429: "Too many requests"}


def cut(rows: list[Any], call: Call, *, size: str, default: int, most: int) -> tuple[list[Any], int, int]:
    """(the rows of the page that a query asks for, its number, how many pages there are) of `page` and `<size>`."""
    asked = call.request.query_params
    length = max(1, min(most, int(asked.get(size, default))))
    number = max(1, int(asked.get("page", 1)))
    return rows[(number - 1) * length : number * length], number, max(1, -(-len(rows) // length))


def in_list(*names: str) -> Rows:
    """The rows of answers that have their list under one of these names."""

    def rows_of(told: Any) -> list[Any]:
        return [told[name] for name in names if isinstance(told, dict) and isinstance(told.get(name), list | dict)]

    return rows_of


def bearer_account(slug: str) -> Callable[[Request], str | None]:
    """Whose bearer key it is: "" without one, None for a wrong one."""

    def account(request: Request) -> str | None:
        header = request.headers.get("authorization", "")
        return account_of(slug, header.removeprefix("Bearer ")) if header else ""

    return account


def bare_list(told: Any) -> list[Any]:
    """The rows of answers that are the list."""
    return [told] if isinstance(told, list) else []


def anybody(request: Request) -> str | None:
    """Whose key it is at a provider that asks for none and looks at none."""
    del request
    return ""


def header_account(slug: str, name: str) -> Callable[[Request], str | None]:
    """The same for a key in a header of its own."""

    def account(request: Request) -> str | None:
        key = request.headers.get(name, "")
        return account_of(slug, key) if key else ""

    return account
