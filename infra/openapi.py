"""`python -m infra.openapi`: the API document (OpenAPI 3.1), written from the handlers.

Powertools' resolver describes the routers as mounted on it; what it cannot know is added here from the same handlers:
who may call (their rules), which problems come back, which headers `serve` reads and sets. The committed document is
docs/openapi.json; the console serves a copy. tests/contract compares both with what this module makes.
"""

import importlib
import inspect
import json
import sys
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Depends
from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge.error_formats import PROBLEM_DOCUMENT, SUCCESS_FLAG, ErrorFormat
from gpubroker.edge.http import Answer
from gpubroker.edge.idempotency import idempotency_key, required_idempotency_key
from gpubroker.kernel.errors import Invalid
from infra.answers import ALSO, ANSWERS, CONTENT_TYPES, TABLES, TAKEN

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "openapi.json"
SERVED = ROOT / "layers" / "gpubroker" / "gpubroker" / "console" / "static" / "openapi.json"

TITLE = "GPUBROKER"
DESCRIPTION = """\
Finds, ranks, rents, meters and ends GPUs across many clouds.

Amounts are USD as JSON numbers; fields that end in `_micros` say the same exactly, as integer micro-dollars.
Errors are problem documents (RFC 9457) with a stable `type`; the management tier says them in its own form.
Lists are read with `limit` and an opaque `cursor`.
Writes take an `Idempotency-Key`: the same key and body gives the stored answer again.
Limits are per second and by plan (free 10, pro 100, enterprise 1000), for callers without credentials by address.
"""
TAGS = {
    "offers": "What can be rented, where, at what price; filtered, ranked, explained.",
    "prices": "What GPUs cost, now and before.",
    "rentals": "Renting, watching, scaling and ending.",
    "accounts": "Money that is there, held and moved; deposits, withdrawals, organisations and budgets.",
    "usage": "What instances use, now and before; thresholds.",
    "billing": "Price plans, credits, invoices, payments.",
    "management": "Orders, transactions, fees, clusters, audit, settlement.",
    "streams": "What changes, as it changes; the same over WebSockets at /ws/providers/.",
    "favorites": "Offers that one keeps an eye on.",
    "integrations": "Keys of one's own at providers: rentals there run on one's own account, and the provider bills.",
    "webhooks": "What happens, signed and sent to an address of one's own.",
    "alerts": "Being told when a price falls far enough.",
    "notifications": "What one was told, how one wants to be told, and where.",
    "identity": "Accounts, sessions, keys, service and agent credentials, plans.",
    "administration": "For administrators.",
    "internal": "For other services of the house, with a service token; not reachable through the public edge.",
    "operations": "How the house itself is.",
    "console": "Pages for people.",
}
SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token, a service token, an agent token or an API key.",
    },
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Further members may follow, as the type says.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {
            "type": "string",
            "description": "Stable; what a program looks at.",
            "examples": ["/docs/problems#invalid-request"],
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people."},
        "instance": {"type": "string", "description": "The request's id, to quote when reporting a problem."},
        "errors": {
            "type": "array",
            "description": "Each wrong field.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

FAILURE = {
    "type": "object",
    "title": "Failure",
    "description": "What went wrong, where the management tier is spoken to.",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {"type": "string", "description": "For people; it names the field that was wrong."},
    },
}
FORMATS: dict[str, tuple[ErrorFormat, dict[str, Any]]] = {
    PROBLEM_DOCUMENT.name: (PROBLEM_DOCUMENT, PROBLEM),
    SUCCESS_FLAG.name: (SUCCESS_FLAG, FAILURE),
}
"""How failures are said, by the name of the schema (edge/error_formats.py)."""

PROBLEMS = {
    "400": "The body is no JSON, or has a key twice.",
    "401": "No credentials, or ones that do not hold.",
    "403": "Known, and not allowed to.",
    "404": "There is no such thing, or it is somebody else's.",
    "409": "What was asked for does not fit the state of things.",
    "413": "The body is over 256 KB.",
    "422": "Well-formed and wrong; `errors` names each field.",
    "429": "Over the plan's limit; `Retry-After` says when to come back.",
    "default": "Anything else that went wrong.",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """One handler file: its module and what `serve` made of its route."""

    module: ModuleType

    @property
    def handler(self) -> Any:
        return self.module.handler

    @property
    def router(self) -> Router:
        return self.module.router  # type: ignore[no-any-return]

    @property
    def method(self) -> str:
        return str(self.handler.route.method)

    @property
    def path(self) -> str:
        return str(self.handler.route.path)

    @property
    def function(self) -> Any:
        return self.handler.route.function

    def dependencies(self) -> list[Any]:
        """The functions behind the `Depends` of its parameters."""
        hints = get_type_hints(self.function, include_extras=True)
        markers = [extra for hint in hints.values() if get_origin(hint) is Annotated for extra in get_args(hint)[1:]]
        return [marker.dependency for marker in markers if isinstance(marker, Depends)]

    def needs(self) -> str | None:
        """Who may call, in words; empty for anybody; None where nobody is asked."""
        found = [dependency.needs for dependency in self.dependencies() if hasattr(dependency, "needs")]
        return "; ".join(found) if found else None


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """Every handler that serves a route, by path and method."""
    files = sorted((ROOT / "functions").glob("*/*.py"))
    modules = [importlib.import_module(f"{file.parent.name}.{file.stem}") for file in files if file.stem != "__init__"]
    found = [Endpoint(module) for module in modules if hasattr(module, "router")]
    return tuple(sorted(found, key=lambda endpoint: (endpoint.path, endpoint.method)))


def _described(router: Router) -> Router:
    """The router with `Answer[Model]` read as Model, which is what the caller receives."""
    described = Router()  # type: ignore[no-untyped-call]
    for options, function in router._routes.items():
        returned = get_type_hints(function, include_extras=True).get("return")
        if get_origin(returned) is Answer or returned is Answer:
            told = get_args(returned)[0] if get_args(returned) else Any
            model = ANSWERS.get(function.__name__, told)
            function = _returning(function, model)
        described._routes[options] = function
    described._routes_with_middleware = router._routes_with_middleware
    return described


def _returning(function: Any, model: Any) -> Any:
    """A stand-in with the same parameters and another return annotation."""

    def stand_in(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    signature = inspect.signature(function, eval_str=True)
    stand_in.__name__, stand_in.__doc__, stand_in.__module__ = function.__name__, function.__doc__, function.__module__
    stand_in.__signature__ = signature.replace(return_annotation=model)  # type: ignore[attr-defined]
    stand_in.__annotations__ = {**get_type_hints(function, include_extras=True), "return": model}
    return stand_in


def resolver() -> APIGatewayHttpResolver:
    """Powertools' validating resolver with every router on it."""
    app = APIGatewayHttpResolver(enable_validation=True)
    for endpoint in endpoints():
        app.include_router(_described(endpoint.router))
    return app


def document() -> Json:
    """The whole document."""
    version = _version()
    schema = resolver().get_openapi_schema(title=TITLE, version=version, openapi_version="3.1.0")
    raw: Json = json.loads(schema.model_dump_json(by_alias=True, exclude_none=True))
    by_route = {(endpoint.path, endpoint.method.lower()): endpoint for endpoint in endpoints()}
    paths: Json = {}
    for path, operations in sorted(raw["paths"].items()):
        paths[path] = {
            method: _operation(operation, by_route[path, method]) for method, operation in sorted(operations.items())
        }
    formats = {name: schema for name, (_, schema) in FORMATS.items()}
    schemas = _used(paths, {**raw["components"]["schemas"], **formats})
    used = {tag for operations in paths.values() for operation in operations.values() for tag in operation["tags"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": _problems(),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _used(paths: Json, schemas: Json) -> Json:
    """The schemas that the paths lead to: Powertools also lists those of its own validation, which `serve` replaces."""
    waiting = [*_references(paths), *FORMATS]
    used: Json = {}
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in used:
            used[name] = schemas[name]
            waiting.extend(_references(schemas[name]))
    return used


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rpartition("/")[2]] if isinstance(value.get("$ref"), str) else []
        return own + [name for item in value.values() for name in _references(item)]
    return [name for item in value for name in _references(item)] if isinstance(value, list) else []


def _version() -> str:
    import tomllib

    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def _operation(generated: Json, endpoint: Endpoint) -> Json:
    operation = deepcopy(generated)
    operation["operationId"] = endpoint.function.__name__
    operation.setdefault("tags", [endpoint.module.__name__.partition(".")[0]])
    needs = endpoint.needs()
    about = inspect.getdoc(endpoint.function) or ""
    operation["description"] = "\n\n".join(filter(None, [about, f"Needs {needs}." if needs else ""]))
    if not operation["description"]:
        del operation["description"]
    credentials: list[Json] = [{name: []} for name in SECURITY_SCHEMES]
    if needs:
        operation["security"] = credentials
    elif needs == "":
        operation["security"] = [{}, *credentials]
    dependencies = endpoint.dependencies()
    if idempotency_key in dependencies or required_idempotency_key in dependencies:
        operation.setdefault("parameters", []).append(
            _idempotency(required_idempotency_key in dependencies, endpoint.handler.errors)
        )
    operation["responses"] = _responses(operation["responses"], operation, endpoint)
    return dict(sorted(operation.items(), key=lambda item: _ORDER.index(item[0]) if item[0] in _ORDER else 99))


_ORDER = ["tags", "summary", "description", "operationId", "security", "parameters", "requestBody", "responses"]


def _idempotency(required: bool, errors: ErrorFormat) -> Json:
    reused = errors.status_of(Invalid())
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": required,
        "description": f"Same key and body: the stored answer again. Same key, another body: {reused}.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21\\x23-\\x7e]+$"},
    }


def _responses(generated: Json, operation: Json, endpoint: Endpoint) -> Json:
    """What the route says of its success, and the problems that the edge makes of everything else."""
    success = {status: body for status, body in generated.items() if status.startswith(("2", "3"))}
    if "202" in success and endpoint.function.__name__ not in TAKEN:  # `Prefer: wait`, or nothing left to be done
        success["202"]["headers"] = {name: {"schema": {"type": "string"}} for name in ("Location", "Retry-After")}
        success["200"] = {**success["202"], "description": "It was done while the caller waited."}
    first = next(iter(success))
    for status, text in ALSO.get(endpoint.function.__name__, {}).items():
        success[status] = {**success[first], "description": text}
    for status, body in success.items():
        if endpoint.function.__name__ in CONTENT_TYPES:
            body["content"] = {CONTENT_TYPES[endpoint.function.__name__]: {"schema": {"type": "string"}}}
        if endpoint.function.__name__ in TABLES:
            body["content"]["text/csv"] = {"schema": {"type": "string"}}
            body["headers"] = {"X-Next-Cursor": {"schema": {"type": "string"}, "description": "of a table with more"}}
        if status in ("204", "304"):  # Powertools describes a body here too
            body.pop("content", None)
        body["description"] = body["description"].replace("Successful Response", "Success.")
    parameters = operation.get("parameters", [])
    kinds = {parameter["in"] for parameter in parameters}
    errors: ErrorFormat = endpoint.handler.errors
    wrong = "requestBody" in operation or bool(kinds & {"query", "path"})
    unreadable = errors is SUCCESS_FLAG  # where what is wrong is told like what cannot be read
    said = {
        "400": "requestBody" in operation or (wrong and unreadable),
        "401": bool(operation.get("security")),
        "403": bool(endpoint.needs()),
        "404": "path" in kinds,
        "409": any(parameter["name"] == "Idempotency-Key" for parameter in parameters),
        "413": "requestBody" in operation,
        "422": wrong and not unreadable,
        "429": bool(endpoint.handler.limited),
        "default": True,
    }
    of_format = _of_format(errors.name)
    problems = {
        status: {"$ref": f"#/components/responses/{of_format}{status}"} for status, applies in said.items() if applies
    }
    return dict(sorted(success.items())) | problems


def _of_format(name: str) -> str:
    """What stands before the status in the names of a format's responses."""
    return "" if name == PROBLEM_DOCUMENT.name else f"{name}-"


def _problems() -> Json:
    """The shared responses of failures, by format and status."""
    problems: Json = {}
    for name, (errors, _) in FORMATS.items():
        content = {errors.content_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        for status, text in PROBLEMS.items():
            if errors is SUCCESS_FLAG and status == "422":
                continue
            told = (
                "Malformed or wrong; the text names the field." if (errors, status) == (SUCCESS_FLAG, "400") else text
            )
            problems[_of_format(name) + status] = {"description": told, "content": content}
        retry = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
        problems[f"{_of_format(name)}429"]["headers"] = retry
    return problems


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    written = text()
    for path in (DOCUMENT, SERVED):
        path.write_text(written, encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT.relative_to(ROOT)}: {len(endpoints())} operations\n")


if __name__ == "__main__":
    main()
