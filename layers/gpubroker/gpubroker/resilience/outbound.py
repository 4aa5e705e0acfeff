"""Calls to an address that a user gave: webhooks, callbacks, clusters (DESIGN §3).

The name is resolved once, every address that it has is checked, and the connection goes to the checked address itself,
while TLS and the Host header go on speaking the name: a name that resolves otherwise a moment later gains nothing.
No redirects are followed, no proxy of the environment is used, and time and size are bounded as a whole: an answer that
drips in byte by byte ends at the deadline too.
"""

import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from gpubroker.resilience.addresses import is_loopback, is_public
from gpubroker.resilience.exchange import NotAnswered, Reply, exchange, trusting

PORTS = frozenset({443, 8443})
LONGEST_URL = 2048

Resolver = Callable[[str, int], Sequence[str]]
"""Every address of a name, as text. Raises OSError when it has none."""

_LABEL = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)$")
_NUMBER = re.compile(r"^(0x[0-9a-f]*|[0-9]+)$")
_V4 = re.compile(r"^\d{1,3}(\.\d{1,3}){3}$")


class Refused(ValueError):
    """An address that is not called. The text says why, for people, and nothing of what was found behind a name."""


@dataclass(frozen=True, slots=True)
class Place:
    """A URL that was looked at: `host` is ASCII (IDNA), without brackets; `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def literal(self) -> bool:
        """Whether the host is an address already."""
        return ":" in self.host or _V4.match(self.host) is not None

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be called. `development` also allows http and this machine (`Environment=local`), nothing else."""

    development: bool = False
    ports: frozenset[int] = PORTS
    resolve: Resolver = field(default_factory=lambda: resolve)
    context: Callable[[], ssl.SSLContext] = field(default_factory=lambda: trusting)

    def place(self, url: str) -> Place:
        """Read a URL, without asking anybody. Raises Refused."""
        if len(url) > LONGEST_URL:
            raise Refused(f"is over {LONGEST_URL} characters")
        if any(ord(character) <= 0x20 or character in "\\\x7f" for character in url):
            raise Refused("has a character that no URL has")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Refused("is no URL") from None
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise Refused("is not https://...")
        if "@" in parts.netloc:
            raise Refused("carries a user name or a password")
        if parts.fragment or url.endswith("#"):
            raise Refused("has a fragment")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not target.isascii():
            raise Refused("has a path that is not percent-encoded")
        host = _host(parts.hostname)
        place = Place(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), target)
        if self.development and (is_loopback(host) or host == "localhost"):
            return place
        if parts.scheme != "https":
            raise Refused("is not https://...")
        if place.port not in self.ports:
            raise Refused(f"uses a port other than {', '.join(map(str, sorted(self.ports)))}")
        return place

    def address(self, place: Place, deadline: float | None = None) -> str:
        """The address to connect to: the first of the name's, if all of them may be called.

        Raises Refused when any may not, NotAnswered when the name has none or its servers keep silent.
        """
        wait = 5.0 if deadline is None else max(0.0, deadline - time.monotonic())
        if place.literal:
            addresses = [place.host]
        else:
            addresses = list(_in_time(lambda: self.resolve(place.host, place.port), wait))
        if not addresses:
            raise NotAnswered("the name has no address")
        for address in addresses:
            if not is_public(address) and not (self.development and is_loopback(address)):
                raise Refused("leads to an address that is not on the public internet")
        return addresses[0]

    def check(self, url: str) -> None:
        """Whether a URL may be called, now. Raises Refused, also when its name has no address."""
        place = self.place(url)
        try:
            self.address(place)
        except NotAnswered as error:
            raise Refused(f"cannot be resolved: {error}") from None

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> Reply:
        """POST once, within `seconds` for all of it. Raises Refused or NotAnswered.

        The answer counts from its status line and headers on: a body that breaks off is told by `whole`.
        """
        deadline = time.monotonic() + seconds
        place = self.place(url)
        return exchange(
            url=(place.scheme, place.host, place.port, place.target),
            authority=place.authority,
            address=self.address(place, deadline),
            body=body,
            headers=headers,
            deadline=deadline,
            context=self.context(),
        )


def _host(text: str) -> str:
    """A host as it is looked up: an address, or a name of plain labels. Raises Refused."""
    host = text.lower().removesuffix(".")
    if ":" in host:
        if "%" in host:
            raise Refused("names a network interface")
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise Refused("is no URL") from None
    if not host.isascii():
        import idna

        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            raise Refused("has a host that is no name") from None
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.match(label) for label in labels):
        raise Refused("has a host that is no name")
    if _NUMBER.match(labels[-1]):
        # 0x7f.1, 2130706433, 127.1: what resolvers make of these differs, so only the plain form is taken.
        if not _V4.match(host):
            raise Refused("has a host that is no name")
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise Refused("has a host that is no name") from None
    return host


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _in_time(work: Callable[[], Sequence[str]], seconds: float) -> Sequence[str]:
    """The system's resolver knows no deadline; a thread that nobody waits for any more does no harm."""
    answers: queue.Queue[Sequence[str] | OSError] = queue.Queue()

    def run() -> None:
        try:
            answers.put(work())
        except OSError as error:
            answers.put(error)
        except UnicodeError:
            answers.put(OSError("no name"))

    threading.Thread(target=run, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise NotAnswered("the name was not resolved in time") from None
    if isinstance(answer, OSError):
        raise NotAnswered("the name could not be resolved")
    return answer
