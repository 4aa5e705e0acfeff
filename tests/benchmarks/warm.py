"""A warm list function with everything around it: Redis with a snapshot, verified callers, the handler."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from gpubroker.edge import market as edge_market
from gpubroker.edge.redis_client import connect
from gpubroker.kernel.caller import Plan
from gpubroker.offers.market import MarketReader, RedisTier, TableTier
from gpubroker.offers.offer import Offer
from gpubroker.offers.slugs import SLUGS
from tests.benchmarks import calls, market
from tests.benchmarks.harness import Call

CALLERS = {Plan.PRO: 300, Plan.ENTERPRISE: 30}
"""So many that each stays under the 100 or 1,000 requests a second of its plan however fast the answers come."""
IN_A_ROW = 10
"""Requests of one caller before the next one's turn, as of somebody who turns pages: what a short lease is for."""

Serve = Callable[[Any, Any], Any]


class Snapshot:
    """Some offers in a Redis database, and the reader of a function that uses it."""

    def __init__(self, url: str, offers: list[Offer]) -> None:
        buckets = market.by_bucket(offers)
        sizes = {key: len(members) for key, members in buckets.items()}
        self._published = market.Published(connect(url, 30.0), market.listings(buckets), sizes)
        self._published.beat(time.time())
        client = connect(url, 5.0)
        self.reader = MarketReader(RedisTier(lambda: client), TableTier(), SLUGS, lambda states, now: None)
        self.reader.current()

    def renew(self) -> None:
        """A sync has been: the same offers, fresh again."""
        self._published.beat(time.time())


class Warm:
    """The list function in this process. Import it only after `calls.be_a_function`."""

    def __init__(self, plan: Plan) -> None:
        from gpubroker.composition import identity as composition
        from offers.list_offers import handler

        self.handler = handler
        self.callers = calls.Callers(CALLERS[plan], plan)
        self.context = calls.Context()
        self._turn: Iterator[int] = itertools.cycle(n for n in range(CALLERS[plan]) for _ in range(IN_A_ROW))
        composition.verifier = lambda: self.callers.verifier  # type: ignore[assignment]

    def use(self, snapshot: Snapshot) -> None:
        edge_market.reader = lambda: snapshot.reader  # type: ignore[assignment]

    def event(self, query: str) -> dict[str, Any]:
        """A request of the caller whose turn it is."""
        number = next(self._turn)
        return calls.event(query, token=self.callers.tokens[number], address=calls.address_of(number))

    def body(self, query: str, serve: Serve | None = None) -> Any:
        return calls.body_of((serve or self.handler)(self.event(query), self.context))

    def requests(self, queries: Sequence[str], serve: Serve | None = None) -> list[Call]:
        """One call for each query. An answer that is not 200 ends the run."""
        return self.calls([self.event(query) for query in queries], serve)

    def calls(self, events: Sequence[dict[str, Any]], serve: Serve | None = None) -> list[Call]:
        """The same for events that are made already."""
        return [partial(self._once, serve or self.handler, event) for event in events]

    def _once(self, serve: Serve, event: dict[str, Any]) -> None:
        response = serve(event, self.context)
        if response["statusCode"] != 200:
            raise AssertionError(f"{event['rawQueryString']}: {response['statusCode']}: {response['body'][:300]}")
