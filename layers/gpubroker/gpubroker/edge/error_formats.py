"""How failures are said on a surface: as problem documents, or as a surface's own documents say.

    handler = serve(router, errors=SUCCESS_FLAG)
    handler = refuse(errors={"/api/management/integration": SUCCESS_FLAG})

A format decides status, body and content type; headers (Retry-After, RateLimit, request id) are the same everywhere.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from gpubroker.edge import problems
from gpubroker.kernel.errors import Problem


class ErrorFormat(Protocol):
    """name: of its schema in the API document. instance: the request's id in our logs."""

    name: str
    content_type: str

    def status_of(self, problem: Problem) -> int: ...

    def document(self, problem: Problem, *, status: int, instance: str) -> dict[str, Any]: ...


class _ProblemDocument:
    """RFC 9457: everywhere but where a surface says otherwise."""

    name = "Problem"
    content_type = problems.CONTENT_TYPE

    def status_of(self, problem: Problem) -> int:
        return problems.status_of(problem)

    def document(self, problem: Problem, *, status: int, instance: str) -> dict[str, Any]:
        return problems.document(problem, status=status, instance=instance)


class _SuccessFlag:
    """`{"success": false, "error": "..."}`: the management tier's. What is wrong in a request is 400, readable or not;
    the text names the field."""

    name = "Failure"
    content_type = "application/json"

    def status_of(self, problem: Problem) -> int:
        status = problems.status_of(problem)
        return 400 if status == 422 else status

    def document(self, problem: Problem, *, status: int, instance: str) -> dict[str, Any]:
        return {"success": False, "error": problem.detail}


PROBLEM_DOCUMENT: ErrorFormat = _ProblemDocument()
SUCCESS_FLAG: ErrorFormat = _SuccessFlag()

Surfaces = Mapping[str, ErrorFormat]
"""A path, with all below it, and how failures are said there."""


def format_at(path: str, surfaces: Surfaces) -> ErrorFormat:
    """The format of a path; problem documents where no surface has it."""
    for prefix, errors in surfaces.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return errors
    return PROBLEM_DOCUMENT
