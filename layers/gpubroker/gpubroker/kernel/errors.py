"""What can go wrong for a caller, without a word of HTTP: the edge knows which status each kind has.

`code` is stable and becomes the problem document's `type`; a subclass gives its own. `detail` is for people and
must hold no secret. Anything that is no `Problem` is a fault of ours and is answered as one.
"""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was wrong: its path (`criteria.price.weight`) and what was expected of it."""

    field: str
    message: str


class Problem(Exception):
    code: ClassVar[str] = "problem"
    title: ClassVar[str] = "The request could not be served"

    def __init__(
        self,
        detail: str = "",
        *,
        fields: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
        **extras: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.fields = fields
        self.retry_after = retry_after
        self.extras = extras


class Malformed(Problem):
    """Not even readable: broken JSON, NaN, a key given twice."""

    code = "malformed-request"
    title = "The request could not be read"


class Unauthenticated(Problem):
    code = "unauthenticated"
    title = "Valid credentials are needed"


class PaymentRequired(Problem):
    """The money for it is not there, or may not be spent on it."""

    code = "payment-required"
    title = "There is not enough money for this"


class Forbidden(Problem):
    code = "forbidden"
    title = "These credentials do not allow this"


class NotFound(Problem):
    """Absent, or another tenant's: the two look the same."""

    code = "not-found"
    title = "There is no such thing"


class Conflict(Problem):
    code = "conflict"
    title = "The present state does not allow this"


class Gone(Problem):
    code = "gone"
    title = "This is no longer there"


class TooLarge(Problem):
    code = "too-large"
    title = "The request is too large"


class Invalid(Problem):
    """Readable and wrong. `Invalid.of("max_price", "must be over 0")` names the field."""

    code = "invalid-request"
    title = "The request is not valid"

    @classmethod
    def of(cls, field: str, message: str) -> "Invalid":
        return cls(f"{field}: {message}", fields=(FieldError(field, message),))


class TooManyRequests(Problem):
    code = "rate-limited"
    title = "Too many requests"


class Unavailable(Problem):
    code = "temporarily-unavailable"
    title = "This cannot be served at the moment"


class UpstreamTimeout(Problem):
    code = "upstream-timeout"
    title = "A system behind this one did not answer in time"
