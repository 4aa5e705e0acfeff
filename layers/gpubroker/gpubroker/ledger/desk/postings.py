"""Holds, captures and transfers for other services, as they are: the internal side of the book.

A body may name the id of what it makes; else the id is made of the Idempotency-Key. Either acts once for ever.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, Field
from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import micros
from gpubroker.kernel.schemas import RequestModel
from gpubroker.kernel.time import Clock
from gpubroker.ledger.amounts import Amount, Limit
from gpubroker.ledger.book import Book, Leg, NewHold, Transfer
from gpubroker.ledger.desk.requests import Currency
from gpubroker.ledger.desk.views import HoldView, TransferView
from gpubroker.ledger.items import HoldIdItem
from gpubroker.ledger.organizations.requests import UserId
from gpubroker.ledger.payers import Payers
from gpubroker.ledger.problems import HoldConflict, HoldNotFound, TransferConflict
from gpubroker.ledger.transfers import MOST_LEGS
from gpubroker.storage.idempotency import KeyReused

_Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^#\x00-\x20\x7f]+$")]
_Kind = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]*$", examples=["settlement"])]
_Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
References = Annotated[dict[_Id, _Text], Field(max_length=20, description='what it belongs to: {"rental_id": ...}')]


class HoldRequest(RequestModel):
    hold_id: _Id | None = Field(None, description="made of the Idempotency-Key by default")
    account_id: _Id
    amount: Amount
    currency: Currency = "USD"
    user_id: UserId | None = Field(
        None, description="the member of an organisation who spends: their budget counts too"
    )
    expires_at: AwareDatetime | None = Field(None, description="as good as voided from then on; never by default")
    reference: References = Field(default_factory=dict)


class CaptureTo(RequestModel):
    account_id: _Id
    amount: Amount


class CaptureRequest(RequestModel):
    """Post `amount` of what is held to the accounts of `to`, which add up to it; the rest is released."""

    amount: Limit
    currency: Currency = "USD"
    to: list[CaptureTo] = Field(default_factory=list, max_length=MOST_LEGS)


class LegRequest(RequestModel):
    debit: _Id
    credit: _Id
    amount: Amount


class TransferRequest(RequestModel):
    transfer_id: _Id | None = Field(None, description="made of the Idempotency-Key by default")
    kind: _Kind
    legs: list[LegRequest] = Field(min_length=1, max_length=MOST_LEGS)
    currency: Currency = "USD"
    reference: References = Field(default_factory=dict)


class PostingDesk:
    def __init__(self, *, book: Book, payers: Payers, clock: Clock):
        self._book, self._payers, self._clock = book, payers, clock

    def hold(self, wanted: HoldRequest, idempotency: Idempotency) -> HoldView:
        """Hold money, within the account's budget, and that of the member who spends where one is named.

        Raises AccountNotFound, Forbidden, AccountFrozen, AccountClosed, InsufficientFunds, BudgetExceeded,
        HoldConflict, KeyReused, Invalid.
        """
        now = self._clock()
        if wanted.expires_at is not None and wanted.expires_at <= now:
            raise Invalid.of("expires_at", "is over already")
        hold = NewHold(
            wanted.hold_id or _made("hld", idempotency),
            wanted.account_id,
            micros(wanted.amount),
            expires_at=_to_the_millisecond(wanted.expires_at),
            reference=wanted.reference,
            budget=self._payers.charges(wanted.account_id, wanted.user_id, now=now),
        )
        try:
            return HoldView.of(self._book.hold(hold))
        except HoldConflict as conflict:
            if wanted.hold_id is not None:
                raise
            raise KeyReused("Idempotency-Key: was used for another request") from conflict

    def hold_of(self, hold_id: str) -> HoldView:
        """Raises HoldNotFound."""
        return HoldView.of(self._book.held(hold_id, _account_of(hold_id)))

    def capture(self, hold_id: str, wanted: CaptureRequest, idempotency: Idempotency) -> TransferView:
        """Raises HoldNotFound, HoldResolved, HoldExpired, HoldExceeded, Invalid, KeyReused."""
        legs: dict[str, int] = {}
        for one in wanted.to:
            if one.account_id in legs:
                raise Invalid.of("to", f"names {one.account_id} twice")
            legs[one.account_id] = micros(one.amount)
        if sum((one.amount for one in wanted.to), Decimal(0)) != wanted.amount:
            raise Invalid.of("to", "must add up to amount")
        try:
            receipt = self._book.capture(
                hold_id, _account_of(hold_id), _made("cap", idempotency), micros(wanted.amount), legs
            )
        except TransferConflict as conflict:
            raise KeyReused("Idempotency-Key: was used for another request") from conflict
        return TransferView.of(receipt)

    def void(self, hold_id: str) -> HoldView:
        """Asking twice is harmless. Raises HoldNotFound, HoldResolved (it was captured)."""
        return HoldView.of(self._book.void(hold_id, _account_of(hold_id)))

    def transfer(self, wanted: TransferRequest, idempotency: Idempotency) -> TransferView:
        """Raises AccountNotFound, AccountFrozen, AccountClosed, InsufficientFunds, TransferConflict, KeyReused,
        Invalid."""
        transfer = Transfer(
            wanted.transfer_id or _made("trf", idempotency),
            wanted.kind,
            tuple(Leg(leg.debit, leg.credit, micros(leg.amount)) for leg in wanted.legs),
            wanted.reference,
        )
        try:
            return TransferView.of(self._book.transfer(transfer))
        except TransferConflict as conflict:
            if wanted.transfer_id is not None:
                raise
            raise KeyReused("Idempotency-Key: was used for another request") from conflict

    def transfer_of(self, transfer_id: str) -> TransferView:
        """Raises TransferNotFound."""
        return TransferView.of(self._book.receipt(transfer_id))


def _made(prefix: str, idempotency: Idempotency) -> str:
    return named_id(prefix, idempotency.tenant, idempotency.route, idempotency.key)


def _to_the_millisecond(moment: datetime | None) -> datetime | None:
    """As the book keeps it, so that the same request twice is the same hold."""
    return None if moment is None else moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _account_of(hold_id: str) -> str:
    """Whose hold an id is. Raises HoldNotFound."""
    try:
        return str(HoldIdItem.get(*HoldIdItem.key(hold_id), consistent_read=True).account_id)
    except DoesNotExist:
        raise HoldNotFound(f"There is no hold {hold_id}.") from None
