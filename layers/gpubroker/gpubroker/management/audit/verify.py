"""Whether the chains of the audit log are whole.

Each entry is hashed anew and must hold the hash of the one before it; none may be missing, and the last must be the one
that the head names. Anchors, entries that a verification leaves behind, name the heads of all chains: who cuts the end
off a chain, and mends its head, contradicts them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gpubroker.management.audit.entry import CHAINS, Entry, Event, Head, hash_of
from gpubroker.management.audit.log import AuditLog

ANCHOR = "AuditAnchored"
ANCHOR_SUBJECT = "audit"
ANCHOR_ACTOR = "gpubroker.audit"
"""No caller can be called so: they are `service:...` and `admin:...`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where."""

    chain: int
    sequence: int
    what: str


@dataclass(slots=True)
class Walk:
    """One chain, walked from an entry that is known to be right. Exhaust `entries`, then read what was found."""

    begin: Head
    findings: list[Finding] = field(default_factory=list)
    last: Head = field(init=False)
    checked: int = 0

    def __post_init__(self) -> None:
        self.last = self.begin

    def over(self, stored: Iterable[tuple[str, str, str]]) -> Iterator[tuple[Entry, str]]:
        """The entries of a chain as they are found to be: (entry, hash)."""
        for key, text, told in stored:
            expected, before = self.last.sequence + 1, self.last.hash
            found = hash_of(text)
            try:
                entry = Entry.of(text)
            except (ValueError, TypeError, KeyError):
                self._found(expected, f"the entry at {key} cannot be read")
                self.last = Head(self.begin.chain, expected, told, key.partition("#")[0])
                continue
            if found != told:
                self._found(entry.sequence, "the entry is not the one that was hashed")
            if entry.sequence != expected:
                self._found(expected, f"missing: after {self.last.sequence} comes {entry.sequence}")
            if entry.prev_hash != before:
                self._found(entry.sequence, "the entry before it is not the one that it was chained to")
            if (entry.key, entry.chain) != (key, self.begin.chain):
                self._found(
                    entry.sequence, f"the entry stands at {key} of chain {self.begin.chain} and not in its place"
                )
            self.checked += 1
            self.last = Head(self.begin.chain, entry.sequence, told, entry.recorded_at)
            yield entry, told

    def ends_at(self, head: Head) -> None:
        """Compare with the head that was read before the walk began: what came since stands after it."""
        if self.last.sequence < head.sequence:
            self._found(head.sequence, f"missing: the chain ends at {self.last.sequence}, its head is {head.sequence}")

    def _found(self, sequence: int, what: str) -> None:
        self.findings.append(Finding(self.begin.chain, sequence, what))


@dataclass(frozen=True, slots=True)
class Report:
    entries: int
    heads: tuple[Head, ...]
    findings: tuple[Finding, ...]


def verify(log: AuditLog, *, begin: Mapping[int, Head] | None = None) -> Report:
    """Walk all chains, from their first entries or from the given ones on. The heads are read first, so that writers
    need not stop. Memory grows with the number of anchors only."""
    heads = {chain: log.head(chain) for chain in range(CHAINS)}
    walks: list[Walk] = []
    claims: dict[tuple[int, str], str] = {}
    for chain, head in heads.items():
        walk = Walk((begin or {}).get(chain, Head(chain)))
        for entry, _ in walk.over(log.chain_after(walk.begin)):
            if entry.type == ANCHOR and entry.actor == ANCHOR_ACTOR:
                claims |= {(one["chain"], one["key"]): one["hash"] for one in entry.data["heads"]}
        walk.ends_at(head)
        walks.append(walk)
    findings = [finding for walk in walks for finding in walk.findings]
    findings += _contradicted(log, claims)
    return Report(sum(walk.checked for walk in walks), tuple(walk.last for walk in walks), tuple(findings))


def _contradicted(log: AuditLog, claims: Mapping[tuple[int, str], str]) -> Iterator[Finding]:
    """Anchors that name what is not there."""
    for (chain, key), told in claims.items():
        found = log.hash_at(chain, key)
        if found != told:
            what = "missing" if found is None else "not the same"
            yield Finding(chain, int(key.partition("#")[2]), f"{what}: an anchor names this entry")


def anchor(heads: Iterable[Head]) -> Event:
    """The entry that a verification leaves behind."""
    told = [{"chain": head.chain, "key": head.key, "hash": head.hash} for head in heads if head.sequence]
    return Event(ANCHOR, {"heads": told}, (ANCHOR_SUBJECT,), ANCHOR_ACTOR)


def verify_and_anchor(log: AuditLog, now: datetime) -> Report:
    """Go on where the last verification ended; where all is well, remember how far that is, and leave an anchor when
    anything was added since. Finds nothing in what was verified before: the command walks everything."""
    begin = {chain: log.checkpoint(chain) for chain in range(CHAINS)}
    report = verify(log, begin=begin)
    if report.findings:
        return report
    for head in report.heads:
        if head.sequence > begin[head.chain].sequence:
            log.keep_checkpoint(head)
    if report.entries:
        recorded = log.append(anchor(report.heads), now)
        # The anchor itself is no reason for the next one.
        head = Head(recorded.entry.chain, recorded.entry.sequence, recorded.hash, recorded.entry.recorded_at)
        if head.sequence == report.heads[head.chain].sequence + 1:
            log.keep_checkpoint(head)
    return report
