"""The templates of the house: read, joined and translated from SAM to CloudFormation, once per process."""

import json
import logging
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROOT_TEMPLATE = ROOT / "template.yaml"

# What a translation needs in place of code that has not been uploaded.
_UPLOADED = "s3://artifacts/object"
_UPLOADED_TEMPLATE = "https://artifacts.s3.amazonaws.com/object.template"

# Managed policies that SAM attaches by name; their ARNs are the same in every account.
_MANAGED = {
    name: f"arn:aws:iam::aws:policy/{path}{name}"
    for name, path in {
        "AWSLambdaBasicExecutionRole": "service-role/",
        "AWSLambdaVPCAccessExecutionRole": "service-role/",
        "AWSLambdaDynamoDBExecutionRole": "service-role/",
        "AWSLambdaKinesisExecutionRole": "service-role/",
        "AWSLambdaSQSQueueExecutionRole": "service-role/",
        "AWSXRayDaemonWriteAccess": "",
        "AWSXrayWriteOnlyAccess": "",
    }.items()
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """A rule that something does not keep: where, and what to do about it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def all_templates() -> list[Path]:
    """The root and every context's template. A template is a YAML file with Resources: paths.yaml is none."""
    contexts = [path for path in sorted((ROOT / "infra").glob("*.yaml")) if "Resources" in load(path)]
    return [ROOT_TEMPLATE, *contexts]


def name_of(path: Path) -> str:
    """How a finding calls a file."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


@cache
def load(path: Path) -> Json:
    """A template as written, its short forms (`!Ref x`) spelled out. Not to be changed by the reader."""
    from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

    loaded = yaml_parse(path.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}


def resources(path: Path, kind: str | None = None) -> dict[str, Json]:
    """Logical id -> resource as written; of one type where `kind` is given."""
    found = load(path)["Resources"]
    return {name: resource for name, resource in found.items() if kind in (None, resource["Type"])}


def functions(path: Path) -> dict[str, Json]:
    """Logical id -> properties of each function, with what Globals adds to every one of them."""
    shared = load(path).get("Globals", {}).get("Function", {})
    return {
        name: _merged(shared, resource.get("Properties", {}))
        for name, resource in resources(path, "AWS::Serverless::Function").items()
    }


def _merged(shared: Any, own: Any) -> Any:
    """SAM's own rule for Globals: maps are merged, lists are joined, anything else is the function's."""
    if isinstance(shared, dict) and isinstance(own, dict):
        return {key: _merged(shared.get(key), own.get(key)) for key in [*shared, *(k for k in own if k not in shared)]}
    if isinstance(shared, list) and isinstance(own, list):
        return shared + own
    return shared if own is None else own


def state_machine_files(path: Path) -> dict[str, Path]:
    """Logical id -> the definition file of each state machine of a template."""
    return {
        name: (path.parent / resource["Properties"]["DefinitionUri"]).resolve()
        for name, resource in resources(path, "AWS::Serverless::StateMachine").items()
    }


@cache
def translated(path: Path) -> Json:
    """The CloudFormation that SAM makes of a template. Raises InvalidDocumentException as SAM does."""
    from boto3 import Session
    from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
    from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

    # Its usage metrics go nowhere, and it warns about that for each template.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    template = deepcopy(load(path))
    _pretend_uploaded(template, path)
    translator = Translator(_MANAGED, Parser(), boto_session=Session(region_name="us-east-1"))
    return json.loads(json.dumps(translator.translate(template, {})))  # type: ignore[no-any-return]


def _pretend_uploaded(template: Json, path: Path) -> None:
    shared = template.get("Globals", {}).get("Function", {})
    if "CodeUri" in shared:
        shared["CodeUri"] = _UPLOADED
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function" if "CodeUri" in properties:
                properties["CodeUri"] = _UPLOADED
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = _UPLOADED
            case "AWS::Serverless::Application":
                properties["Location"] = _UPLOADED_TEMPLATE
            case "AWS::Serverless::StateMachine" if "DefinitionUri" in properties:
                # In the template itself, so that linters see the states.
                properties["Definition"] = definition(path.parent / properties.pop("DefinitionUri"))


@cache
def _parsed(path: Path) -> Json:
    import yaml

    parsed = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(parsed, dict):
        raise TypeError(f"{path} is no state machine")
    return parsed


def definition(path: Path) -> Json:
    """A state machine's definition as written, `${Substitutions}` included."""
    return deepcopy(_parsed(path.resolve()))


def strings(value: Any) -> Iterator[str]:
    """Every string in a nested value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
