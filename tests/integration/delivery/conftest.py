"""DeliveryTable on moto, and the world around sockets: a gateway, a queue, a clock that is set by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gpubroker.delivery.listening import Listening
from gpubroker.delivery.public_log import PublicLog
from gpubroker.delivery.sockets.connections import Connections
from gpubroker.delivery.sockets.desk import Conversation, Greeter, Handshake, Reception
from gpubroker.delivery.sockets.fan_out import Counts, FanOut
from gpubroker.delivery.sockets.posting import Poster
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Invalid
from tests.unit.delivery.test_posting import Gateway

START = 1_780_000_000.0
ADA = Caller(
    Role.USER, subject="usr_ada", tenant="usr_ada", plan=Plan.PRO, scopes=frozenset({"rentals:*"}), credential="usr_ada"
)
BOB = Caller(Role.USER, subject="usr_bob", tenant="usr_bob", scopes=frozenset({"rentals:*"}), credential="usr_bob")
ANYBODY = Caller(Role.ANONYMOUS, address="203.0.113.7")
READY = {"status": "ready", "health": "healthy", "utilization": None, "members": []}


class Catalogue:
    def provider(self, name: str) -> str | None:
        return name if name in ("vastai", "runpod") else None

    def gpu(self, name: str) -> str | None:
        return name.upper()

    def region(self, name: str) -> str | None:
        return name if name in ("us", "us-east", "eu-west") else None


class Rentals:
    """ren_1 is Ada's."""

    def look(self, tenant: str, rental_id: str) -> dict[str, Any] | None:
        return READY if (tenant, rental_id) == ("usr_ada", "ren_1") else None


class Agents:
    """agt_1 acts for Ada."""

    def owned(self, tenant: str, agent_id: str) -> bool:
        return (tenant, agent_id) == ("usr_ada", "agt_1")


class Offers:
    def providers(self) -> dict[str, Any]:
        return {"status": "healthy", "providers": []}

    def offers(self, caller: Caller, filters: dict[str, Any]) -> dict[str, Any]:
        if "nope" in filters:
            raise Invalid.of("nope", "is not a known field")
        return {"offers": [{"words": "x" * filters.get("words", 1)}], "total": 1}


@dataclass
class Sockets:
    """The use cases of sockets over one table; `gateway` holds what each client got."""

    now: list[float] = field(default_factory=lambda: [START])
    gateway: Gateway = field(default_factory=Gateway)
    queued: list[tuple[str, int]] = field(default_factory=list)
    greeted: list[str] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)

    def __post_init__(self) -> None:
        def clock() -> float:
            return self.now[0]

        self.connections = Connections(clock=clock, sleep=lambda seconds: None)
        self.log = PublicLog(clock=clock, sleep=lambda seconds: None)
        self.poster = Poster(self.gateway, sleep=lambda seconds: None)
        listening = Listening(catalogue=Catalogue(), rentals=Rentals(), agents=Agents())
        self.reception = Reception(connections=self.connections, listening=listening, greet=self.greeted.append)
        self.greeter = Greeter(connections=self.connections, log=self.log, rentals=Rentals(), poster=self.poster)
        self.conversation = Conversation(
            connections=self.connections,
            listening=listening,
            log=self.log,
            rentals=Rentals(),
            offers=Offers(),
            poster=self.poster,
        )
        self.fan_out = FanOut(
            log=self.log,
            connections=self.connections,
            rentals=Rentals(),
            poster=self.poster,
            queue=self,
            told=self.counts.append,
        )

    def send(self, body: str, delay_s: int) -> None:
        self.queued.append((body, delay_s))

    def connect(
        self, name: str, caller: Caller = ANYBODY, *, path: str = "/ws/providers/", holder: str = "", **query: str
    ) -> None:
        """A client that is connected; API Gateway knows it from now on."""
        who = holder or caller.tenant or f"ADDRESS#{caller.address}"
        self.reception.connect(Handshake(name, caller, who, path, query))
        self.gateway.got[name] = []

    def got(self, name: str) -> list[Any]:
        """What a client has got since it was last asked."""
        import json

        frames = [json.loads(frame) for frame in self.gateway.got[name]]
        self.gateway.got[name].clear()
        return frames

    def say(self, name: str, **message: Any) -> list[Any]:
        import json

        self.conversation.hear(name, json.dumps(message))
        return self.got(name)


@pytest.fixture
def table(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("DELIVERY_TABLE", "delivery")
    return make_table("delivery")


@pytest.fixture
def sockets(table: Any) -> Sockets:
    return Sockets()


def keys_of(table: Any) -> set[str]:
    """First parts of the partition keys that are there."""
    return {item["pk"].split("#")[0] for item in table.scan()["Items"]}
