"""Which methods a path has, as the API document says: what a refusal tells of the path that was asked.

Read on the first refusal only; no other function pays for it.
"""

import re
from functools import cache

import orjson


@cache
def _public() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """(pattern, methods) of each path. Not of /internal: the public edge does not say what is there."""
    from gpubroker.console import pages  # every function imports this module, hardly one calls it

    document = orjson.loads(pages.page("openapi").text)
    return tuple(
        (
            re.compile("[^/]+".join(re.escape(fixed) for fixed in re.split(r"\{\w+\}", path))),
            tuple(sorted(method.upper() for method in operations)),
        )
        for path, operations in document["paths"].items()
        if not path.startswith("/internal/")
    )


def methods_at(path: str) -> tuple[str, ...]:
    """The methods of a path as it was asked (`/api/v2/rentals/ren_1`); none of one that leads nowhere."""
    return tuple(sorted({method for pattern, methods in _public() if pattern.fullmatch(path) for method in methods}))
