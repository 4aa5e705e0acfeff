"""Where discounts and promotions are kept. Who redeems a code is counted in the transaction that gives the discount."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.billing import facts
from gpubroker.billing.discounts.discount import Discount
from gpubroker.billing.discounts.items import (
    PROMOTIONS,
    DiscountItem,
    PromotionItem,
    discounts_pk,
    document_of,
)
from gpubroker.billing.discounts.promotion import Promotion
from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import Writes, transaction


class PromotionNotFound(NotFound):
    """There is no such code: guessing one and not being allowed to use it look the same."""

    code = "promotion-not-found"
    title = "There is no such promotion"

    @classmethod
    def of(cls, code: str) -> "PromotionNotFound":
        return cls(f"There is no promotion {code}.")


class PromotionExists(Conflict):
    code = "promotion-exists"
    title = "There is a promotion of this code already"


class PromotionOver(Conflict):
    code = "promotion-over"
    title = "This promotion has not begun, is over, or was redeemed as often as it can be"


class AlreadyRedeemed(Conflict):
    code = "promotion-already-redeemed"
    title = "This account has redeemed the promotion already"


class DiscountNotFound(NotFound):
    code = "discount-not-found"
    title = "There is no such discount"


@dataclass(frozen=True, slots=True)
class Redeemable:
    """A promotion, and how many accounts have redeemed it."""

    promotion: Promotion
    redemptions: int


@dataclass(frozen=True, slots=True)
class Held:
    """A discount of an account as it was read; `version` is the condition of its next write."""

    discount: Discount
    version: int


class Discounts:
    # ------------------------------------------------------------ promotions

    def create_promotion(
        self, promotion: Promotion, told: Event, *, idempotency: Idempotency | None, answer: dict[str, Any]
    ) -> None:
        """Raises PromotionExists, AlreadyDone."""
        exists = PromotionExists(f"There is a promotion {promotion.code} already.")
        with transaction(PromotionItem) as tx:
            stored.remember(tx, PromotionItem, idempotency, answer)
            tx.put(PromotionItem.of(promotion), condition=PromotionItem.pk.does_not_exist(), lost=exists)
            tx.put(outbox_item(PromotionItem, told, source=facts.SOURCE))

    def promotion(self, code: str) -> Redeemable:
        """One strongly consistent read. Raises PromotionNotFound."""
        try:
            return _redeemable(PromotionItem.get(PROMOTIONS, code, consistent_read=True))
        except DoesNotExist:
            raise PromotionNotFound.of(code) from None

    def promotions(self, limit: int, after: str | None) -> list[Redeemable]:
        """Promotions by their codes, after one."""
        condition = PromotionItem.sk > after if after else None
        found = PromotionItem.query(PROMOTIONS, condition, limit=limit, page_size=limit, consistent_read=True)
        return [_redeemable(item) for item in found]

    def close(self, promotion: Promotion, at: datetime, told: Event) -> None:
        """Let nobody redeem it any more. Raises PromotionOver when somebody closed it meanwhile."""
        with transaction(PromotionItem) as tx:
            tx.update(
                PromotionItem.of(promotion),
                actions=[
                    PromotionItem.promotion.set(document_of(replace(promotion, closed_at=at))),
                    PromotionItem.closed.set(1),
                ],
                condition=PromotionItem.pk.exists() & PromotionItem.closed.does_not_exist(),
                lost=PromotionOver,
            )
            tx.put(outbox_item(PromotionItem, told, source=facts.SOURCE))

    def redeem(
        self,
        account_id: str,
        promotion: Promotion,
        discount: Discount,
        *,
        idempotency: Idempotency | None,
        answer: dict[str, Any],
    ) -> None:
        """Give the account the discount and count it: both, or neither.

        Raises AlreadyRedeemed; PromotionOver when it was closed or the last one is gone; AlreadyDone.
        """
        condition = PromotionItem.pk.exists() & PromotionItem.closed.does_not_exist()
        if promotion.max_redemptions is not None:
            condition &= PromotionItem.redemptions < promotion.max_redemptions
        with transaction(PromotionItem) as tx:
            stored.remember(tx, PromotionItem, idempotency, answer)
            tx.put(
                DiscountItem.of(account_id, discount, 1),
                condition=DiscountItem.pk.does_not_exist(),
                lost=AlreadyRedeemed(f"{account_id} has redeemed {promotion.code} already."),
            )
            tx.update(
                PromotionItem.of(promotion),
                actions=[PromotionItem.redemptions.add(1)],
                condition=condition,
                lost=PromotionOver(f"{promotion.code} was redeemed as often as it can be, or was closed."),
            )

    # ------------------------------------------------------------ discounts of accounts

    def give(
        self,
        account_id: str,
        discount: Discount,
        told: Event,
        *,
        idempotency: Idempotency | None,
        answer: dict[str, Any],
    ) -> None:
        """Give an account a discount by hand. Raises AlreadyDone."""
        with transaction(PromotionItem) as tx:
            stored.remember(tx, PromotionItem, idempotency, answer)
            tx.put(DiscountItem.of(account_id, discount, 1), condition=DiscountItem.pk.does_not_exist())
            tx.put(outbox_item(PromotionItem, told, source=facts.SOURCE))

    def of(self, account_id: str, discount_id: str) -> Held:
        """Raises DiscountNotFound."""
        try:
            item = DiscountItem.get(discounts_pk(account_id), discount_id, consistent_read=True)
        except DoesNotExist:
            raise DiscountNotFound(f"There is no discount {discount_id}.") from None
        return Held(item.value(), int(item.version))

    def end(self, account_id: str, held: Held, at: datetime, told: Event) -> Discount:
        """Months that begin from `at` on do not have it any more. Raises StaleVersion."""
        after = replace(held.discount, ends_at=at)
        with transaction(PromotionItem) as tx:
            item = DiscountItem.of(account_id, after, held.version + 1)
            tx.put(item, condition=DiscountItem.version == held.version)
            tx.put(outbox_item(PromotionItem, told, source=facts.SOURCE))
        return after

    def all_of(self, account_id: str) -> list[Held]:
        """Every discount an account ever had, for `take_off` and for its owner."""
        found = DiscountItem.query(discounts_pk(account_id), consistent_read=True)
        return [Held(item.value(), int(item.version)) for item in found]

    def add_uses(self, tx: Writes, account_id: str, before: Sequence[Held], after: Sequence[Discount]) -> None:
        """Add to an invoice's transaction what its discounts took off, of all its months (discount.with_uses).

        before: as `all_of` gave them, in the same order. Lost to StaleVersion when another invoice used one of them
        meanwhile: read them and take off anew then. One write for each discount that took something off.
        """
        for held, used in zip(before, after, strict=True):
            if held.discount != used:
                item = DiscountItem.of(account_id, used, held.version + 1)
                tx.put(item, condition=DiscountItem.version == held.version)


def _redeemable(item: PromotionItem) -> Redeemable:
    return Redeemable(item.value(), int(item.redemptions))
