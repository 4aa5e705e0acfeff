"""GET /api/v2/providers/stream: the public messages since `Last-Event-ID`, at once and completely (R14.3).

There is nothing to hold open: the answer ends, and the client comes back after `retry`. A message is therefore seen
RETRY_MS later at most (half of that on average), each once and in order, for 30 calls a minute.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gpubroker.delivery.channels import KINDS, regions_of
from gpubroker.delivery.messages import channels_of
from gpubroker.delivery.ports import Catalogue
from gpubroker.delivery.public_log import PublicLog
from gpubroker.delivery.requests import StreamFields
from gpubroker.delivery.sse import frames
from gpubroker.delivery.sse.tickets import Session, Tickets
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Invalid, TooManyRequests, Unauthenticated, Unavailable

RETRY_MS = 2000
RETRY_AT_ONCE_MS = 50
RETRY_IN_TROUBLE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Streamed:
    """text: None when the stream is over (204: the browser does not come back)."""

    text: str | None


class Streams:
    """hold: counts a call of a caller, raising TooManyRequests over the rate; a bucket of its own, not the plan's."""

    def __init__(
        self, *, log: PublicLog, tickets: Tickets, catalogue: Catalogue, hold: Callable[[Caller], None]
    ) -> None:
        self._log, self._tickets, self._catalogue, self._hold = log, tickets, catalogue, hold

    def read(self, caller: Caller, wanted: StreamFields, last_event_id: str | None) -> Streamed:
        """One answer. Raises Unauthenticated without credentials or a ticket that is good; Invalid."""
        wish = _Wish.of(wanted, self._catalogue)
        if wanted.ticket is None:
            if caller.anonymous:
                raise Unauthenticated("Send credentials, or a ticket of POST /api/v2/providers/stream/tickets.")
            self._hold(caller)
            sequence = _number(last_event_id) if last_event_id else wanted.last_sequence
            return Streamed(self._text(wish, sequence, prefix=""))
        session = self._tickets.session(wanted.ticket, last_event_id)
        if session.over:
            return Streamed(None)
        sequence = wanted.last_sequence if session.sequence is None else session.sequence
        return Streamed(self._patiently(session, wish, sequence))

    def _patiently(self, session: Session, wish: "_Wish", sequence: int | None) -> str:
        """For an EventSource any status but 200 is the end, so trouble that passes is an empty answer and a wait."""
        prefix = f"{session.secret}."
        try:
            self._hold(session.caller)
            return self._text(wish, sequence, prefix=prefix)
        except (TooManyRequests, Unavailable):
            if sequence is None:  # it has no id yet, so it cannot come back to this session: it takes the ticket again
                return f"retry: {RETRY_MS}\n\n"
            return frames.text([], prefix=prefix, position=sequence, retry_ms=RETRY_IN_TROUBLE_MS)

    def _text(self, wish: "_Wish", sequence: int | None, *, prefix: str) -> str:
        if sequence is None:
            return frames.text([], prefix=prefix, position=self._log.head(), retry_ms=RETRY_MS)
        read = self._log.since(sequence)
        gap = [{"type": "gap", "last_sequence": sequence, "sequence": read.head}] if read.gap else []
        return frames.text(
            [message for message in read.messages if wish.takes(message)],
            prefix=prefix,
            position=read.position,
            retry_ms=RETRY_AT_ONCE_MS if read.more else RETRY_MS,
            notices=gap,
        )


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a reader wants; an empty set is no filter. What does not say its GPU is of none."""

    channels: frozenset[str]
    providers: frozenset[str]
    gpus: frozenset[str]
    regions: frozenset[str]

    @classmethod
    def of(cls, wanted: StreamFields, catalogue: Catalogue) -> "_Wish":
        channels = frozenset(name.strip().lower() for name in wanted.channel or ())
        if not channels <= set(KINDS):
            raise Invalid.of("channel", f"is some of {', '.join(KINDS)}")
        return cls(
            channels,
            _known("provider", wanted.provider, catalogue.provider),
            _known("gpu", wanted.gpu, catalogue.gpu),
            _known("region", wanted.region, catalogue.region),
        )

    def takes(self, message: Mapping[str, Any]) -> bool:
        return (
            (not self.channels or not self.channels.isdisjoint(channels_of(message)))
            and (not self.providers or message["provider"] in self.providers)
            and (not self.gpus or message.get("gpu_type") in self.gpus)
            and (not self.regions or not self.regions.isdisjoint(regions_of(message.get("region"))))
        )


def _known(field: str, names: tuple[str, ...] | None, spelled: Callable[[str], str | None]) -> frozenset[str]:
    found = set()
    for name in names or ():
        known = spelled(name)
        if known is None:
            raise Invalid.of(field, f"{name[:40]!r} is not known here")
        found.add(known)
    return frozenset(found)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Invalid.of("Last-Event-ID", "is the id of an event of this stream")
    return int(text)
