"""What may be asked of the real-time channels over HTTP."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from gpubroker.kernel.schemas import RequestModel, View

Name = Annotated[str, Field(min_length=1, max_length=64)]


def _several(value: object) -> object:
    """One of something is a list of one."""
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[Name, ...],
    Field(max_length=50),
    BeforeValidator(_several, json_schema_input_type=Name | list[Name]),
]


class StreamFields(RequestModel):
    """Which messages of the stream; lists are alternatives, none is no filter."""

    ticket: Annotated[str, Field(min_length=16, max_length=64)] | None = Field(
        None, description="in the place of credentials, for an EventSource, which sends no headers"
    )
    gpu: Names | None = Field(None, description="GPU model in any usual spelling", examples=["A100"])
    provider: Names | None = None
    region: Names | None = Field(None, description='canonical region, or "us", "eu", "ap" for all of its parts')
    channel: Names | None = Field(
        None, description="price_updates, health_status, availability; without it all of them"
    )
    last_sequence: Annotated[int, Field(ge=0, lt=10**15)] | None = Field(
        None, description="where to begin when there is no Last-Event-ID; without both, with what comes from now on"
    )


class TicketView(View):
    """A ticket for one stream: good for one client, and to begin within `expires_in` seconds."""

    ticket: str
    expires_in: int
    url: str = Field(examples=["/api/v2/providers/stream?ticket=..."])
