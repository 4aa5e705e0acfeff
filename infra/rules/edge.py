"""The edge says what infra/paths.yaml says: the same paths, in the same order, to the same contexts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.rules.templates import ROOT, Finding, load, name_of

EDGE = ROOT / "infra" / "edge.yaml"
TABLE = ROOT / "infra" / "paths.yaml"


def _behaviours(edge: Path) -> list[dict[str, Any]]:
    """Cache behaviours in their order; of one that stands under a condition, the one that is made."""
    config = load(edge)["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    return [behaviour.get("Fn::If", [None, behaviour])[1] for behaviour in config["CacheBehaviors"]]


def wanted(table: Path = TABLE) -> list[tuple[str, str]]:
    """(pattern, context) for each public path: one for the path itself and one for what is below it."""
    import yaml

    lines = yaml.safe_load(table.read_text(encoding="utf-8"))
    public = [line for line in lines if line["api"] == "public" and line["prefix"] != "/"]
    return [(pattern, line["context"]) for line in public for pattern in (line["prefix"], f"{line['prefix']}/*")]


def check(edge: Path = EDGE, table: Path = TABLE) -> Iterator[Finding]:
    found = [
        (behaviour["PathPattern"], behaviour["TargetOriginId"])
        for behaviour in _behaviours(edge)
        if behaviour["TargetOriginId"] != "websocket"
    ]
    expected = wanted(table)
    for pattern, context in expected:
        if (pattern, context) not in found:
            yield Finding(name_of(edge), f"does not lead {pattern} to {context}, as {name_of(table)} does")
    for pattern, context in found:
        if (pattern, context) not in expected:
            yield Finding(name_of(edge), f"leads {pattern} to {context}, unlike {name_of(table)}")
    if not set(found) ^ set(expected) and found != expected:
        yield Finding(name_of(edge), f"has the paths in another order than {name_of(table)}: the first match decides")
    for behaviour in _behaviours(edge):
        if str(behaviour["PathPattern"]).startswith("/internal"):
            yield Finding(name_of(edge), f"lets {behaviour['PathPattern']} in from the internet")
