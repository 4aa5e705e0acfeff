"""A ring with a key, tokens of every kind, and standings in a dict."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gpubroker.identity import keyring, tokens
from gpubroker.identity.api_keys import new_key
from gpubroker.identity.standing import Account, KeyGrant, Session, Standing
from gpubroker.identity.verify import Verifier
from gpubroker.kernel.caller import Plan, Role
from gpubroker.kernel.errors import Unavailable

NOW = 1_800_000_000.0
USER = "usr_01J00000000000000000000000"
SERVICE = "svc_01J00000000000000000000000"
KEY = new_key(USER)
SECRET = new_key(SERVICE)
AGENT_SECRET = new_key(USER)


def session(**changed: Any) -> Session:
    return Session(
        **{"refresh_id": "rft_1", "created_at": 0, "refreshed_at": 0, "expires_at": int(NOW) + 10**7} | changed
    )


def person(**changed: Any) -> Standing:
    """A free user with one session, one key and one agent."""
    values: dict[str, Any] = {
        "principal": USER,
        "role": Role.USER,
        "plan": Plan.FREE,
        "sessions": {"ses_1": session()},
        "keys": {"key_1": KeyGrant(KEY.digest, frozenset({"offers:read", "rentals:read"}))},
        "accounts": {"bot": Account("agent", AGENT_SECRET.digest, frozenset({"offers:read", "rentals:write"}))},
    }
    return Standing(**values | changed)


def machine(**changed: Any) -> Standing:
    values: dict[str, Any] = {
        "principal": SERVICE,
        "role": Role.SERVICE,
        "plan": Plan.ENTERPRISE,
        "accounts": {"kpi": Account("service", SECRET.digest, frozenset({"internal:*", "offers:read"}))},
    }
    return Standing(**values | changed)


@dataclass
class World:
    """Standings, a ring and how often each was read."""

    ring: keyring.Ring | None
    signer: tokens.Signer
    standings: dict[str, Standing] = field(default_factory=dict)
    reads: int = 0
    ring_reads: int = 0
    away: bool = False

    now = NOW
    user, service = USER, SERVICE
    key, secret, agent_secret = KEY.text, SECRET.text, AGENT_SECRET.text
    person, machine, session = staticmethod(person), staticmethod(machine), staticmethod(session)

    def standing_of(self, principal: str) -> Standing | None:
        self.reads += 1
        if self.away:
            raise Unavailable
        return self.standings.get(principal)

    def read_ring(self) -> keyring.Ring | None:
        self.ring_reads += 1
        if self.away:
            raise Unavailable
        return self.ring

    def verifier(self, **settings: Any) -> Verifier:
        return Verifier(standing_of=self.standing_of, ring=self.read_ring, **settings)

    def access(self, *, at: float = NOW, **claims: Any) -> str:
        """An access token; any claim can be another one, or None to leave it out."""
        payload = {"sub": USER, "sid": "ses_1", "jti": "tok_1", "kind": "user", "role": "user", "plan": "free"} | claims
        payload = {name: value for name, value in payload.items() if value is not None}
        return self.signer.sign(tokens.ACCESS, payload, at=int(at), seconds=tokens.ACCESS_SECONDS)

    def account(self, *, at: float = NOW, **changed: Any) -> str:
        values: dict[str, Any] = {
            "principal": SERVICE,
            "subject": "kpi",
            "kind": "service",
            "scopes": frozenset({"internal:*", "offers:read"}),
            "generation": 1,
            "token_id": "tok_2",
            "at": int(at),
            "seconds": tokens.SERVICE_SECONDS,
        }
        return tokens.for_account(self.signer, **values | changed)


@pytest.fixture
def world() -> World:
    ring, private = keyring.first(keyring.new_pair, NOW)
    return World(ring, tokens.Signer.of(private.current), {USER: person(), SERVICE: machine()})


@pytest.fixture
def bearer() -> Callable[[str], dict[str, str]]:
    return lambda token: {"authorization": f"Bearer {token}"}
