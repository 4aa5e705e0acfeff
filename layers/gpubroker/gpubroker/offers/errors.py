"""What can go wrong at a provider: a closed set, the same for price lists and for instances.

The class names are the contract: the state machines' Retry and Catch name them, a sync reports them, metrics count by
them. No message ever holds a key, a header or more than the first letters of an answer.
"""


class ProviderError(Exception):
    """Something went wrong at `provider`. `retry_after` is what the provider asked for, in seconds."""

    def __init__(self, provider: str, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{provider}: {detail}")
        self.provider = provider
        self.detail = detail
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        """Exceptions with keyword arguments do not pickle or copy by themselves."""
        return _rebuild, (type(self), self.provider, self.detail, self.retry_after)


def _rebuild(kind: type[ProviderError], provider: str, detail: str, retry_after: float | None) -> ProviderError:
    return kind(provider, detail, retry_after=retry_after)


class NoCapacity(ProviderError):
    """The provider has no such machine free, or the offer is gone. Another offer may do; the same one later."""


class BadCredentials(ProviderError):
    """The key is missing, wrong or lacks the right (401, 403). Retrying cannot help."""


class QuotaExceeded(ProviderError):
    """The account's limit, balance or quota says no. Retrying cannot help until a person acts."""


class RateLimited(ProviderError):
    """Too many requests (429). Nothing was done; retry after `retry_after` or with backoff."""


class InstanceGone(ProviderError):
    """The instance does not exist at the provider any more (or never did)."""


class ProviderUnavailable(ProviderError):
    """No answer, a timeout, a reset or a 5xx. For a create: it may have taken effect all the same, so find first."""


class UnknownAnswer(ProviderError):
    """An answer that this adapter cannot read or does not know: not JSON, truncated, too large, another shape or 4xx.

    For a create: it may have taken effect all the same, so find first.
    """
