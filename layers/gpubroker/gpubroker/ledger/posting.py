"""The writes of the ledger: each adds to a transaction, with the condition that keeps the books right.

An account is only ever changed by adding to its sums, so no read comes before a write and no writer loses a race to
another: DynamoDB refuses what its condition refuses, and nothing else. Why it refused is read off the item that stood
in the way (storage/transaction.Told).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from gpubroker.kernel.events import Event
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import iso
from gpubroker.ledger.accounts import Kind, State, named
from gpubroker.ledger.holds import BudgetCharge, HeldFunds
from gpubroker.ledger.items import (
    AccountItem,
    BudgetItem,
    EntryItem,
    HoldIdItem,
    HoldItem,
    TransferItem,
)
from gpubroker.ledger.problems import (
    AccountClosed,
    AccountFrozen,
    AccountNotFound,
    BudgetExceeded,
    HoldChanged,
    HoldExists,
    InsufficientFunds,
    TransferExists,
)
from gpubroker.ledger.transfers import Movement, Receipt
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import Told, Writes


def post(tx: Writes, receipt: Receipt, moved: Mapping[str, Movement], fingerprint: str) -> None:
    """Write a transfer: itself, each account that it moves, their entries, and the fact."""
    tx.put(
        TransferItem.of(receipt, fingerprint),
        condition=TransferItem.pk.does_not_exist(),
        lost=TransferExists(f"The transfer {receipt.transfer_id} was made before."),
    )
    for movement in moved.values():
        move(tx, movement, at=receipt.at, posts=bool(movement.debit or movement.credit))
        if movement.debit or movement.credit:
            tx.put(_entry(receipt, movement), condition=EntryItem.pk.does_not_exist())
    if receipt.legs:
        tx.put(outbox_item(AccountItem, posted(receipt), source="ledger"))


def move(tx: Writes, movement: Movement, *, at: datetime, posts: bool = False) -> None:
    """Change one account's sums. Raises, when the transaction is committed, AccountNotFound, AccountFrozen,
    AccountClosed or InsufficientFunds."""
    pk, sk = AccountItem.key(movement.account_id)
    actions: list[Action] = [AccountItem.version.add(1)]
    for attribute, change in (
        (AccountItem.credits, movement.credit),
        (AccountItem.debits, movement.debit),
        (AccountItem.held, movement.held),
        (AccountItem.room, -movement.takes),
        (AccountItem.postings, int(posts)),
    ):
        if change:
            actions.append(attribute.add(change))
    if (movement.credit and not movement.kind.opened_on_purpose) or movement.kind is Kind.HOUSE:
        actions += opening(movement.account_id, movement.kind, at)
    tx.update(
        AccountItem(pk, sk),
        actions=actions,
        condition=_condition(movement),
        lost=Told(lambda item: why(movement, item)),
    )


def opening(account_id: str, kind: Kind, at: datetime) -> list[Action]:
    """What makes an account of an item, and changes nothing of one that is there."""
    return [
        AccountItem.kind.set(kind.value),
        AccountItem.state.set(AccountItem.state | State.OPEN.value),
        AccountItem.opened_at.set(AccountItem.opened_at | iso(at)),
        AccountItem.gsi1pk.set(AccountItem.register_shard(account_id)),
        AccountItem.gsi1sk.set(account_id),
    ]


def _condition(movement: Movement) -> Condition | None:
    if movement.kind is Kind.HOUSE:
        return None
    # What a credit opens may be unknown before; it stands open then.
    unknown = None if movement.kind.opened_on_purpose or not movement.credit else AccountItem.pk.does_not_exist()
    needed: list[Condition] = []
    if movement.new_debit and (movement.debit or movement.held > 0):
        needed.append(_either(unknown, AccountItem.state == State.OPEN.value))
    if movement.takes > 0 and not movement.overdraw:
        needed.append(AccountItem.room >= movement.takes)
    if movement.credit and not movement.owed:
        needed.append(_either(unknown, AccountItem.state != State.CLOSED.value))
    if unknown is None:
        needed.append(AccountItem.pk.exists())
    condition: Condition | None = None
    for one in needed:
        condition = one if condition is None else condition & one
    return condition


def _either(one: Condition | None, other: Condition) -> Condition:
    return other if one is None else one | other


def why(movement: Movement, item: Mapping[str, Any] | None) -> Exception:
    """What an account's refusal means, by the item that refused (DynamoDB's JSON)."""
    account_id = named(movement.account_id)
    if item is None:
        return AccountNotFound(f"There is no account {account_id}.")
    state = item.get("state", {}).get("S", State.OPEN.value)
    if state == State.CLOSED.value:
        return AccountClosed(f"The account {account_id} is closed.")
    if state == State.FROZEN.value and (movement.debit or movement.held > 0) and movement.new_debit:
        return AccountFrozen(f"The account {account_id} is frozen.")
    room = int(item.get("room", {}).get("N", "0"))
    refusal = InsufficientFunds(
        f"{movement.takes} micro-dollars are needed on {account_id}, {max(room, 0)} may be spent.",
        needed_micros=movement.takes,
        spendable_micros=max(room, 0),
    )
    refusal.account_id = account_id
    return refusal


def _entry(receipt: Receipt, movement: Movement) -> EntryItem:
    account_id = named(movement.account_id)
    body = {
        "legs": [[leg.debit, leg.credit, leg.amount] for leg in receipt.legs if account_id in (leg.debit, leg.credit)],
        "reference": dict(receipt.reference),
    }
    if receipt.reverses is not None:
        body["reverses"] = receipt.reverses
    if receipt.hold_id is not None:
        body["hold_id"] = receipt.hold_id
    return EntryItem(
        pk=EntryItem.partition(movement.account_id),
        sk=EntryItem.place(receipt.at, receipt.transfer_id),
        kind=receipt.kind,
        debit=movement.debit,
        credit=movement.credit,
        body=orjson.dumps(body).decode(),
    )


def posted(receipt: Receipt) -> Event:
    """The fact, whose id is made of the transfer's."""
    data: dict[str, Any] = {
        "transfer_id": receipt.transfer_id,
        "kind": receipt.kind,
        "legs": [{"debit": leg.debit, "credit": leg.credit, "amount_micros": leg.amount} for leg in receipt.legs],
        "reference": dict(receipt.reference),
        "at": iso(receipt.at),
    }
    if receipt.reverses is not None:
        data["reverses"] = receipt.reverses
    if receipt.hold_id is not None:
        data["hold_id"] = receipt.hold_id
    return Event(
        "TransferPosted",
        receipt.transfer_id,
        data,
        id=named_id("evt", "TransferPosted", receipt.transfer_id),
        occurred_at=receipt.at,
    )


def put_hold(tx: Writes, hold: HeldFunds, fingerprint: str) -> None:
    """Write a new hold and take its id for ever."""
    exists = HoldExists(f"The hold {hold.hold_id} was placed before.")
    tx.put(HoldIdItem.of(hold, fingerprint), condition=HoldIdItem.pk.does_not_exist(), lost=exists)
    tx.put(HoldItem.of(hold), condition=HoldItem.pk.does_not_exist(), lost=exists)


def save_hold(tx: Writes, before: HeldFunds, after: HeldFunds) -> None:
    """Write what became of a hold. Raises HoldChanged when another writer was first."""
    changed = HoldChanged(f"The hold {before.hold_id} was changed meanwhile.")
    tx.put(HoldItem.of(after), condition=HoldItem.version == before.version, lost=changed)


def count(tx: Writes, charges: Iterable[BudgetCharge], *, used: MicroUsd, spent: MicroUsd = 0) -> None:
    """Move the counters of budgets. Taking more is refused with BudgetExceeded past the limit; giving back never is."""
    for one in charges:
        if not used and not spent:
            continue
        refusal = BudgetExceeded(
            f"{used} micro-dollars are more than is left of the budget of {one.key} for {one.period}.",
            budget=one.key,
            period=one.period,
            limit_micros=one.limit,
        )
        condition: Condition | None = None
        if used > 0:
            condition = BudgetItem.used <= one.limit - used  # false where there is no counter yet
            if used <= one.limit:
                condition = BudgetItem.used.does_not_exist() | condition
        pk, sk = BudgetItem.key(one.key, one.period)
        actions: list[Action] = [BudgetItem.used.add(used)]
        if spent:
            actions.append(BudgetItem.spent.add(spent))
        tx.update(BudgetItem(pk, sk), actions=actions, condition=condition, lost=refusal)
