"""What is known of one provider's part of the snapshot: how fresh it is, and what the last attempt brought.

The state is the head of the part: it names the version of every bucket, so whoever holds the state and buckets of
just these versions has one whole part and not two halves.
"""

from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from typing import Any, Literal, Self, TypeAlias

import orjson

Outcome: TypeAlias = Literal["ok", "suspect", "failed", "skipped", "never"]

PRICE_TTL_S = 60.0
"""Seconds after which prices count as stale (R2.3); a function may be given another value."""

STATIC_TTL_S = 300.0
"""Seconds that what seldom changes stays in Redis without being renewed (R2.3)."""

REMEMBERED = 12
"""Transitions that a state remembers."""

FLAPPING_S = 600.0
FLAPPING = 4
"""So many changes between healthy and unhealthy in so many seconds are flapping: shown, not hidden."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """version: of the part when the bucket was last written; digest: of its offers, see parts.digest."""

    version: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """version     counts changes of the offers
    beat        counts writes of this state, which every write is conditional on: two syncs never mix
    fetched_at  epoch seconds of the last good answer; None before the first
    checked_at  epoch seconds of the last attempt
    took_s      how long the last good answer took: what a refresh costs
    outcome     ok; suspect (an answer too small to be believed at once); failed; skipped (circuit open); never (asked)
    error       class name of what went wrong, from offers/errors.py; `detail` says more, without secrets
    failures    attempts in a row that brought nothing; suspects: answers in a row that were not believed
    left_out    rows of the last answer that could not be read
    breaker     the circuit breaker's own memory, see sync.py
    circuit     closed, open or half_open
    weight      0.1 to 1, by how quickly the provider answers (resilience/balancer.py)
    rest_until  epoch seconds until which the provider asked to be left alone (Retry-After)
    transitions (epoch seconds, kind): when it last fell ill or got well and its circuit changed, the newest last
    """

    provider: str
    version: int = 0
    beat: int = 0
    fetched_at: float | None = None
    checked_at: float = 0.0
    took_s: float = 0.0
    outcome: Outcome = "never"
    error: str | None = None
    detail: str | None = None
    failures: int = 0
    suspects: int = 0
    offers: int = 0
    left_out: int = 0
    buckets: dict[str, Bucket] = field(default_factory=dict)
    breaker: dict[str, Any] = field(default_factory=dict)
    circuit: str = "closed"
    weight: float = 1.0
    rest_until: float = 0.0
    transitions: tuple[tuple[float, str], ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether the provider's last answer was one (R6.3: one failed check makes it unhealthy)."""
        return self.outcome in ("ok", "suspect")

    def age_s(self, now: float) -> float | None:
        return None if self.fetched_at is None else max(0.0, now - self.fetched_at)

    def stale(self, now: float, ttl_s: float = PRICE_TTL_S) -> bool:
        return self.fetched_at is None or now - self.fetched_at > ttl_s

    def next(self, **changes: Any) -> Self:
        """The state that the next write stores; what changed in it is remembered."""
        after = replace(self, beat=self.beat + 1, **changes)
        new = tuple((round(after.checked_at, 3), kind) for kind in transitions(self, after))
        return replace(after, transitions=(*self.transitions, *new)[-REMEMBERED:]) if new else after

    def flapping(self, now: float) -> bool:
        """Whether it keeps falling ill and getting well."""
        recent = [at for at, kind in self.transitions if kind in _HEALTH and now - at <= FLAPPING_S]
        return len(recent) >= FLAPPING

    def to_json(self) -> bytes:
        fields = asdict(self)
        fields["buckets"] = {name: [bucket.version, bucket.digest] for name, bucket in self.buckets.items()}
        return orjson.dumps({name: value for name, value in fields.items() if value not in (None, {}, (), 0)})

    @classmethod
    def from_json(cls, raw: bytes | str) -> Self:
        """Raises ValueError or TypeError on what is no state. Fields of a later version of this house are ignored."""
        told = orjson.loads(raw)
        fields = {name: told[name] for name in _FIELDS if name in told}
        fields["transitions"] = tuple((at, kind) for at, kind in fields.get("transitions", ()))
        fields["buckets"] = {name: Bucket(*told) for name, told in dict(fields.get("buckets", {})).items()}
        return cls(**fields)


_HEALTH = frozenset({"healthy", "unhealthy"})


def transitions(before: PartState, after: PartState) -> list[str]:
    """What changed: healthy, unhealthy, circuit_open, circuit_half_open, circuit_closed. A provider that was never
    asked before falls ill with its first failure, and does not get well with its first answer."""
    kinds = []
    if before.healthy != after.healthy if before.outcome != "never" else not after.healthy:
        kinds.append("healthy" if after.healthy else "unhealthy")
    if before.circuit != after.circuit:
        kinds.append(f"circuit_{after.circuit}")
    return kinds


_FIELDS = tuple(one.name for one in dataclass_fields(PartState))
