"""One bounded, synchronous exchange with a provider, and the boot script that a plain VM needs."""

import base64
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from gpubroker.kernel import deadline as invocation
from gpubroker.offers import asking, errors, wire
from gpubroker.offers.instances.port import InstanceOrder

DEADLINE = 20.0
"""Seconds for one call, body included: a create takes some seconds at every provider here."""

LEAST_S = {"GET": 1.0, "DELETE": 1.0}
LEAST_WRITE_S = 3.0
"""Seconds that must be left of the invocation for a call to be begun: an answer to a create that nobody is there to
read is an instance that must be looked for."""

MAX_BODY = 8 * 1024 * 1024

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of any status."""

    provider: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The decoded body. Raises UnknownAnswer when it is no JSON."""
        return asking.decoded(self.provider, self.body)

    def words(self) -> str:
        """The body as lower-case text, to look for a provider's phrases in it."""
        return self.body[:4000].decode("utf-8", "replace").lower()

    def refusal(self) -> errors.ProviderError:
        """The error that the status alone tells of."""
        failure = asking.refusal(self.provider, self.status, self.headers)
        return failure or errors.UnknownAnswer(self.provider, f"answered {self.status}")


class Exchange:
    """One provider account over a shared pool of connections. The key is in no repr and in no message."""

    def __init__(
        self,
        provider: str,
        base_url: str,
        headers: Mapping[str, str],
        client: httpx.Client,
        *,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self._base_url = base_url.rstrip("/")
        self._headers = {"accept": "application/json", **headers}
        self._secrets = asking.secrets_of(headers)
        self._client = client
        self._deadline = deadline
        self._clock = clock

    def __repr__(self) -> str:
        return f"Exchange({self.provider!r}, {self._base_url!r})"

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        text: str | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer, whatever its status, to a body that is sent as JSON or to a plain text.

        Raises ProviderUnavailable when there is none in time, UnknownAnswer when it is too large. Of a write, neither
        says whether it took effect. It ends with the invocation at the latest, and is not begun with too little left.
        """
        box = invocation.at_most(self._deadline)
        if box < min(self._deadline, LEAST_S.get(method, LEAST_WRITE_S)):
            raise errors.ProviderUnavailable(self.provider, "not asked: no time was left")
        headers = dict(self._headers)
        content = None
        if body is not None:
            content = orjson.dumps(body)
            headers["content-type"] = "application/json"
        elif text is not None:
            content = text.encode()
            headers["content-type"] = "text/plain"
        ends = self._clock() + box
        request = self._client.build_request(
            method,
            self._base_url + path,
            headers=headers,
            params=params,
            content=content,
            timeout=httpx.Timeout(box, connect=min(5.0, box)),
        )
        try:
            response = self._begun(request)
            try:
                received = bytearray()
                for piece in response.iter_bytes():
                    received += piece
                    if len(received) > MAX_BODY:
                        raise errors.UnknownAnswer(self.provider, f"a body over {MAX_BODY} bytes")
                    if self._clock() > ends:
                        raise errors.ProviderUnavailable(self.provider, f"no complete answer in {box:.3g} s")
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise asking.no_answer(self.provider, error) from None  # its own words can quote a header
        return Answer(self.provider, response.status_code, response.headers, asking.without(received, self._secrets))

    def _begun(self, request: httpx.Request) -> httpx.Response:
        """The answer's beginning. Over a stale connection a read or a DELETE is sent once more, and nothing else is:
        whether a create took effect is never guessed.
        """
        try:
            return self._client.send(request, stream=True, follow_redirects=False)
        except asking.STALE:
            if request.method not in ("GET", "DELETE"):
                raise
            return self._client.send(request, stream=True, follow_redirects=False)

    def read(self, method: str, path: str, *, body: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """The decoded JSON of a 2xx answer; the error that the status tells of otherwise."""
        answer = self.send(method, path, body=body, params=params)
        if not answer.ok:
            raise answer.refusal()
        return answer.json()


def check(order: InstanceOrder) -> None:
    """Raises ValueError on an order that must never reach a provider: it is our own mistake, not theirs."""
    if not _LABEL.fullmatch(order.label):
        raise ValueError("label")
    if any(not _NAME.fullmatch(name) for name in order.env):
        raise ValueError("env")
    if "\n" in order.ssh_public_key.strip():
        raise ValueError("ssh_public_key")


def same_key(one: str, other: str) -> bool:
    """Whether two OpenSSH lines are one key: type and blob alike; the comment does not matter."""
    return one.split()[:2] == other.split()[:2]


@contextmanager
def reading(provider: str) -> Iterator[None]:
    """Around code that walks an answer: what is not there, or of another type, is UnknownAnswer, no bug of ours."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise errors.UnknownAnswer(provider, f"an answer of another shape ({type(error).__name__})") from error


def boot_script(order: InstanceOrder) -> str | None:
    """A shell script for the first boot of a plain VM; None when there is nothing to do.

    It exports `env`, starts `image` as a container beside the machine, and runs the start script. Values are quoted.
    """
    lines = ["#!/bin/bash"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(order.env.items())]
    if order.image:
        handed = " ".join(f"-e {name}" for name in sorted(order.env))
        lines.append(
            f"docker run -d --name workload --gpus all --restart unless-stopped {handed} {shlex.quote(order.image)}"
        )
    if order.start_script:
        lines.append(order.start_script)
    return "\n".join(lines) + "\n" if len(lines) > 1 else None


def authorized_key(public_key: str) -> str:
    """A shell line that adds a key to the account's authorized keys."""
    return (
        "mkdir -p ~/.ssh && chmod 700 ~/.ssh && "
        f"echo {shlex.quote(public_key.strip())} >> ~/.ssh/authorized_keys && chmod 600 ~/.ssh/authorized_keys"
    )


def encoded(script: str) -> str:
    """Base 64, as some providers take a script."""
    return base64.b64encode(script.encode()).decode()


def micros_of(provider: str, value: Any, *, cents: bool = False) -> int | None:
    """A price per hour that an instance shows, USD or US cents, as micro-USD; None when it shows none."""
    if value is None:
        return None
    try:
        exact = wire.amount(value)
        return None if exact is None else wire.price(exact / 100 if cents else exact, gpus=64)[0]
    except wire.Refused as error:
        raise errors.UnknownAnswer(provider, "a price that is no price") from error
