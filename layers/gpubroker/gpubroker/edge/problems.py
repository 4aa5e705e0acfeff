"""Problem documents (RFC 9457): how each kind of failure is said over HTTP."""

from typing import Any

from gpubroker.kernel import errors

CONTENT_TYPE = "application/problem+json"


class NoSuchRoute(errors.NotFound):
    code = "no-such-route"
    title = "Nothing is served at this path"


class MethodNotAllowed(errors.Problem):
    code = "method-not-allowed"
    title = "This path takes other methods"


# Most particular first; a subclass in a context inherits its parent's status.
_STATUSES: tuple[tuple[type[errors.Problem], int], ...] = (
    (errors.Malformed, 400),
    (errors.Unauthenticated, 401),
    (errors.PaymentRequired, 402),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (MethodNotAllowed, 405),
    (errors.Conflict, 409),
    (errors.Gone, 410),
    (errors.TooLarge, 413),
    (errors.Invalid, 422),
    (errors.TooManyRequests, 429),
    (errors.Unavailable, 503),
    (errors.UpstreamTimeout, 504),
)

_TYPE_BASE = "/docs/problems#"


def status_of(problem: errors.Problem) -> int:
    """The HTTP status of a problem; 500 for one that no rule names."""
    for kind, status in _STATUSES:
        if isinstance(problem, kind):
            return status
    return 500


def document(problem: errors.Problem, *, status: int, instance: str) -> dict[str, Any]:
    """The body. `type` is stable, `errors` names each wrong field, `instance` is the request's id in our logs."""
    body: dict[str, Any] = {
        "type": _TYPE_BASE + problem.code,
        "title": problem.title,
        "status": status,
        "detail": problem.detail,
        "instance": instance,
    }
    if problem.fields:
        body["errors"] = [{"field": error.field, "message": error.message} for error in problem.fields]
    return body | {key: value for key, value in problem.extras.items() if value is not None}


class Fault(errors.Problem):
    """Ours: something nobody foresaw. The reader gets an id to quote, the log gets the rest."""

    code = "internal-error"
    title = "Something went wrong on our side"
