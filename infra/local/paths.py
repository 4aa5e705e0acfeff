"""The path table `infra/paths.yaml`: which context's API answers a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

TABLE = Path(__file__).resolve().parent.parent / "paths.yaml"


@dataclass(frozen=True)
class Route:
    """One line of the table."""

    prefix: str
    context: str
    api: str

    def matches(self, path: str) -> bool:
        return self.prefix == "/" or path == self.prefix or path.startswith(self.prefix + "/")


def read(table: Path = TABLE) -> list[Route]:
    """The table in its order. Raises ValueError for a line that no request could reach or nobody could answer."""
    routes = [Route(**line) for line in yaml.safe_load(table.read_text(encoding="utf-8"))]
    for position, route in enumerate(routes):
        if not route.prefix.startswith("/") or (route.prefix != "/" and route.prefix.endswith("/")):
            raise ValueError(f"{table}: {route.prefix!r} must begin with / and not end with it")
        if route.api not in ("public", "internal"):
            raise ValueError(f"{table}: {route.prefix} has api {route.api!r}; public and internal exist")
        if any(earlier.matches(route.prefix) for earlier in routes[:position]):
            raise ValueError(f"{table}: {route.prefix} stands behind a prefix that matches it already")
    return routes


def find(routes: list[Route], path: str) -> Route | None:
    """The first route that matches."""
    return next((route for route in routes if route.matches(path)), None)
