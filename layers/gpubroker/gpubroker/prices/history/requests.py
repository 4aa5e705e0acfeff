"""What may be asked of the price history."""

from datetime import datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AwareDatetime, Field, model_validator

from gpubroker.kernel.schemas import RequestModel

MOST_POINTS = 1000

Resolution: TypeAlias = Literal["raw", "hourly", "daily"]
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class HistoryFields(RequestModel):
    """A GPU type, all of it or a part of it; or one offer. A span by `days`, or from one moment to another."""

    gpu: _Name | None = Field(None, description="GPU model in any usual spelling", examples=["A100"])
    gpu_type: _Name | None = Field(None, description="the same as gpu")
    provider: _Name | None = None
    region: _Name | None = Field(None, description='canonical region, or "us", "eu", "ap" for all of its parts')
    spot: bool | None = Field(None, description="true: may be taken away; false: on demand; unsaid: both")
    offer_id: Annotated[str, Field(min_length=3, max_length=80, pattern=r"^[A-Za-z0-9_.:-]+$")] | None = None
    days: Annotated[int, Field(ge=1, le=730)] | None = Field(None, description="back from now; 30 unless said")
    since: AwareDatetime | None = Field(None, alias="from", description="RFC 3339; instead of days")
    until: AwareDatetime | None = Field(None, alias="to", description="RFC 3339; now unless said")
    resolution: Resolution | Literal["auto"] = Field(
        "auto", description="raw is of one offer; auto: raw up to 2 days of an offer, hourly up to 14 days, else daily"
    )
    limit: Annotated[int, Field(ge=1, le=MOST_POINTS)] = Field(500, description="points of a page")
    cursor: Annotated[str, Field(min_length=1, max_length=2048)] | None = Field(
        None, description="next_cursor of the page before"
    )

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if self.gpu and self.gpu_type:
            raise ValueError("gpu_type is the same as gpu: give one of them")
        if not (self.gpu or self.gpu_type or self.offer_id):
            raise ValueError("gpu or offer_id is required")
        if self.offer_id and (self.provider or self.region or self.spot is not None):
            raise ValueError("an offer has one provider, region and kind already: leave them out")
        if self.days is not None and (self.since or self.until):
            raise ValueError("days goes without from and to")
        if self.until and not self.since:
            raise ValueError("to needs from")
        if self.since and self.until and self.since >= self.until:
            raise ValueError("from must be before to")
        if self.resolution == "raw" and not self.offer_id:
            raise ValueError("raw history is of one offer: give offer_id")
        return self

    @property
    def gpu_name(self) -> str | None:
        return self.gpu or self.gpu_type

    def scope(self) -> tuple[object, ...]:
        """Equal for the pages of one question; a span by `days` moves with the clock, and its cursor with it."""
        moments: tuple[datetime | None, ...] = (self.since, self.until)
        return (
            self.gpu_name,
            self.provider,
            self.region,
            self.spot,
            self.offer_id,
            self.days,
            *(moment and moment.isoformat() for moment in moments),
            self.resolution,
        )
