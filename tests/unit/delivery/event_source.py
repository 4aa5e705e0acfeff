"""An EventSource by the rules of WHATWG HTML §9.2 ("Server-sent events"), for tests: what a browser would see.

`Parser` is §9.2.6, interpreting an event stream; `EventSource` is §9.2.2 and §9.2.3 over a function that asks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

DEFAULT_RETRY_MS = 3000


@dataclass(frozen=True)
class Event:
    type: str
    data: str
    last_event_id: str


@dataclass
class Parser:
    """One connection's worth of a stream; `last_event_id` and `retry_ms` are handed on to the next one's parser."""

    last_event_id: str = ""
    retry_ms: int = DEFAULT_RETRY_MS
    events: list[Event] = field(default_factory=list)

    def feed(self, text: str) -> None:
        """A whole answer. An incomplete event at its end is discarded."""
        data: list[str] = []
        event_type, id_buffer = "", self.last_event_id
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        for line in lines[:-1]:  # what follows the last line end is no line yet
            if line == "":
                self.last_event_id = id_buffer
                if data:
                    self.events.append(Event(event_type or "message", "\n".join(data), self.last_event_id))
                data, event_type = [], ""
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                event_type = value
            elif name == "id" and "\0" not in value:
                id_buffer = value
            elif name == "retry" and value.isascii() and value.isdigit():
                self.retry_ms = int(value)


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str
    text: str


@dataclass
class EventSource:
    """ask: one request, given its `Last-Event-ID` ("" for none); None for a network error."""

    ask: Callable[[str], Reply | None]
    events: list[Event] = field(default_factory=list)
    last_event_id: str = ""
    retry_ms: int = DEFAULT_RETRY_MS
    closed: bool = False

    def connect(self) -> None:
        """One connection, from its request to its end. Afterwards a browser waits `retry_ms` and comes back."""
        assert not self.closed, "a browser would not come back"
        reply = self.ask(self.last_event_id)
        if reply is None:
            return
        if reply.status != 200 or reply.content_type.partition(";")[0].strip() != "text/event-stream":
            self.closed = True  # "fail the connection"
            return
        parser = Parser(self.last_event_id, self.retry_ms)
        parser.feed(reply.text)
        self.last_event_id, self.retry_ms = parser.last_event_id, parser.retry_ms
        self.events += parser.events
