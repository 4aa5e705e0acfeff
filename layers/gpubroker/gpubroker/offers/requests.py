"""What may be asked of the market, field by field; one set of names for query strings and bodies.

The seed writes the same filter in several ways (`gpu` and `gpu_type`, `region` and `regions`): each is understood,
but only one of a pair may be given. Prices are USD per GPU-hour (DESIGN §7).
"""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from gpubroker.kernel.schemas import RequestModel, Usd
from gpubroker.offers.criteria import USUAL_ORIGIN
from gpubroker.offers.index import Sort

MAX_PER_PAGE = 100
MAX_QUERIES = 50
MAX_CANDIDATES = 1000

Name = Annotated[str, Field(min_length=1, max_length=64)]
AvailabilityName: TypeAlias = Literal["available", "limited", "unknown", "unavailable"]


def _several(value: object) -> object:
    """One of something is a list of one."""
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[Name, ...],
    Field(max_length=50),
    BeforeValidator(_several, json_schema_input_type=Name | list[Name]),
]
Availabilities = Annotated[
    tuple[AvailabilityName, ...],
    Field(max_length=4),
    BeforeValidator(_several, json_schema_input_type=AvailabilityName | list[AvailabilityName]),
]
OfferId = Annotated[str, Field(min_length=3, max_length=80, pattern=r"^[A-Za-z0-9_.:-]+$")]
Gigabytes = Annotated[float, Field(gt=0, le=100_000)]
Method: TypeAlias = Literal["topsis", "weighted_sum", "pareto"]
Normalisation: TypeAlias = Literal["vector", "minmax"]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]


class FilterFields(RequestModel):
    """Every filter there is. Lists are alternatives (none is no filter); of `compliance_tags` an offer needs all."""

    gpu: Names | None = Field(
        None,
        description="GPU model in any usual spelling; a memory size in it counts (A100 80GB), a form (SXM) does not",
        examples=["A100"],
    )
    gpu_type: Names | None = Field(None, description="the same as gpu")
    count: Annotated[int, Field(ge=1, le=64)] | None = Field(None, description="GPUs of the machine")
    gpu_count: Annotated[int, Field(ge=1, le=64)] | None = Field(None, description="the same as count")
    min_price: Usd | None = Field(None, description="USD per GPU-hour")
    max_price: Usd | None = Field(None, description="USD per GPU-hour")
    min_memory_gb: Gigabytes | None = Field(None, description="VRAM of one GPU, GB")
    max_memory_gb: Gigabytes | None = Field(None, description="VRAM of one GPU, GB")
    min_vram_gb: Gigabytes | None = Field(None, description="the same as min_memory_gb")
    max_vram_gb: Gigabytes | None = Field(None, description="the same as max_memory_gb")
    region: Names | None = Field(None, description='canonical region, or "us", "eu", "ap" for all of its parts')
    regions: Names | None = Field(None, description="the same as region")
    provider: Names | None = None
    providers: Names | None = Field(None, description="the same as provider")
    availability: Availabilities | None = None
    min_availability: AvailabilityName | None = Field(None, description="at least as good as this")
    compliance_tags: Names | None = Field(None, description="all of these", examples=[["soc2", "hipaa"]])
    spot: bool | None = Field(None, description="true: may be taken away; false: on demand")
    rentable: bool | None = Field(None, description="true: can be rented through this house")

    def key(self) -> tuple[Any, ...]:
        """Equal for equal requests."""
        return tuple(self.__dict__.values())


class PageFields(FilterFields):
    """Filters, an order, and a page by number or by cursor."""

    sort: Sort = Field("price", description="price: cheapest first; performance: fastest first; score: TOPSIS")
    page: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    per_page: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] | None = Field(None, description="the same as per_page")
    cursor: Annotated[str, Field(min_length=1, max_length=2048)] | None = Field(
        None, description="next_cursor of the page before"
    )


class BulkQuery(RequestModel):
    """Several queries in one request, each answered as if it were alone."""

    queries: Annotated[list[PageFields], Field(min_length=1, max_length=MAX_QUERIES)]


class CriterionWish(RequestModel):
    """How much a criterion counts, and which way; without a direction, its own (price and latency: less is better)."""

    weight: Weight
    direction: Literal["minimize", "maximize"] | None = None


class Criteria(RequestModel):
    price: CriterionWish | None = None
    performance: CriterionWish | None = None
    availability: CriterionWish | None = None
    latency: CriterionWish | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not any(wish.weight for wish in (self.price, self.performance, self.availability, self.latency) if wish):
            raise ValueError("at least one criterion needs a weight over 0")
        return self


class Decision(RequestModel):
    """Which of these offers. Without criteria, the usual ones with their usual weights."""

    candidates: Annotated[list[OfferId], Field(min_length=1, max_length=MAX_CANDIDATES)]
    criteria: Criteria | None = None
    method: Method = "topsis"
    normalization: Normalisation = "vector"
    origin: Name = Field(USUAL_ORIGIN, description="the caller's region: latency is measured from here")


class RankingFields(FilterFields):
    """Filters say what is ranked, `weights` how: `price:0.5,performance:0.3,latency:0.2`."""

    method: Method = "topsis"
    weights: Annotated[str, Field(max_length=200)] | None = Field(None, examples=["price:0.5,performance:0.5"])
    normalization: Normalisation = "vector"
    origin: Name = Field(USUAL_ORIGIN, description="the caller's region: latency is measured from here")
    limit: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] = Field(20, description="how many of the best to show")


class FavoriteRequest(RequestModel):
    offer_id: OfferId


class FavoritesPage(RequestModel):
    limit: Annotated[int, Field(ge=1, le=MAX_PER_PAGE)] = 20
    cursor: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
