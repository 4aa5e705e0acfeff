"""What callers are told of usage."""

from pydantic import Field

from gpubroker.kernel.schemas import View


class EventsTakenView(View):
    """All events of the call are in the stream; they are counted within a minute, each once."""

    accepted: int = Field(description="events of the call, repeats included")
    duplicates: int = Field(description="of these, how many were known to be counted already; they count once")
