"""What a request says, read strictly: parameters and bodies into the typed arguments of a route.

Refused here (DESIGN §3): unknown and repeated parameters, broken JSON, NaN and infinity, a key given twice, bodies
over the limit. Each refusal names the field.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from gpubroker.kernel.errors import FieldError, Invalid, Malformed, TooLarge

MAX_BODY_BYTES = 256 * 1024
_MAX_ERRORS = 20


def parse_query(raw: str, *, lists: frozenset[str]) -> dict[str, Any]:
    """Query parameters as strings; those in `lists` as lists, repeated or with commas. A repeated scalar is refused."""
    if not raw:
        return {}
    values: dict[str, Any] = {}
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError as error:
        raise Malformed("The query string is not valid percent-encoded UTF-8, or has over 100 parameters.") from error
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).extend(part.strip() for part in value.split(","))
        elif name in values:
            raise Invalid.of(name, "is given twice")
        else:
            values[name] = value
    return values


def raw_body(event: Mapping[str, Any]) -> bytes:
    """The body's bytes as sent. Raises TooLarge past 256 KiB."""
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise Malformed("The body is not valid base64.") from error
    else:
        raw = body.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY_BYTES:
        raise TooLarge(f"A body may hold {MAX_BODY_BYTES} bytes.")
    return raw


def _no_constants(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Malformed(f"{name}: is given twice", fields=(FieldError(name, "is given twice"),))
            seen.add(name)
    return found


def parse_body(raw: bytes, model: type[BaseModel]) -> BaseModel:
    """A JSON body as its model, in JSON's strict sense: the string "5" is no number.

    The first pass finds what a JSON reader would silently accept (a key given twice, NaN), the second validates.
    """
    if not raw.strip():
        raise Malformed("A JSON body is needed.")
    try:
        json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constants)
    except (ValueError, RecursionError) as error:  # ValueError covers bad JSON, bad UTF-8 and absurd integers
        raise Malformed(f"The body is not valid JSON: {error}") from error
    return validated(lambda: model.model_validate_json(raw, strict=True))


def validated(build: Callable[[], BaseModel]) -> BaseModel:
    """Run a validation; its failures become one Invalid that names every field and repeats no input."""
    try:
        return build()
    except ValidationError as error:
        fields = tuple(
            FieldError(".".join(map(str, failure["loc"])) or "body", _message(failure))
            for failure in error.errors(include_url=False, include_input=False, include_context=False)[:_MAX_ERRORS]
        )
        raise Invalid("; ".join(f"{field.field}: {field.message}" for field in fields), fields=fields) from error


def _message(failure: Mapping[str, Any]) -> str:
    if failure["type"] == "extra_forbidden":
        return "is not a known field"
    if failure["type"] == "missing":
        return "is required"
    return str(failure["msg"]).removeprefix("Value error, ")
