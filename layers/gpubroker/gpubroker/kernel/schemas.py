"""The two kinds of model that stand at the edge: what comes in and what goes out."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo


class RequestModel(BaseModel):
    """A request body or a set of query parameters: unknown fields, NaN and infinity are refused (DESIGN §3).

    Its validator is made by the function that serves it, when its route is compiled: a module of requests is imported
    by all functions of a context, each of which serves one, and a validator takes milliseconds of a cold start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class View(BaseModel):
    """An answer. Never the stored item: what is stored may change without a caller noticing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _exact(value: object, info: ValidationInfo) -> object:
    """A JSON number as the decimal that was written. pydantic would take a string for one even where it is strict;
    a query string has nothing but strings."""
    if info.mode != "json":
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be a number")
    return Decimal(str(value))


Exact = BeforeValidator(_exact)
"""For a field of type Decimal: takes the JSON number as it was written."""

Usd = Annotated[
    Decimal,
    Field(ge=0, le=Decimal(1_000_000), allow_inf_nan=False, examples=[2.5]),
    BeforeValidator(_exact),
]
"""An amount in USD as a caller writes it; at most a million, so that no product of it leaves 64 bits."""
