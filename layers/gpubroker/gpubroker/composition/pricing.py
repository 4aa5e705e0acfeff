"""Price plans, discounts and credits with everything they need, and the prices of offers for other services."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from gpubroker.billing.accounts import Accounts
    from gpubroker.billing.credits.use_cases import CreditDesk
    from gpubroker.billing.discounts.use_cases import DiscountDesk
    from gpubroker.billing.plans.use_cases import PlanDesk
    from gpubroker.billing.pricing.ports import Listed, Past
    from gpubroker.billing.pricing.use_cases import PricingDesk
    from gpubroker.kernel.caller import Caller


@cache
def plan_desk() -> "PlanDesk":
    from gpubroker.billing.plans.store import Plans
    from gpubroker.billing.plans.use_cases import PlanDesk
    from gpubroker.kernel.time import utc_now

    return PlanDesk(plans=Plans(), accounts=billed_accounts(), clock=utc_now)


@cache
def discount_desk() -> "DiscountDesk":
    from gpubroker.billing.discounts.store import Discounts
    from gpubroker.billing.discounts.use_cases import DiscountDesk
    from gpubroker.kernel.time import utc_now

    return DiscountDesk(discounts=Discounts(), accounts=billed_accounts(), clock=utc_now)


@cache
def credit_desk() -> "CreditDesk":
    from gpubroker.billing.credits.store import Credits
    from gpubroker.billing.credits.use_cases import CreditDesk
    from gpubroker.kernel.time import utc_now

    return CreditDesk(credits=Credits(), accounts=billed_accounts(), clock=utc_now)


@cache
def billed_accounts() -> "Accounts":
    """Who may look at the bills of an account, and which accounts there are."""
    return _BilledAccounts()


class _BilledAccounts:
    """billing.accounts.Accounts over the users of identity and the organisations of the ledger."""

    def may_see(self, caller: "Caller", account_id: str) -> bool:
        from gpubroker.ledger.organizations.repository import Organizations
        from gpubroker.ledger.organizations.roles import Right

        if account_id == caller.tenant:
            return True
        member = Organizations().place_of(account_id, caller.tenant) if account_id.startswith("org_") else None
        return member is not None and member.may(Right.SEE)

    def exists(self, account_id: str) -> bool:
        from gpubroker.composition import accounts
        from gpubroker.ledger.organizations.organization import OrganizationNotFound
        from gpubroker.ledger.organizations.repository import Organizations

        if not account_id.startswith("org_"):
            return accounts.users().exists(account_id)
        try:
            Organizations().of(account_id)
        except OrganizationNotFound:
            return False
        return True


@cache
def pricing_desk() -> "PricingDesk":
    """What offers cost and cost before; reads the tables of offers and prices."""
    from gpubroker.billing.pricing.use_cases import PricingDesk
    from gpubroker.kernel.time import utc_now

    return PricingDesk(market=_Market(), clock=utc_now)


class _Market:
    """billing.pricing.ports.OfferMarket over the snapshot and the price history."""

    def listed(self, offer_id: str) -> "Listed | None":
        from gpubroker.billing.pricing.ports import Listed
        from gpubroker.composition import market
        from gpubroker.offers.offer import Availability

        offer = market.offer_lookup().offer(offer_id)
        if offer is None:
            return None
        return Listed(
            offer_id=offer.offer_id,
            provider=offer.provider,
            gpu_model=offer.gpu_model,
            gpu_count=offer.gpu_count,
            region=offer.region,
            spot=offer.spot,
            per_hour=offer.price_micros_per_hour,
            per_gpu_hour=offer.price_micros_per_gpu_hour,
            available=offer.availability is not Availability.UNAVAILABLE,
            rentable=offer.rentable and offer.price_micros_per_hour is not None,
            fetched_at=offer.fetched_at,
        )

    def past(self, listed: "Listed", since: "datetime", now: "datetime") -> "Past | None":
        from gpubroker.billing.pricing.ports import Past
        from gpubroker.prices.history.average import average_of
        from gpubroker.prices.history.reading import hours_of_offer

        found = average_of(hours_of_offer(listed.offer_id, listed.gpu_model, since, now))
        if found is None:
            return None
        return Past(found.price, found.low, found.high, found.hours, found.first, found.last)
