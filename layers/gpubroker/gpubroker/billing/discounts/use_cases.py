"""What administrators may do with discounts and promotions, and what accounts may: see theirs, redeem a code."""

from gpubroker.billing import facts
from gpubroker.billing.accounts import Accounts, known, seen
from gpubroker.billing.discounts.discount import Discount
from gpubroker.billing.discounts.items import PromotionItem
from gpubroker.billing.discounts.promotion import Promotion
from gpubroker.billing.discounts.requests import DiscountRequest, PromotionRequest, known_as
from gpubroker.billing.discounts.store import Discounts, PromotionOver, Redeemable
from gpubroker.billing.discounts.views import DiscountList, DiscountView, PromotionPage, PromotionView
from gpubroker.billing.once import once
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import Clock


class DiscountDesk:
    def __init__(self, *, discounts: Discounts, accounts: Accounts, clock: Clock):
        self._discounts, self._accounts, self._clock = discounts, accounts, clock

    # ------------------------------------------------------------ promotions

    def create_promotion(
        self, caller: Caller, wanted: PromotionRequest, idempotency: Idempotency | None
    ) -> PromotionView:
        """A new code. Raises Invalid, PromotionExists."""
        now = self._clock()
        promotion = Promotion(
            code=known_as(wanted.code),
            terms=wanted.terms(),
            starts_at=wanted.starts_at or now,
            ends_at=wanted.ends_at,
            created_at=now,
            name=wanted.name,
            max_redemptions=wanted.max_redemptions,
            created_by=caller.subject,
        )
        if promotion.ends_at is not None and promotion.ends_at <= max(now, promotion.starts_at):
            raise Invalid.of("ends_at", "must lie in the future, and come after starts_at")
        view = PromotionView.of(Redeemable(promotion, 0), now)
        told = facts.intervention(
            "promotion-created",
            promotion.code,
            by=caller.subject,
            reason=wanted.reason,
            after=view.model_dump(mode="json"),
            now=now,
        )

        def create() -> PromotionView:
            answer = view.model_dump(mode="json")
            self._discounts.create_promotion(promotion, told, idempotency=idempotency, answer=answer)
            return view

        return once(PromotionView, PromotionItem, idempotency, create)

    def promotions(self, limit: int, after: str | None) -> tuple[PromotionPage, str | None]:
        """One page and the code that the next begins after (None on the last)."""
        found, now = self._discounts.promotions(limit + 1, after), self._clock()
        shown = [PromotionView.of(one, now) for one in found[:limit]]
        return PromotionPage(promotions=shown, next_cursor=None), shown[-1].code if len(found) > limit else None

    def close(self, caller: Caller, code: str, reason: str | None) -> PromotionView:
        """Nobody redeems it any more; who did keeps the discount. Twice is harmless. Raises PromotionNotFound."""
        found, now = self._discounts.promotion(known_as(code)), self._clock()
        before = PromotionView.of(found, now)
        if found.promotion.closed_at is not None:
            return before
        told = facts.intervention(
            "promotion-closed",
            found.promotion.code,
            by=caller.subject,
            reason=reason,
            before=before.model_dump(mode="json"),
            now=now,
        )
        self._discounts.close(found.promotion, now, told)
        return PromotionView.of(self._discounts.promotion(found.promotion.code), now)

    def redeem(self, caller: Caller, code: str, idempotency: Idempotency | None) -> DiscountView:
        """Give the caller's account what the code promises, once.

        Raises PromotionNotFound, PromotionOver, AlreadyRedeemed."""
        account_id, now = caller.tenant, self._clock()

        def redeem() -> DiscountView:
            promotion = self._discounts.promotion(known_as(code)).promotion
            if not promotion.open(now):
                raise PromotionOver(f"{promotion.code} cannot be redeemed now.")
            discount = promotion.discount_for(account_id, now)
            view = DiscountView.of(account_id, discount)
            answer = view.model_dump(mode="json")
            self._discounts.redeem(account_id, promotion, discount, idempotency=idempotency, answer=answer)
            return view

        return once(DiscountView, PromotionItem, idempotency, redeem)

    # ------------------------------------------------------------ discounts of accounts

    def give(
        self, caller: Caller, account_id: str, wanted: DiscountRequest, idempotency: Idempotency | None
    ) -> DiscountView:
        """Give an account a discount by hand. Raises AccountNotFound, Invalid."""
        known(self._accounts, account_id)
        now = self._clock()
        discount = Discount(
            discount_id=new_id("dsc", now_ms=lambda: int(now.timestamp() * 1000)),
            terms=wanted.terms(),
            starts_at=wanted.starts_at or now,
            ends_at=wanted.ends_at,
            name=wanted.name,
        )
        if discount.ends_at is not None and discount.ends_at <= max(now, discount.starts_at):
            raise Invalid.of("ends_at", "must lie in the future, and come after starts_at")
        view = DiscountView.of(account_id, discount)
        answer = view.model_dump(mode="json")
        told = facts.intervention(
            "discount-given", account_id, by=caller.subject, reason=wanted.reason, after=answer, now=now
        )

        def give() -> DiscountView:
            self._discounts.give(account_id, discount, told, idempotency=idempotency, answer=answer)
            return view

        return once(DiscountView, PromotionItem, idempotency, give)

    def discounts_of(self, caller: Caller, account_id: str) -> DiscountList:
        """Every discount an account ever had. Raises AccountNotFound."""
        seen(self._accounts, caller, account_id)
        found = self._discounts.all_of(account_id)
        return DiscountList(discounts=[DiscountView.of(account_id, one.discount) for one in found])

    def end(self, caller: Caller, account_id: str, discount_id: str, reason: str | None) -> DiscountView:
        """End a discount with this month. Asking twice is harmless. Raises DiscountNotFound, StaleVersion."""
        held, now = self._discounts.of(account_id, discount_id), self._clock()
        before = DiscountView.of(account_id, held.discount)
        if held.discount.ends_at is not None and held.discount.ends_at <= now:
            return before
        told = facts.intervention(
            "discount-ended",
            account_id,
            by=caller.subject,
            reason=reason,
            before=before.model_dump(mode="json"),
            now=now,
        )
        return DiscountView.of(account_id, self._discounts.end(account_id, held, now, told))
