"""One exchange with an address that was checked (resilience/outbound.py): the name is spoken, the address is called."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

LONGEST_ANSWER = 64 * 1024
"""Bytes of an answer that are read; what follows is left."""


class NotAnswered(Exception):
    """The other side did not answer: its name, its connection, its TLS, its time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """status      of the answer
    headers     the last of each name, lower case
    body        at most 64 KB
    whole       whether the body came as it was announced, and was read to its end
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    whole: bool = True


@cache
def trusting() -> ssl.SSLContext:
    """TLS 1.2 or newer, by the authorities that browsers trust. Reading them takes 17 ms."""
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def exchange(
    *,
    url: tuple[str, str, int, str],
    authority: str,
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    deadline: float,
    context: ssl.SSLContext,
) -> Reply:
    """POST once to `address`, as if it were the url's host. Raises NotAnswered.

    url        scheme, host (ASCII), port, target
    authority  what the Host header says
    deadline   by time.monotonic(), of all of it: connection, TLS, request, answer
    """
    import httpcore

    scheme, host, port, target = url
    sent = [(b"Host", authority.encode()), (b"Accept", b"*/*"), (b"Accept-Encoding", b"identity")]
    sent += [(name.encode(), value.encode()) for name, value in headers.items()]
    sent += [(b"Content-Length", str(len(body)).encode()), (b"Connection", b"close")]
    named = httpcore.URL(scheme=scheme.encode(), host=host.encode(), port=port, target=target.encode())
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=context, http2=False, retries=0, network_backend=_backend(address, deadline)
            ) as pool,
            pool.stream("POST", named, headers=sent, content=body) as answer,
        ):
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            read, whole = _read(answer.iter_stream())
            return Reply(answer.status, told, read, whole)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
        raise NotAnswered(_why(error)) from error


def _read(stream: Any) -> tuple[bytes, bool]:
    """The beginning of a body, and whether that is all of it, unbroken."""
    import httpcore

    read = bytearray()
    try:
        for chunk in stream:
            read += chunk
            if len(read) >= LONGEST_ANSWER:
                return bytes(read[:LONGEST_ANSWER]), False
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        return bytes(read), False
    return bytes(read), True


def _why(error: Exception) -> str:
    import httpcore

    if isinstance(error, httpcore.TimeoutException):
        return "no answer in time"
    cause = error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate does not hold: {cause.verify_message}"
    if isinstance(error, httpcore.ConnectError):
        return "no connection"
    if isinstance(error, httpcore.ProtocolError):
        return "no HTTP answer"
    return "the connection broke"


def _backend(address: str, deadline: float) -> Any:
    """httpcore's network, to one address, whose every step ends at one deadline."""
    import httpcore

    def left(asked: float | None) -> float:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("the time for the whole exchange is up")
        return seconds if asked is None else min(asked, seconds)

    class Stream(httpcore.NetworkStream):
        def __init__(self, stream: httpcore.NetworkStream) -> None:
            self._stream = stream

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return self._stream.read(max_bytes, left(timeout))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            self._stream.write(buffer, left(timeout))

        def close(self) -> None:
            self._stream.close()

        def start_tls(
            self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
        ) -> httpcore.NetworkStream:
            return Stream(self._stream.start_tls(ssl_context, server_hostname, left(timeout)))

        def get_extra_info(self, info: str) -> Any:
            return self._stream.get_extra_info(info)

    class Pinned(httpcore.NetworkBackend):
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Any = None,
        ) -> httpcore.NetworkStream:
            real = httpcore.SyncBackend()
            return Stream(real.connect_tcp(address, port, left(timeout), local_address, socket_options))

    return Pinned()
