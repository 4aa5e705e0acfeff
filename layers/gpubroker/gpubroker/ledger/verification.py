"""The books are proved: the entries of every account are added up and compared with its sums (I1, I2).

Money goes on moving while this reads, so three things are compared:

- an account that did not change while its entries were read is exactly their sum, and holds exactly its active holds
- one that did change lies between what it was before and after: its credits, its debits and the number of its postings
  only ever grow, and the entries that were read are at least those before and at most those after
- entries older than a quarter of an hour are whole transfers (all sides of one have one moment), so that over all
  accounts their debits are their credits, to the micro-dollar

A piece of work is a shard of the register of accounts, and goes on where it stopped when its time is up: within one
account if need be.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel import deadline
from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.time import iso
from gpubroker.ledger.accounts import Kind
from gpubroker.ledger.holds import HoldState
from gpubroker.ledger.items import REGISTER, AccountItem, EntryItem, HoldItem
from gpubroker.storage.transaction import StaleVersion, transaction

SETTLED_AFTER = timedelta(minutes=15)
"""No transaction is on its way for longer: its function would have ended."""
QUIET = timedelta(days=30)
"""An escrow account that is empty and has been quiet for so long leaves the register; a new posting brings it back."""
MARGIN_S = 10.0
TRIES = 3
MOST_DIFFERENCES = 50
"""How many are told one by one; all are counted."""

_SUMS = ("credits", "debits", "held", "credit_limit", "room", "postings", "version")


@dataclass(frozen=True, slots=True)
class Difference:
    """What an account keeps of something, and what its entries and holds say."""

    account_id: str
    what: str
    kept: int
    folded: int


@dataclass(slots=True)
class Fold:
    """One account's entries as far as they were read; `before` are its sums when that began."""

    account_id: str
    before: dict[str, int]
    place: str | None = None
    credits: int = 0
    debits: int = 0
    postings: int = 0
    settled_credits: int = 0
    settled_debits: int = 0
    newest: str = ""


@dataclass(slots=True)
class Report:
    """What was found in a shard so far. `exact` accounts were still while they were read; the others lie between."""

    shard: int
    accounts: int = 0
    exact: int = 0
    postings: int = 0
    retired: int = 0
    settled_credits: int = 0
    settled_debits: int = 0
    wrong: int = 0
    differences: list[Difference] = field(default_factory=list)
    after: str | None = None
    unfinished: Fold | None = None
    done: bool = False

    def as_json(self) -> dict[str, Any]:
        """Sums that leave a JSON reader's 53 bits go as texts."""
        told = asdict(self)
        for name in ("settled_credits", "settled_debits"):
            told[name] = str(told[name])
        if self.unfinished is not None:
            told["unfinished"] = {name: _told(value) for name, value in told["unfinished"].items()}
        told["differences"] = [
            one | {"kept": str(one["kept"]), "folded": str(one["folded"])} for one in told["differences"]
        ]
        return told

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Report":
        report = cls(**told)
        report.settled_credits, report.settled_debits = int(report.settled_credits), int(report.settled_debits)
        report.differences = [
            Difference(one["account_id"], one["what"], int(one["kept"]), int(one["folded"]))
            for one in told["differences"]
        ]
        if unfinished := told["unfinished"]:
            numbers = {name: int(unfinished[name]) for name in _FOLDED}
            before = {name: int(value) for name, value in unfinished["before"].items()}
            report.unfinished = Fold(
                unfinished["account_id"], before, unfinished["place"], newest=unfinished["newest"], **numbers
            )
        return report


_FOLDED = ("credits", "debits", "postings", "settled_credits", "settled_debits")


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _told(one) for name, one in value.items()}
    return str(value) if isinstance(value, int) else value


def verify(report: Report, *, begun_at: datetime, left: Callable[[], float] = deadline.left) -> Report:
    """Go on with a shard until it is done or the time is nearly up: `report.done` says which.

    begun_at: when the whole verification began, one moment for all shards.
    """
    until = iso(begun_at - SETTLED_AFTER)
    for account_id in _registered(report):
        fold = report.unfinished or _begin(account_id)
        report.unfinished = None
        for attempt in range(TRIES):
            if not _read(fold, until, left):
                report.unfinished = fold
                return report
            differences, exact = _compare(fold)
            if exact or attempt + 1 == TRIES:
                break
            fold = _begin(account_id)
        _note(report, fold, differences, exact=exact)
        if exact and not differences:
            report.retired += _retire(fold, iso(begun_at - QUIET))
        report.after = account_id
        if left() < MARGIN_S:
            return report
    report.done = True
    return report


def differences_of(account_id: str) -> list[Difference]:
    """What is wrong with one account as it is kept; nothing with one that is not there."""
    try:
        fold = _begin(account_id)
    except DoesNotExist:
        return []
    _read(fold, "", lambda: math.inf)
    return _compare(fold)[0]


def mend(account_id: str) -> list[Difference]:
    """Make the sums of an account as it is kept what its entries and holds say; what was different.

    Raises StaleVersion where somebody used the account meanwhile, DoesNotExist where it is not there.
    """
    fold = _begin(account_id)
    _read(fold, "", lambda: math.inf)
    differences, _ = _compare(fold)
    held = _active_holds(account_id)
    if differences:
        with transaction(AccountItem) as tx:
            tx.update(
                AccountItem(*AccountItem.key(account_id)),
                actions=[
                    AccountItem.credits.set(fold.credits),
                    AccountItem.debits.set(fold.debits),
                    AccountItem.postings.set(fold.postings),
                    AccountItem.held.set(held),
                    AccountItem.room.set(fold.credits - fold.debits - held + fold.before["credit_limit"]),
                    AccountItem.version.add(1),
                ],
                condition=AccountItem.version == fold.before["version"],
            )
    return differences


def _registered(report: Report) -> Iterator[str]:
    """Account ids of a shard of the register, from where the report stands."""
    if report.unfinished is not None:
        yield report.unfinished.account_id
    condition = AccountItem.gsi1sk > report.after if report.after is not None else None
    for item in AccountItem.register.query(f"{REGISTER}#{report.shard}", condition):
        if report.after is None or item.gsi1sk > report.after:
            yield item.gsi1sk


def _begin(account_id: str) -> Fold:
    return Fold(account_id, _sums(account_id))


def _sums(account_id: str) -> dict[str, int]:
    item = AccountItem.get(*AccountItem.key(account_id), consistent_read=True)
    return {name: int(getattr(item, name) or 0) for name in _SUMS}


def _read(fold: Fold, until: str, left: Callable[[], float]) -> bool:
    """Add up the entries, from where the fold stands; whether that was finished in time.

    The client's own answers are read: making ten thousand models of a page would take ten times as long.
    """
    table = EntryItem._get_connection()
    partition = EntryItem.partition(fold.account_id)
    while True:
        start = None if fold.place is None else {"pk": {"S": partition}, "sk": {"S": fold.place}}
        page = table.query(
            partition, consistent_read=True, exclusive_start_key=start, attributes_to_get=["sk", "debit", "credit"]
        )
        for entry in page["Items"]:
            debit, credit, place = int(entry["debit"]["N"]), int(entry["credit"]["N"]), entry["sk"]["S"]
            fold.debits, fold.credits, fold.postings = fold.debits + debit, fold.credits + credit, fold.postings + 1
            if place < until:
                fold.settled_debits, fold.settled_credits = fold.settled_debits + debit, fold.settled_credits + credit
            fold.newest = place
        last = page.get("LastEvaluatedKey")
        if last is None:
            return True
        fold.place = last["sk"]["S"]
        if left() < MARGIN_S:
            return False


def _compare(fold: Fold) -> tuple[list[Difference], bool]:
    """What is wrong, and whether the account stood still while its entries were read."""
    held = _active_holds(fold.account_id)
    before, after = fold.before, _sums(fold.account_id)
    still = before["version"] == after["version"]
    differences = []
    for name in ("credits", "debits", "postings"):
        folded = getattr(fold, name)
        if not before[name] <= folded <= after[name]:
            differences.append(Difference(fold.account_id, name, after[name], folded))
    if still and held != after["held"]:
        differences.append(Difference(fold.account_id, "held", after["held"], held))
    room = after["credits"] - after["debits"] - after["held"] + after["credit_limit"]
    if room != after["room"]:
        differences.append(Difference(fold.account_id, "room", after["room"], room))
    return differences, still


def _active_holds(account_id: str) -> int:
    found = HoldItem.query(
        HoldItem.partition(account_id), filter_condition=HoldItem.state == HoldState.ACTIVE.value, consistent_read=True
    )
    return sum(int(item.amount) for item in found)


def _note(report: Report, fold: Fold, differences: list[Difference], *, exact: bool) -> None:
    report.accounts += 1
    report.exact += exact
    report.postings += fold.postings
    report.settled_credits += fold.settled_credits
    report.settled_debits += fold.settled_debits
    report.wrong += len(differences)
    report.differences = [*report.differences, *differences][:MOST_DIFFERENCES]


def _retire(fold: Fold, quiet_since: str) -> bool:
    """Take a finished escrow account off the register, unless somebody uses it just now.

    Its debits are its credits, so all others' still add up without it.
    """
    sums = fold.before
    finished = sums["credits"] == sums["debits"] and not sums["held"] and fold.postings
    if not fold.account_id.startswith(f"{Kind.ESCROW.value}:") or not finished or fold.newest > quiet_since:
        return False
    try:
        with transaction(AccountItem) as tx:
            tx.update(
                AccountItem(*AccountItem.key(fold.account_id)),
                actions=[AccountItem.gsi1pk.remove(), AccountItem.gsi1sk.remove()],
                condition=AccountItem.version == sums["version"],
            )
    except (StaleVersion, Unavailable):
        return False  # it stays on the register, and is asked again tomorrow
    return True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all shards say together. The books are right when `right`; `unread` shards could not be read."""

    accounts: int
    exact: int
    postings: int
    retired: int
    settled_credits: int
    settled_debits: int
    wrong: int
    unread: int
    differences: list[Difference]

    @property
    def unbalanced(self) -> int:
        """By how many micro-dollars debits and credits differ (only where all was read can they be compared)."""
        return 0 if self.unread else abs(self.settled_credits - self.settled_debits)

    @property
    def right(self) -> bool:
        return not self.wrong and not self.unbalanced and not self.unread


def conclude(reports: list[Report], *, shards: int) -> Verdict:
    finished = [report for report in reports if report.done]
    return Verdict(
        accounts=sum(report.accounts for report in reports),
        exact=sum(report.exact for report in reports),
        postings=sum(report.postings for report in reports),
        retired=sum(report.retired for report in reports),
        settled_credits=sum(report.settled_credits for report in reports),
        settled_debits=sum(report.settled_debits for report in reports),
        wrong=sum(report.wrong for report in reports),
        unread=shards - len(finished),
        differences=[one for report in reports for one in report.differences][:MOST_DIFFERENCES],
    )
