"""The market as one process sees it: memory (L2), then Redis (L1), then the table (R2.1, R2.2).

A request finds an index in memory and at most every five seconds looks for newer parts: one Redis command when there
are none, two and the price of the changed buckets when there are. Redis away, or no longer written to: the table is
asked; both away: memory serves on (R2.6) and says how old it is. Nothing here writes.
"""

import logging
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.time import iso
from gpubroker.offers.index import BucketKey, OfferIndex
from gpubroker.offers.parts import UnknownFormat
from gpubroker.offers.state import PRICE_TTL_S, PartState

if TYPE_CHECKING:
    from redis import Redis

    from gpubroker.offers.parts import Stored

log = logging.getLogger(__name__)

CHECK_EVERY_S = 5.0
"""The most seconds that a newer snapshot stays unseen by a warm function (DESIGN §7)."""
AGAIN_S = 0.5
"""When a part was found half replaced."""
TABLE_EVERY_S = 30.0
"""How often the table is asked while Redis answers but nobody writes to it."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old each part is, at one second.

    tails      the end of every offer's JSON, by provider: when it was fetched, whether that is too long ago, and an
               empty list of other sources
    providers  the JSON list that every answer carries
    warnings   the JSON list of what a reader of the whole answer should know
    """

    tails: Mapping[str, bytes]
    providers: bytes
    warnings: bytes


@dataclass(slots=True)
class Market:
    """One snapshot: an index and the state of each part.

    providers  all that we know of, asked or not
    memo       answers that were given from this very snapshot (listing.py)
    """

    index: OfferIndex
    states: Mapping[str, PartState]
    providers: tuple[str, ...]
    ttl_s: float = PRICE_TTL_S
    memo: dict[Any, Any] = field(default_factory=dict)
    _at: int = -1
    _freshness: Freshness | None = None

    def freshness(self, now: float) -> Freshness:
        """Made at most once a second."""
        second = int(now)
        if self._freshness is None or second != self._at:
            self._freshness, self._at = self._fresh(now), second
        return self._freshness

    def part_views(self, now: float) -> list[dict[str, Any]]:
        """Each provider's part: offers in it, when it was fetched, whether that is too long ago, what came last."""
        return [_part_view(name, self.states.get(name), now, self.ttl_s) for name in self.providers]

    def _fresh(self, now: float) -> Freshness:
        views = self.part_views(now)
        warnings = []
        if all(view["stale"] for view in views):
            warnings.append("No provider has answered lately: these are the last offers that were seen.")
        elif not any(state.healthy for state in self.states.values()):  # R5.4, before anything is too old
            warnings.append("No provider answered when it was last asked: these are the last offers that were seen.")
        tails = {
            view["provider"]: b","
            + orjson.dumps({"fetched_at": view["fetched_at"], "stale": view["stale"], "other_sources": []})[1:]
            for view in views
        }
        return Freshness(tails, orjson.dumps(views), orjson.dumps(warnings))


def _tail(view: Mapping[str, Any]) -> bytes:
    told = {"fetched_at": view["fetched_at"], "stale": view["stale"], "other_sources": []}
    return b"," + orjson.dumps(told)[1:]


def _part_view(provider: str, state: PartState | None, now: float, ttl_s: float) -> dict[str, Any]:
    if state is None:
        state = PartState(provider=provider)
    fetched, age = state.fetched_at, state.age_s(now)
    return {
        "provider": provider,
        "offers": state.offers,
        "fetched_at": None if fetched is None else iso(datetime.fromtimestamp(fetched, UTC)),
        "age_seconds": None if age is None else round(age),
        "stale": state.stale(now, ttl_s),
        "missing": fetched is None,
        "status": state.outcome,
    }


class Source(Protocol):
    """A tier below memory. Both methods raise TierAway when it cannot be asked."""

    name: str

    def states(self, providers: Iterable[str]) -> Mapping[str, PartState]: ...

    def listings(self, wanted: Mapping[str, list[str]]) -> Mapping[str, Mapping[str, "Stored"]]: ...


class TierAway(Exception):
    """A tier of the cache does not answer."""


class RedisTier:
    """L1. `client` gives the process's Redis client, or None where there is none."""

    name = "redis"

    def __init__(self, client: "Callable[[], Redis | None]") -> None:
        self._client = client
        self._raw: dict[str, bytes] = {}
        self._parsed: dict[str, PartState] = {}

    def states(self, providers: Iterable[str]) -> Mapping[str, PartState]:
        raw = self._ask(lambda shared, client: shared.states_of(client))
        for provider, text in raw.items():
            if self._raw.get(provider) != text:
                self._raw[provider], self._parsed[provider] = text, PartState.from_json(text)
        return {provider: self._parsed[provider] for provider in raw}

    def listings(self, wanted: Mapping[str, list[str]]) -> Mapping[str, Mapping[str, "Stored"]]:
        found: Mapping[str, Mapping[str, Stored]] = self._ask(lambda shared, client: shared.listings_of(client, wanted))
        return found

    def _ask(self, question: "Callable[[Any, Redis], Any]") -> Any:
        client = self._client()
        if client is None:
            raise TierAway("no Redis here")
        from redis import RedisError

        from gpubroker.offers import shared

        try:
            return question(shared, client)
        except (RedisError, OSError) as error:
            raise TierAway(repr(error)) from error


class TableTier:
    """The truth behind L1, for when L1 is away or knows nothing."""

    name = "table"

    def states(self, providers: Iterable[str]) -> Mapping[str, PartState]:
        found: Mapping[str, PartState] = self._ask(lambda store: store.states_of(providers))
        return found

    def listings(self, wanted: Mapping[str, list[str]]) -> Mapping[str, Mapping[str, "Stored"]]:
        found: Mapping[str, Mapping[str, Stored]] = self._ask(
            lambda store: {provider: store.listings_of(provider, buckets) for provider, buckets in wanted.items()}
        )
        return found

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError
        from pynamodb.exceptions import PynamoDBException

        from gpubroker.offers import store

        try:
            return question(store)
        except (PynamoDBException, BotoCoreError, ClientError) as error:
            raise TierAway(repr(error)) from error


@dataclass(slots=True)
class MarketReader:
    """One for each process. Not for several threads at once: a Lambda serves one request at a time.

    cache, table  L1, and the truth behind it
    wish          is told the states at every check and asks for a refresh if one is due; it must not block
    """

    cache: Source
    table: Source
    providers: tuple[str, ...]
    wish: Callable[[Mapping[str, PartState], float], None]
    ttl_s: float = PRICE_TTL_S
    clock: Callable[[], float] = time.time
    _market: Market | None = None
    _check_at: float = 0.0
    _table_at: float = 0.0
    _away: set[str] = field(default_factory=set)

    def current(self) -> Market:
        """The newest market that this process can have. Raises Unavailable when there never was one."""
        now = self.clock()
        if now >= self._check_at:
            self._check(now)
        if self._market is None:
            raise Unavailable("No provider's offers have been read yet; they are being asked for.", retry_after=2)
        return self._market

    def _check(self, now: float) -> None:
        self._check_at = now + CHECK_EVERY_S
        answered = self._read(self.cache, now)
        if not (answered and self._moving(now)) and now >= self._table_at:
            self._table_at = now + (TABLE_EVERY_S if answered else CHECK_EVERY_S)
            self._read(self.table, now)
        self.wish(self._market.states if self._market else {}, now)

    def _moving(self, now: float) -> bool:
        """Whether the sync is seen at work in what we have: a healthy L1 is renewed every few seconds."""
        market = self._market
        return market is not None and any(now - state.checked_at <= self.ttl_s for state in market.states.values())

    def _read(self, tier: Source, now: float) -> bool:
        """Advance to what a tier knows; False when it knows nothing or does not answer."""
        try:
            states = tier.states(self.providers)
            if states:
                self._advance(states, tier, now)
        except (TierAway, LookupError, TypeError, ValueError, zlib.error) as error:  # away, or what it says is broken
            if tier.name not in self._away:
                self._away.add(tier.name)
                log.warning("%s does not answer: %r", tier.name, error)
            return False
        if tier.name in self._away:
            self._away.discard(tier.name)
            log.warning("%s answers again", tier.name)
        return bool(states)

    def _advance(self, states: Mapping[str, PartState], tier: Source, now: float) -> None:
        """To the newer ones of these states, with the buckets that they name; a part comes whole or not at all."""
        held = dict(self._market.states) if self._market else {}
        newer = {p: s for p, s in states.items() if p not in held or s.beat > held[p].beat}
        wanted = {}
        for provider, state in newer.items():
            had = held[provider].buckets if provider in held else {}
            wanted[provider] = [name for name, bucket in state.buckets.items() if had.get(name) != bucket]
        asked = {provider: names for provider, names in wanted.items() if names}
        found = tier.listings(asked) if asked else {}
        blobs: dict[BucketKey, bytes] = {}
        gone: list[BucketKey] = []
        for provider, state in newer.items():
            stored = found.get(provider, {})
            if any(
                name not in stored or stored[name].version != state.buckets[name].version for name in wanted[provider]
            ):
                self._check_at = now + AGAIN_S
                continue
            blobs |= {(provider, name): stored[name].listing for name in wanted[provider]}
            gone += [(provider, name) for name in (held[provider].buckets if provider in held else {})
                     if name not in state.buckets]  # fmt: skip
            held[provider] = state
        if not held:
            return
        index = self._market.index if self._market else OfferIndex.of({})
        if blobs or gone:
            try:
                index = index.changed(blobs, gone) if len(index) else OfferIndex.of(blobs)
            except UnknownFormat as error:  # written by another version of this house, which will not last
                log.warning("a listing of format %s is left aside", error)
                return
        self._market = Market(index, held, tuple(sorted({*self.providers, *held})), self.ttl_s)
