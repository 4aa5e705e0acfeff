"""The market for functions outside the VPC, which cannot reach Redis: memory above the table, and nothing between.

A look at the table is one BatchGetItem of the providers' states, at most every five seconds of a warm function, and the
listings of what changed since its last one.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from gpubroker.edge import cursors
from gpubroker.edge.inputs import validated
from gpubroker.edge.market import now
from gpubroker.kernel.caller import Caller
from gpubroker.offers import health, listing
from gpubroker.offers.market import MarketReader, TableTier
from gpubroker.offers.requests import PageFields
from gpubroker.offers.slugs import SLUGS


class TableMarket:
    """delivery.ports.Offers: pages as GET /api/v2/providers gives them."""

    def providers(self) -> Mapping[str, Any]:
        """How the providers are. Raises Unavailable."""
        return health.providers_health(_reader().current(), now())

    def offers(self, caller: Caller, filters: Mapping[str, Any]) -> Mapping[str, Any]:
        """One page. Raises Invalid, Forbidden for what the plan lacks, Unavailable."""
        PageFields.model_rebuild()
        raw = orjson.dumps(filters)
        wanted = validated(lambda: PageFields.model_validate_json(raw, strict=True))
        assert isinstance(wanted, PageFields)  # noqa: S101  that is what was built
        page: dict[str, Any] = orjson.loads(listing.page(_reader().current(), wanted, caller, cursors, now()))
        return page


@cache
def _reader() -> MarketReader:
    # Readers do not wake the sync from here: those of the HTTP API do.
    return MarketReader(TableTier(), TableTier(), SLUGS, lambda states, moment: None)
