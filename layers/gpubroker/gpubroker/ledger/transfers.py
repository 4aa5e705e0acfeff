"""Transfers: their bodies, what they move, and how a part of one is taken back. Pure rules."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import MicroUsd
from gpubroker.ledger.accounts import Kind, is_id, kept_as, kind_of

LARGEST: MicroUsd = 10**18
"""A trillion dollars. Sums of many such stay far below the 38 digits of a number in DynamoDB."""

MOST_LEGS = 40
"""DynamoDB writes 100 items at once: two for each of at most 41 accounts, the transfer, its fact, and the caller's."""


MOST_REFERENCES = 16
LONGEST_TEXT = 256


@dataclass(frozen=True, slots=True)
class Leg:
    """`amount` micro-dollars (over 0) from the account `debit` to another, `credit`."""

    debit: str
    credit: str
    amount: MicroUsd


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that moves, all legs or none.

    transfer_id  acts once for ever
    kind         what it is to people: `deposit`, `deduction`, `settlement`, ...
    reference    what it belongs to: {"rental_id": ...}; plain texts
    """

    transfer_id: str
    kind: str
    legs: tuple[Leg, ...]
    reference: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transfer that was posted, as it is stored for ever.

    reverses  the transfer that this one takes back, wholly or in part
    hold_id   the hold that this one captured, and `released`, what the hold had kept beyond it
    """

    transfer_id: str
    kind: str
    legs: tuple[Leg, ...]
    reference: Mapping[str, str]
    at: datetime
    reverses: str | None = None
    hold_id: str | None = None
    released: MicroUsd = 0

    @property
    def amount(self) -> MicroUsd:
        """The sum of all legs."""
        return sum(leg.amount for leg in self.legs)


@dataclass(frozen=True, slots=True)
class Movement:
    """What one transaction does to one account, all its legs together (DynamoDB takes one action an item).

    held       the change of what is held there
    new_debit  whether the account must be open for it: false where what was held is settled
    owed       whether what is credited was owed before: it reaches a closed account too
    overdraw   whether it may leave less than nothing
    """

    account_id: str
    kind: Kind
    debit: MicroUsd = 0
    credit: MicroUsd = 0
    held: MicroUsd = 0
    new_debit: bool = True
    owed: bool = False
    overdraw: bool = False

    @property
    def takes(self) -> MicroUsd:
        """How much less there is to spend afterwards; negative where there is more."""
        return self.debit - self.credit + self.held


def check(transfer: Transfer) -> None:
    """Raises Invalid, which names the field, where a transfer could never be posted."""
    check_id("transfer_id", transfer.transfer_id)
    check_id("kind", transfer.kind)
    check_reference(transfer.reference)
    if not transfer.legs:
        raise Invalid.of("legs", "must not be empty")
    check_legs(transfer.legs)


def check_legs(legs: Sequence[Leg]) -> None:
    if len(legs) > MOST_LEGS:
        raise Invalid.of("legs", f"must be at most {MOST_LEGS}")
    for number, leg in enumerate(legs):
        check_amount(f"legs.{number}.amount", leg.amount, least=1)
        for side, account_id in (("debit", leg.debit), ("credit", leg.credit)):
            try:
                kind_of(account_id)
            except Invalid as error:
                raise Invalid.of(f"legs.{number}.{side}", error.fields[0].message) from None
        if leg.debit == leg.credit:
            raise Invalid.of(f"legs.{number}.credit", "must not be the account that is debited")


def check_amount(name: str, amount: Any, *, least: int = 0) -> None:
    """Raises Invalid unless an amount is a whole number of micro-dollars from `least` to a trillion dollars."""
    if type(amount) is not int or not least <= amount <= LARGEST:
        raise Invalid.of(name, f"must be a whole number of micro-dollars from {least} to {LARGEST}")


def check_id(name: str, value: str) -> None:
    if not is_id(value):
        raise Invalid.of(name, "must be 1 to 200 printable characters without #")


def check_reference(reference: Mapping[str, str]) -> None:
    """Raises Invalid unless it is a few short texts: it is kept with every entry, and goes out with the fact."""
    if len(reference) > MOST_REFERENCES:
        raise Invalid.of("reference", f"must be at most {MOST_REFERENCES} texts")
    for name, value in reference.items():
        check_text(f"reference.{name}", name)
        check_text(f"reference.{name}", value)


def check_text(name: str, value: Any) -> None:
    if type(value) is not str or len(value) > LONGEST_TEXT:
        raise Invalid.of(name, f"must be a text of at most {LONGEST_TEXT} characters")


def fingerprint(*parts: Any) -> str:
    """What tells two bodies under one id apart."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=_plain)).hexdigest()


def fingerprint_of(transfer: Transfer) -> str:
    return fingerprint("transfer", transfer.kind, transfer.legs, dict(transfer.reference))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"not plain: {value!r}")


def movements(transfer_id: str, legs: Iterable[Leg], *, reversal: bool = False) -> dict[str, Movement]:
    """What the legs do to each account that they touch, by the account it is kept in.

    A reversal may overdraw a seller: what was paid out to it is then owed by it (a receivable).
    """
    found: dict[str, Movement] = {}
    for leg in legs:
        owed = reversal or kind_of(leg.debit) is Kind.ESCROW
        _add(found, transfer_id, leg.debit, debit=leg.amount, reversal=reversal)
        _add(found, transfer_id, leg.credit, credit=leg.amount, reversal=reversal, owed=owed)
    return found


def _add(
    found: dict[str, Movement],
    transfer_id: str,
    account_id: str,
    *,
    debit: MicroUsd = 0,
    credit: MicroUsd = 0,
    reversal: bool,
    owed: bool = False,
) -> None:
    kept, kind = kept_as(account_id, transfer_id), kind_of(account_id)
    before = found.get(kept)
    overdraw = kind is Kind.HOUSE or (reversal and kind is Kind.SELLER)
    if before is None:
        found[kept] = Movement(kept, kind, debit, credit, owed=owed or not credit, overdraw=overdraw)
        return
    found[kept] = Movement(
        kept,
        kind,
        before.debit + debit,
        before.credit + credit,
        owed=before.owed and (owed or not credit),
        overdraw=overdraw,
    )


def taken_back(legs: Sequence[Leg], done: Sequence[MicroUsd], amount: MicroUsd | None) -> tuple[MicroUsd, ...]:
    """How much of each leg a reversal of `amount` takes back (None: all that is left), `done` having been so before.

    Rule: in proportion to what is left of each leg, rounded down; the micro-dollars that remain go to the first legs
    that have some left (Formance hands out allotments so). No leg is ever taken back beyond its amount.
    Raises ValueError where less is left, or amount is not over 0.
    """
    left = [leg.amount - before for leg, before in zip(legs, done, strict=True)]
    total = sum(left)
    wanted = total if amount is None else amount
    if not 0 < wanted <= total:
        raise ValueError(f"{wanted} of {total}")
    parts = [wanted * one // total for one in left]
    rest = wanted - sum(parts)
    for index, (part, one) in enumerate(zip(parts, left, strict=True)):
        more = min(rest, one - part)
        parts[index], rest = part + more, rest - more
    return tuple(parts)
