"""Accounts: which kinds there are, what each may do, and what a reader sees of one.

    usr_...         user           org_...   organisation     opened on purpose (Book.open), never by a wrong id
    seller:<name>   seller         escrow:<order id>          opened by the first credit that names them
    house:<name>    the house      opened likewise; kept as sixteen sub-accounts, picked by a hash of the transfer's id

A balance is credits less debits; `available` is the balance less what is held. `house:clearing` is the outside world
(banks, card processors): it and the other house accounts may be negative, nobody else beyond a credit limit.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.money import MicroUsd

CURRENCY = "USD"
HOUSE_SHARDS = 16
LONGEST_ID = 200

FEES = "house:fees"
CLEARING = "house:clearing"
CREDITS = "house:credits"
ADJUSTMENTS = "house:adjustments"
RECEIVABLES = "house:receivables"
HOUSE_ACCOUNTS = (FEES, CLEARING, CREDITS, ADJUSTMENTS, RECEIVABLES)


class Kind(StrEnum):
    USER = "user"
    ORGANIZATION = "organization"
    SELLER = "seller"
    ESCROW = "escrow"
    HOUSE = "house"

    @property
    def opened_on_purpose(self) -> bool:
        """Whether a credit to an unknown account of this kind is refused rather than opening it."""
        return self in (Kind.USER, Kind.ORGANIZATION)


class State(StrEnum):
    OPEN = "open"
    FROZEN = "frozen"
    """No new holds and debits; what is held is settled, credits arrive."""
    CLOSED = "closed"
    """As frozen, and no credits but what was owed already: settlements and refunds."""


_PREFIXES = (
    ("usr_", Kind.USER),
    ("org_", Kind.ORGANIZATION),
    ("seller:", Kind.SELLER),
    ("escrow:", Kind.ESCROW),
    ("house:", Kind.HOUSE),
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is kept, all of one moment. Amounts are micro-dollars.

    credits, debits  what was ever posted on either side; the balance is their difference
    held             what active holds keep (those past their end count until they are swept)
    postings         how many entries the account has
    """

    account_id: str
    kind: Kind
    state: State
    credits: MicroUsd
    debits: MicroUsd
    held: MicroUsd
    credit_limit: MicroUsd
    postings: int
    version: int
    opened_at: datetime

    @property
    def posted(self) -> MicroUsd:
        return self.credits - self.debits


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has, in micro-dollars; `available` = `posted` - `held`, at least -`credit_limit` whenever a
    hold or a debit is let through."""

    account_id: str
    posted: MicroUsd
    held: MicroUsd
    available: MicroUsd
    credit_limit: MicroUsd
    currency: str = CURRENCY

    @property
    def spendable(self) -> MicroUsd:
        """What may be held or spent now: `available` and the credit limit; never negative."""
        return max(0, self.available + self.credit_limit)


def kind_of(account_id: str) -> Kind:
    """The kind that an account id names. Raises Invalid where it is none."""
    for prefix, kind in _PREFIXES:
        if account_id.startswith(prefix) and len(account_id) > len(prefix) and is_id(account_id):
            if kind is Kind.HOUSE and "/" in account_id:
                break  # a shard is nobody's account
            return kind
    raise Invalid.of("account_id", "must be a user, an organization, a seller, an escrow or a house account")


def is_id(text: str) -> bool:
    """Whether a text may be an id here: it becomes part of a key, whose parts `#` divides."""
    return 0 < len(text) <= LONGEST_ID and text.isprintable() and "#" not in text


def kept_as(account_id: str, transfer_id: str) -> str:
    """The account that a transfer's posting is kept in: the account itself, or one of a house account's shards.

    A house account takes part in nearly every transfer; one item takes a few hundred transactions a second.
    """
    if kind_of(account_id) is not Kind.HOUSE:
        return account_id
    return f"{account_id}/{zlib.crc32(transfer_id.encode()) % HOUSE_SHARDS}"


def shards_of(account_id: str) -> Iterator[str]:
    """All accounts that an account is kept in."""
    if kind_of(account_id) is not Kind.HOUSE:
        yield account_id
        return
    for number in range(HOUSE_SHARDS):
        yield f"{account_id}/{number}"


def named(kept: str) -> str:
    """The account of which `kept` is a shard, or which it is."""
    return kept.partition("/")[0] if kept.startswith("house:") else kept
