"""Models of the answers that handlers join from ready-made bytes, for the API document alone.

Functions never import these: a model is milliseconds of each cold start, and the warm path of the market makes none.
tests/contract holds every answer to its model here, so neither can drift.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[str, Field(description="RFC 3339, UTC")]
Price = Annotated[float, Field(description="USD per hour")]
CriterionName = Literal["price", "performance", "availability", "latency"]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Part(_Answer):
    """One provider's part of an answer: how many offers, how old, and what the last attempt brought."""

    provider: str
    offers: int
    fetched_at: Moment | None
    age_seconds: int | None
    stale: bool = Field(description="older than a minute")
    missing: bool = Field(description="has never answered")
    status: Literal["ok", "suspect", "failed", "skipped", "never"]


class Source(_Answer):
    """Another way to have the same machine: the cloud itself, or somebody who resells it."""

    offer_id: str
    provider: str
    source: str
    price_per_hour: Price | None
    price_micros_per_hour: int | None
    price_per_gpu_hour: Price | None
    price_micros_per_gpu_hour: int | None
    availability: Literal["available", "limited", "unknown", "unavailable"]
    rentable: bool
    stale: bool


class Offer(_Answer):
    """A machine that can be rented somewhere. What its provider does not say is null, never guessed."""

    offer_id: str
    provider: str
    cloud: str = Field(description="whose machine it is: the provider itself, or the cloud that it resells")
    provider_offer_id: str
    source: str = Field(description="the provider's call, or the dated table, that said so")
    gpu_model: str
    gpu_count: int
    vram_gb_per_gpu: int | None
    vcpus: float | None
    ram_gb: float | None
    disk_gb: float | None
    interconnect: str | None
    region: str | None
    native_region: str | None
    price_per_hour: Price | None = Field(description="USD per hour for the whole machine; null where none is told")
    price_micros_per_hour: int | None
    price_per_gpu_hour: Price | None
    price_micros_per_gpu_hour: int | None
    currency: str = Field(description="of native_price")
    native_price: str | None = Field(description="what the provider says per hour for the whole machine")
    exchange_rate: str | None = Field(description="USD for one unit of currency, where that is not USD")
    exchange_rate_as_of: str | None = Field(description="the day of that rate")
    spot: bool
    availability: Literal["available", "limited", "unknown", "unavailable"]
    availability_confidence: float
    reliability: float | None
    fp16_tflops: float | None = Field(description="dense FP16 TFLOPS of one GPU, from a dated table")
    memory_bandwidth_gb_s: float | None
    compliance_tags: list[str]
    rentable: bool
    score: float | None = Field(None, description="TOPSIS over the market, where that is the order")
    fetched_at: Moment
    stale: bool
    other_sources: list[Source] = Field(description="other ways to have the same machine, the best first")


class OfferWithSource(Offer):
    """One offer, and how fresh its provider's part is."""

    providers: list[Part]


class OfferPage(_Answer):
    """A page of the market, and how fresh each provider's part of it is."""

    offers: list[Offer]
    total: int
    page: int | None
    per_page: int
    next_cursor: str | None
    sort: Literal["price", "performance", "score"]
    providers: list[Part]
    warnings: list[str]


class BulkAnswer(_Answer):
    """One page for each query, in their order, of one snapshot."""

    results: list[OfferPage]


class CriterionUsed(_Answer):
    weight: float = Field(description="rescaled: all weights sum to 1")
    direction: Literal["minimize", "maximize"]
    unit: str


class CriterionTold(_Answer):
    """What a criterion gave: share is its part of the score, 0 to 1."""

    value: float | None
    missing: bool
    contribution: float
    share: float


class RankedOffer(_Answer):
    rank: int
    score: float
    on_front: bool | None = Field(None, description="of the Pareto front, for the method pareto")
    criteria: dict[CriterionName, CriterionTold]
    explanation: str
    offer_id: str
    offer: Offer


class Ranking(_Answer):
    """Offers in their order, and what made it."""

    method: Literal["topsis", "weighted_sum", "pareto"]
    normalization: Literal["vector", "minmax"]
    origin: str
    criteria: dict[CriterionName, CriterionUsed]
    weights_sum_given: float
    weights_rescaled: bool
    total: int
    missing_candidates: list[str] | None = Field(None, description="of a decision: those that left the market")
    assumed_filters: dict[str, str] | None = Field(None, description="of a ranking: filters nobody asked for")
    ranking: list[RankedOffer]
    providers: list[Part]
    warnings: list[str]


class Ring(_Answer):
    """The last calls that a circuit goes by."""

    successes: int
    failures: int
    opened: int = Field(description="how often it has opened")
    next_trial_at: Moment | None


class Transition(_Answer):
    at: Moment
    event: str = Field(description="healthy, unhealthy, circuit_open, circuit_closed or circuit_half_open")


class ProviderHealth(Part):
    healthy: bool
    flapping: bool = Field(description="four changes or more in ten minutes")
    weight: float = Field(description="1 usually; halved by each answer over 2 s, down to 0.1")
    circuit: Literal["closed", "open", "half_open"]
    breaker: Ring
    transitions: list[Transition]
    checked_at: Moment | None
    response_time_ms: int | None
    failures_in_a_row: int
    error: str | None
    rows_left_out: int


class HealthSummary(_Answer):
    healthy: int
    unhealthy: int
    stale: int
    flapping: int
    circuits: dict[Literal["closed", "open", "half_open"], int]
    offers: int


class ProvidersHealth(_Answer):
    """healthy: all providers; degraded: some; unhealthy: none."""

    status: Literal["healthy", "degraded", "unhealthy"]
    time: Moment
    summary: HealthSummary
    providers: list[ProviderHealth]


class GatewayHealth(_Answer):
    """As ProvidersHealth, with what the house itself depends on; 503 when there is no market to serve."""

    status: Literal["healthy", "degraded", "unhealthy"]
    time: Moment
    version: str
    dependencies: dict[str, Literal["ok", "away"]]
    summary: HealthSummary | None = None
    detail: str | None = None
    providers: list[ProviderHealth]


class ModelPrices(_Answer):
    offers: int
    min_price_per_gpu_hour: Price | None
    average_price_per_gpu_hour: Price | None
    max_price_per_gpu_hour: Price | None


class MarketStats(_Answer):
    provider_count: int
    offer_count: int
    average_price_per_gpu_hour: Price | None
    providers: list[Part]
    by_provider: dict[str, int]
    by_gpu_model: dict[str, ModelPrices]


class Favorite(_Answer):
    offer_id: str
    added_at: Moment


class FavoriteNow(Favorite):
    on_market: bool
    offer: Offer | None


class FavoritePage(_Answer):
    favorites: list[FavoriteNow]
    next_cursor: str | None
    providers: list[Part]


# Name of the handler's function -> what it answers.
ANSWERS: dict[str, Any] = {
    "add_favorite": Favorite,
    "bulk_query_offers": BulkAnswer,
    "decide_offers": Ranking,
    "get_health": GatewayHealth,
    "get_health_summary": ProvidersHealth,
    "get_metrics": str,
    "get_offer": OfferWithSource,
    "get_providers_health": ProvidersHealth,
    "get_stats": MarketStats,
    "list_favorites": FavoritePage,
    "list_offers": OfferPage,
    "query_offers": OfferPage,
    "rank_offers": Ranking,
}
# Further statuses with the same answer, and why.
ALSO: dict[str, dict[str, str]] = {
    "add_device": {"200": "It was a device already."},
    "add_payment_method": {"200": "It was kept already."},
    "add_favorite": {"200": "It was a favourite already."},
    "get_health": {"503": "There is no market to serve."},
}
CONTENT_TYPES = {
    "get_metrics": "text/plain",
    "get_invoice_pdf": "application/pdf",
    "get_invoice_csv": "text/csv",
}
# Answers that also come as a table, where Accept wants it more.
TABLES = {"get_price_history"}
# 202 that says "taken": there is nothing to come back for.
TAKEN = {"record_events", "request_invoice_run", "refund_payment"}
