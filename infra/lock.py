"""`python -m infra.lock`: pin what the layer ships to what this environment has, and so to what the tests ran with.

Writes layers/gpubroker/constraints.txt: every distribution that the runtime dependencies of pyproject.toml need (what
the layer takes bare needs none), with its installed version. The layer's build obeys it; so does the project's own
environment where pip is given `-c`.
"""

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "layers" / "gpubroker" / "constraints.txt"
HEADER = "# Written by `python -m infra.lock` from a tested environment; pip reads it with -c.\n"


def _needs(requirement: Requirement) -> Iterator[Requirement]:
    """What an installed distribution needs in turn, with the extras that were asked for."""
    for text in metadata.requires(requirement.name) or []:
        need = Requirement(text)
        extras = requirement.extras or {""}
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
            yield need


def closure() -> dict[str, str]:
    """Canonical name -> installed version, of the runtime dependencies and all that they need."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    bare = set(told["tool"]["gpubroker"]["layer"]["bare"])
    waiting = [Requirement(text) for text in told["project"]["dependencies"]]
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        versions[name] = metadata.version(name)
        if name not in bare:
            waiting.extend(_needs(requirement))
    return dict(sorted(versions.items()))


def main() -> None:
    lines = [f"{name}=={version}\n" for name, version in closure().items()]
    CONSTRAINTS.write_text(HEADER + "".join(lines))
    sys.stdout.write(f"{CONSTRAINTS.relative_to(ROOT)}: {len(lines)} distributions\n")


if __name__ == "__main__":
    main()
