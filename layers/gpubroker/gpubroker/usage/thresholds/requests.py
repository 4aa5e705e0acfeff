"""What may be asked of thresholds. The body's fields are the seed's (004, "Threshold Configuration"); those below
`notification_channels` are ours and optional."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from gpubroker.kernel.errors import Invalid
from gpubroker.kernel.schemas import Exact, RequestModel
from gpubroker.usage.thresholds.resources import (
    PERCENT,
    PERCENTAGES,
    USUAL_UNITS,
    Period,
    Resource,
    unit_of,
    units_of,
)
from gpubroker.usage.thresholds.threshold import API_CALLBACK, CHANNELS, EVERYBODY, LOG, Kind, basis_of

MOST = Decimal(1_000_000_000)
_PLACES = 6

Id = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")]
UserId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=r"^(\*|[A-Za-z0-9_.:-]+)$",
        description="whose usage is watched; `*` is everybody's, each user's by itself",
        examples=["user_123456"],
    ),
]
Amount = Annotated[Decimal, Field(ge=0, le=MOST, allow_inf_nan=False, decimal_places=_PLACES), Exact]
Units = Annotated[str, Field(min_length=1, max_length=16)]
Action = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=r"^[a-z][a-z0-9_-]*$",
        description="`log`: kept with the threshold, nobody is told; `notify`: the channels tell; any other name goes "
        "with the fact to those who listen on the bus, and the channels tell as well",
        examples=["notify"],
    ),
]
Channel: TypeAlias = Literal["email", "push", "api_callback"]
Channels = Annotated[
    list[Channel],
    Field(
        max_length=len(CHANNELS),
        description="beside the user's inbox; `api_callback` posts to `callback_url`, or to the user's own webhooks "
        "for `usage_threshold`",
        examples=[["email", "api_callback"]],
    ),
]
Url = Annotated[str, Field(min_length=8, max_length=2048, examples=["https://example.com/hooks/usage"])]


class ThresholdRequest(RequestModel):
    """Watch a resource: told once each time the value goes over the threshold."""

    resource_type: Resource
    threshold_type: Kind
    threshold_value: Amount = Field(description="in `units`; of a percentage, per cent (0 to 100)", examples=[500])
    units: Units = Field(description="MB, GB, TB; seconds, minutes, hours; % of a percentage", examples=["GB"])
    action: Action
    user_id: UserId
    notification_channels: Channels = Field(default_factory=list)
    limit: Amount | None = Field(None, gt=0, description="what a percentage is of; for cpu and memory not needed")
    limit_units: Units | None = Field(None, description="of `limit`; the metric's own by default")
    period: Period | None = Field(
        None, description="over what seconds and network traffic are added up (UTC); month by default"
    )
    recurring: bool = Field(False, description="also at each further step of `every`")
    every: Amount | None = Field(None, gt=0, description="in the terms of threshold_value, which is the default")
    instance_id: Id | None = Field(None, description="only this instance")
    enabled: bool = True
    callback_url: Url | None = Field(None, description="https; called for this threshold, with a secret of its own")

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        if len(set(self.notification_channels)) != len(self.notification_channels):
            raise ValueError("notification_channels name something twice")
        return self


class ThresholdChange(RequestModel):
    """What shall be otherwise; what is not named stays. Another value, limit or step, or an end of a pause, arms the
    threshold anew. Whose usage of which resource is watched cannot be changed: make another one."""

    threshold_value: Amount | None = None
    units: Units | None = None
    action: Action | None = None
    notification_channels: Channels | None = None
    limit: Amount | None = Field(None, gt=0)
    limit_units: Units | None = None
    period: Period | None = None
    recurring: bool | None = None
    every: Amount | None = Field(None, gt=0)
    enabled: bool | None = None
    callback_url: Url | None = Field(None, description="null: no address of its own any more")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names nothing to change")
        for name in self.model_fields_set - {"callback_url", "limit", "limit_units", "every", "period"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        channels = self.notification_channels or []
        if len(set(channels)) != len(channels):
            raise ValueError("notification_channels name something twice")
        return self


def checked(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request in the form they are kept in, if they make sense together. Raises Invalid, by field.

    Gives resource, kind, value, units, limit, limit_units, period, every, action, channels.
    """
    resource, kind = Resource(wanted["resource_type"]), Kind(wanted["threshold_type"])
    value, limit = wanted["threshold_value"], wanted["limit"]
    units, limit_units = _units(resource, kind, wanted)
    if kind is Kind.PERCENTAGE and value > 100:
        raise Invalid.of("threshold_value", "is per cent: 0 to 100")
    metric, _ = basis_of(resource, kind, units, limit, limit_units)
    period: Period | None = wanted["period"]
    if metric.level and period is not None:
        raise Invalid.of("period", f"{metric.name} is a level: it is held against the newest value, of no period")
    if not metric.level and period is None:
        period = Period.MONTH
    channels = tuple(channel for channel in CHANNELS if channel in wanted["notification_channels"])
    if wanted["action"] == LOG and channels:
        raise Invalid.of("notification_channels", 'the action "log" tells nobody; leave them out, or use "notify"')
    if wanted["callback_url"] is not None and API_CALLBACK not in channels:
        raise Invalid.of("callback_url", "needs api_callback among the notification_channels")
    if wanted["user_id"] == EVERYBODY and wanted["instance_id"] is not None:
        raise Invalid.of("instance_id", "an instance has one user: name the user")
    return {
        "resource": resource,
        "kind": kind,
        "value": value,
        "units": units,
        "limit": limit,
        "limit_units": limit_units,
        "period": period,
        "every": _every(wanted),
        "action": wanted["action"],
        "channels": channels,
    }


def _every(wanted: Mapping[str, Any]) -> Decimal | None:
    every: Decimal | None = wanted["every"]
    if not wanted["recurring"]:
        if every is not None:
            raise Invalid.of("every", "is the step of a recurring threshold: recurring must be true")
        return None
    if every is None:
        every = wanted["threshold_value"]
        if not every:
            raise Invalid.of("every", "is required: a threshold of 0 has no step of its own")
    return every


def _units(resource: Resource, kind: Kind, wanted: Mapping[str, Any]) -> tuple[str, str | None]:
    """`units` and `limit_units` as they are kept."""
    units = unit_of(wanted["units"])
    limit, asked = wanted["limit"], wanted["limit_units"]
    known = units_of(resource)
    if kind is Kind.ABSOLUTE:
        if limit is not None or asked is not None:
            name = "limit" if limit is not None else "limit_units"
            raise Invalid.of(name, "is what a percentage is of; this threshold is absolute")
        if units not in known:
            raise Invalid.of("units", f"{resource.value} is measured in {', '.join(known)}")
        return units, None
    if limit is None:
        if resource not in PERCENTAGES:
            raise Invalid.of("limit", f"is required: what is a percentage of {resource.value} of?")
        if asked is not None:
            raise Invalid.of("limit_units", "there is no limit")
        if units != PERCENT:
            raise Invalid.of("units", "a percentage without a limit is in %")
        return PERCENT, None
    if units == PERCENT:
        limit_units = unit_of(asked) if asked is not None else USUAL_UNITS[resource]
        if limit_units not in known:
            raise Invalid.of("limit_units", f"{resource.value} is measured in {', '.join(known)}")
        return PERCENT, limit_units
    if units not in known:
        raise Invalid.of("units", f"is % or what the limit is in: {', '.join(known)}")
    if asked is not None and unit_of(asked) != units:
        raise Invalid.of("limit_units", "contradicts units")
    return PERCENT, units
