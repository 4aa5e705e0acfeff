"""Why work failed, from what Step Functions tells a Catch: {"Error": class name, "Cause": JSON of the exception}."""

import orjson

from gpubroker.rentals.rental import BilledBy, Failure

_TELLING = {
    "AccountClosed": "account-closed",
    "AccountFrozen": "account-frozen",
    "BudgetExceeded": "budget-exceeded",
    "CapReached": "spending-cap-reached",
    "InsufficientFunds": "insufficient-funds",
    "OfferNotAvailable": "offer-not-available",
    "OfferNotRentable": "offer-not-rentable",
    "PriceOverLimit": "price-over-limit",
}
"""Our own refusals: their messages are written for the customer."""

_PLAIN = {
    "NoCapacity": Failure("no-capacity", "The provider has none left of this offer."),
    "OfferGone": Failure("offer-not-available", "The offer vanished from its provider."),
    "QuotaExceeded": Failure("provider-quota", "Our quota at the provider does not allow another instance now."),
    "BadCredentials": Failure("provider-refused", "The provider did not accept our credentials."),
    "RateLimited": Failure("provider-busy", "The provider kept asking us to slow down."),
    "ProviderUnavailable": Failure("provider-unavailable", "The provider could not be reached."),
    "UnknownAnswer": Failure("provider-unavailable", "The provider gave an answer that we do not understand."),
    "CreateInFlight": Failure("provider-unavailable", "The provider did not say whether it made the instance."),
    "InstanceFailed": Failure("instance-failed", "The provider made an instance that does not run."),
    "BidTooLow": Failure("bid-too-low", "The price of this interruptible offer rose: its provider wants a higher bid."),
    "States.Timeout": Failure("timed-out", "The instance was not ready in time."),
}

_OWN_ACCOUNT = {
    "QuotaExceeded": Failure("provider-quota", "Your quota at the provider does not allow another instance now."),
    "BadCredentials": Failure("provider-refused", "The provider did not accept your key; save a good one."),
}
"""What reads otherwise where the account is the customer's own."""

STUCK = Failure("stuck", "The work on it stopped before it was done; it was undone.")


def of_task(error: dict[str, str], billed_by: BilledBy = "gpubroker") -> Failure:
    """A provider's own words stay in our logs; they may say more than a customer should read."""
    name = error.get("Error", "")
    if name in _TELLING:
        return Failure(_TELLING[name], _message(error.get("Cause", "")))
    if billed_by == "provider" and name in _OWN_ACCOUNT:
        return _OWN_ACCOUNT[name]
    return _PLAIN.get(name) or Failure("internal-error", "Something went wrong on our side.")


def error_of(failure: Failure) -> str:
    """The error name under which a waiting state of a workflow is told why its member did not come about."""
    return "PriceOverLimit" if failure.code == "price-over-limit" else "InstanceFailed"


def _message(cause: str) -> str:
    try:
        told = orjson.loads(cause)
    except orjson.JSONDecodeError:
        return cause[:300]
    return str(told.get("errorMessage", ""))[:300] if isinstance(told, dict) else ""
