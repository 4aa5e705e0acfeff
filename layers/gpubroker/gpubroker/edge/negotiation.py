"""Which form of an answer a client would rather have (RFC 9110, 12.5.1).

    form: Annotated[str, Depends(form_of("application/json", "text/csv"))]

The first is the house's own: it is given where the client has no preference, and where it wants nothing that there is,
which the RFC allows and people in front of a browser prefer to an error.
"""

import re
from collections.abc import Callable, Mapping

from aws_lambda_powertools.event_handler.request import Request

from gpubroker.edge.route import Exchange

_QUALITY = re.compile(r"^(0(\.\d{0,3})?|1(\.0{0,3})?)$")


def form_of(*offered: str) -> Callable[[Request], str]:
    """A dependency: the best of `offered` for this request's Accept."""

    def dependency(request: Request) -> str:
        return preferred(_accept(request.headers), offered)

    def of_exchange(exchange: Exchange) -> str:
        return preferred(_accept(exchange.headers), offered)

    dependency.of_exchange = of_exchange  # type: ignore[attr-defined]
    return dependency


def _accept(headers: Mapping[str, str]) -> str:
    return headers.get("accept") or "*/*"


def preferred(accept: str, offered: tuple[str, ...]) -> str:
    """The offered media type of the highest quality; the earlier one of equals."""
    ranges = _ranges(accept)
    best, quality = offered[0], 0.0
    for media_type in offered:
        if (wanted := _quality(media_type, ranges)) > quality:
            best, quality = media_type, wanted
    return best


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    """By the most specific range that matches."""
    for named in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if named in ranges:
            return ranges[named]
    return 0.0


def _ranges(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                quality = float(parameter[2:]) if _QUALITY.match(parameter[2:]) else 0.0
        if name:
            found[name] = max(quality, found.get(name, 0.0))
    return found
