"""The committed API document is what the handlers are, and what the templates deploy."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from jsonschema.validators import Draft202012Validator

from infra import openapi
from infra.rules.templates import ROOT, all_templates, functions, name_of

DOCUMENT: dict[str, Any] = json.loads(openapi.DOCUMENT.read_text(encoding="utf-8"))
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_the_committed_document_is_what_the_handlers_make() -> None:
    assert openapi.DOCUMENT.read_text(encoding="utf-8") == openapi.text(), "run `make openapi` and commit"


def test_the_console_serves_the_committed_document() -> None:
    assert openapi.SERVED.read_bytes() == openapi.DOCUMENT.read_bytes()


def test_every_schema_is_json_schema_2020_12() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere() -> None:
    components = DOCUMENT["components"]
    for text in _references(DOCUMENT):
        _, _, kind, name = text.split("/", 3)
        assert name in components[kind], text


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [text for item in value.values() for text in _references(item)]
    if isinstance(value, list):
        return [text for item in value for text in _references(item)]
    return []


def test_no_schema_is_left_over() -> None:
    used = {text.rpartition("/")[2] for text in _references(DOCUMENT)}
    assert set(DOCUMENT["components"]["schemas"]) <= used


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=lambda value: str(value)[:60])
def test_an_operation_says_what_it_is(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"], f"{method} {path}"
    assert set(operation["tags"]) <= set(openapi.TAGS), f"{method} {path}"
    success = [body for status, body in operation["responses"].items() if status.startswith("2")]
    assert success, f"{method} {path} never succeeds"
    for body in success:
        for content in body.get("content", {}).values():
            schema = content["schema"]
            assert set(schema) - {"title"}, f"{method} {path} does not say what it answers: -> Answer[Model]"


def test_operations_have_names_of_their_own() -> None:
    names = Counter(operation["operationId"] for _, _, operation in OPERATIONS)
    assert [name for name, count in names.items() if count > 1] == []


def test_the_routes_of_the_templates_are_those_of_the_handlers() -> None:
    """An HTTP API with another path or method than its function would answer 404 for it, or 500."""
    handlers = {f"{endpoint.module.__name__}.handler": endpoint for endpoint in openapi.endpoints()}
    deployed: dict[str, list[tuple[str, str]]] = {}
    for template in all_templates():
        for properties in functions(template).values():
            for event in properties.get("Events", {}).values():
                if event["Type"] == "HttpApi" and "Path" in event["Properties"]:
                    route = event["Properties"]
                    deployed.setdefault(properties["Handler"], []).append((route["Method"].upper(), route["Path"]))
    assert deployed == {name: [(endpoint.method, endpoint.path)] for name, endpoint in handlers.items()}


def test_each_route_stands_behind_the_api_that_the_paths_lead_to() -> None:
    """A public route on the internal API could not be reached, and an internal one on the public API could."""
    from infra.local import paths

    table = paths.read()
    for template in all_templates():
        for name, properties in functions(template).items():
            for event in properties.get("Events", {}).values():
                if event["Type"] != "HttpApi" or "Path" not in event["Properties"]:
                    continue
                path = event["Properties"]["Path"]
                route = paths.find(table, path)
                assert route is not None, path
                wanted = "InternalApi" if route.api == "internal" else "Api"
                assert event["Properties"]["ApiId"] == {"Ref": wanted}, f"{name_of(template)} {name} {path}"
                assert route.context == template.stem, f"{path} leads to {route.context}, {name} is in {template.stem}"
                assert path.startswith("/internal/") == (route.api == "internal"), path


SAMPLES = sorted((ROOT / "events" / "api").glob("*.json"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_call_is_one_that_the_document_allows(sample: Path) -> None:
    event = json.loads(sample.read_text(encoding="utf-8"))
    method, path = event["routeKey"].split(" ", 1)
    operation = DOCUMENT["paths"][path][method.lower()]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": DOCUMENT["components"]}
        jsonschema_rs.validator_for(whole).validate(json.loads(event["body"]))


def test_there_are_sample_calls() -> None:
    assert len(SAMPLES) >= 8


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_call_is_named_after_the_handler_that_takes_it(sample: Path) -> None:
    event = json.loads(sample.read_text(encoding="utf-8"))
    taking = {endpoint.function.__name__: f"{endpoint.method} {endpoint.path}" for endpoint in openapi.endpoints()}
    assert taking[sample.stem] == event["routeKey"]
