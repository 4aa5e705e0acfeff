"""The guard's calls over real sockets of this machine: TLS under a name, redirects, drips, floods, broken bodies.

The name is one of the tests; its resolver says 127.0.0.1, which only development may call.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gpubroker.resilience.exchange import NotAnswered
from gpubroker.resilience.outbound import Guard

Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve, *, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that takes one connection after the other; gives its port and what it was sent."""
    received: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                received.append(_request(connection))
                serve(connection)
            except OSError:
                pass  # the other side has gone, which is what some tests are about
            finally:
                connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], received
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _request(connection: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65536)
    head, _, body = read.partition(b"\r\n\r\n")
    length = next(int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def saying(answer: bytes) -> Serve:
    return lambda connection: connection.sendall(answer)


def guard(**more: object) -> Guard:
    return Guard(development=True, resolve=lambda host, port: ["127.0.0.1"], **more)  # type: ignore[arg-type]


def test_the_bytes_arrive_as_they_were_signed_and_the_answer_is_read() -> None:
    body = '{"price": 2.5, "name": "ü"}'.encode()
    with listening(saying(b"HTTP/1.1 202 Accepted\r\nX-Request-Id: a\r\nContent-Length: 2\r\n\r\nok")) as (port, got):
        reply = guard().post(f"http://localhost:{port}/hook?a=b", body, {"webhook-id": "msg_1"}, seconds=5)
    assert (reply.status, reply.headers["x-request-id"], reply.body, reply.whole) == (202, "a", b"ok", True)
    head, _, sent = got[0].partition(b"\r\n\r\n")
    assert sent == body
    assert head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert f"Host: localhost:{port}".encode() in head
    assert b"webhook-id: msg_1" in head


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    with listening(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (inside, reached):
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{inside}/\r\nContent-Length: 0\r\n\r\n"
        with listening(saying(answer.encode())) as (port, _):
            reply = guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=5)
    assert reply.status == status
    assert reached == []


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (proxy, through):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        with listening(saying(b"HTTP/1.1 204 No Content\r\n\r\n")) as (port, got):
            assert guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=5).status == 204
    assert through == []
    assert len(got) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 1000\r\n\r\nthis is all",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nno chunk",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_an_answer_of_200_counts_however_its_body_breaks(body: bytes) -> None:
    with listening(saying(b"HTTP/1.1 200 OK\r\n" + body)) as (port, _):
        reply = guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=5)
    assert reply.status == 200
    assert not reply.whole


def test_of_a_flood_64_kilobytes_are_read() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"x" * 65536)

    with listening(flood) as (port, _):
        reply = guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=5)
    assert (reply.status, len(reply.body), reply.whole) == (200, 64 * 1024, False)


def test_an_answer_that_never_begins_ends_at_the_deadline() -> None:
    done = threading.Event()
    with listening(lambda connection: done.wait(20) and None) as (port, _):
        with pytest.raises(NotAnswered, match="time"):
            guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=0.2)
        done.set()


def test_headers_that_drip_in_end_at_the_deadline_too() -> None:
    """Each byte would start a new wait where time is counted by read: 0.05 s apart it would never be over."""
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stop.wait(0.05):
            connection.sendall(b"z")

    with listening(drip) as (port, _):
        with pytest.raises(NotAnswered, match="time"):
            guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=0.5)
        stop.set()


def test_a_body_that_drips_in_ends_at_the_deadline_and_the_answer_counts() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b"z")

    with listening(drip) as (port, _):
        reply = guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=0.5)
        stop.set()
    assert reply.status == 200
    assert not reply.whole


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nbroken"])
def test_what_is_no_http_is_no_answer(said: bytes) -> None:
    with listening(saying(said)) as (port, _), pytest.raises(NotAnswered):
        guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=5)


def test_where_nobody_listens_there_is_no_connection() -> None:
    with listening(saying(b"")) as (port, _):
        pass
    with pytest.raises(NotAnswered, match="no connection"):
        guard().post(f"http://localhost:{port}/", b"{}", {}, seconds=5)


# ------------------------------------------------------------ TLS


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate authority that is its own server for `name`: (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[int, list[bytes], list[str | None], Path]]:
    """A server on this machine that is hooks.example: port, what it got, which names were asked for, its authority."""
    certificate, key = _certificate(tmp_path, "hooks.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: asked.append(name)
    with listening(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), tls=context) as (port, got):
        yield port, got, asked, certificate


def test_tls_speaks_to_the_name_at_the_address_that_was_checked(
    https: tuple[int, list[bytes], list[str | None], Path],
) -> None:
    port, got, asked, authority = https
    trusting = guard(ports=frozenset({port}), context=lambda: ssl.create_default_context(cafile=str(authority)))
    reply = trusting.post(f"https://hooks.example:{port}/in", b"{}", {}, seconds=5)
    assert reply.status == 200
    assert asked == ["hooks.example"]
    assert f"Host: hooks.example:{port}".encode() in got[0]


def test_a_certificate_that_nobody_vouches_for_or_for_another_name_is_refused(
    https: tuple[int, list[bytes], list[str | None], Path],
) -> None:
    port, got, _, authority = https
    ports = frozenset({port})
    with pytest.raises(NotAnswered, match="certificate"):
        guard(ports=ports).post(f"https://hooks.example:{port}/", b"{}", {}, seconds=5)
    trusting = guard(ports=ports, context=lambda: ssl.create_default_context(cafile=str(authority)))
    with pytest.raises(NotAnswered, match="certificate"):
        trusting.post(f"https://other.example:{port}/", b"{}", {}, seconds=5)
    assert got == []
