"""The guard of addresses that users give: what it refuses, and that it calls what it checked and nothing else."""

import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.resilience.addresses import is_public
from gpubroker.resilience.exchange import NotAnswered
from gpubroker.resilience.outbound import Guard, Refused


def names(*addresses: str) -> Guard:
    """A guard in a world where every name has these addresses."""
    return Guard(resolve=lambda host, port: addresses)


PUBLIC = names("93.184.216.34")
LOCAL = Guard(development=True, resolve=lambda host, port: ["127.0.0.1"])


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://example.com",
        "https://EXAMPLE.com:8443/a?b=c",
        "https://example.com.:443/",
        "https://bücher.example/hook",
        "https://93.184.216.34/hook",
        "https://[2606:4700::1111]/hook",
        "https://my_host.example/",
    ],
)
def test_an_ordinary_address_is_taken(url: str) -> None:
    PUBLIC.check(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "https"),
        ("ftp://example.com/", "https"),
        ("//example.com/", "https"),
        ("example.com/hook", "https"),
        ("https://", "https"),
        ("https:///path", "https"),
        ("https://user:secret@example.com/", "user name"),
        ("https://user@example.com/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:80/", "port"),
        ("https://example.com:6379/", "port"),
        ("https://example.com:22/", "port"),
        ("https://example.com:99999/", "URL"),
        ("https://example.com:x/", "URL"),
        ("https://exam ple.com/", "character"),
        ("https://example.com/\r\nX-Evil: 1", "character"),
        ("https://example.com\\@evil.example/", "character"),
        ("https://example.com/\t", "character"),
        ("https://exa\x00mple.com/", "character"),
        ("https://2130706433/", "no name"),
        ("https://0x7f.1/", "no name"),
        ("https://0x7f000001/", "no name"),
        ("https://127.1/", "no name"),
        ("https://0177.0.0.1/", "address|no name"),
        ("https://1.2.3.4.5/", "no name"),
        ("https://300.1.1.1/", "no name"),
        ("https://-evil.example/", "no name"),
        ("https://a..b/", "no name"),
        ("https://[fe80::1%25eth0]/", "interface|URL"),
        ("https://[::1", "URL"),
        ("https://example.com/ü", "percent"),
        ("https://" + "a" * 2050, "2048"),
        ("https://localhost/", "public internet"),
        ("https://example.com/" + "a" * 2048, "2048"),
    ],
)
def test_what_is_no_place_of_the_public_web_is_refused(url: str, why: str) -> None:
    guard = names("127.0.0.1") if "localhost" in url else PUBLIC
    with pytest.raises(Refused, match=why):
        guard.check(url)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"])
def test_a_name_that_leads_inside_is_refused_also_when_it_leads_outside_as_well(address: str) -> None:
    with pytest.raises(Refused, match="public internet"):
        names("93.184.216.34", address).check("https://example.com/")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:169.254.169.254]"])
def test_an_address_in_the_url_is_looked_at_like_one_behind_a_name(host: str) -> None:
    guard = Guard(resolve=lambda name, port: pytest.fail("an address is not asked for"))
    with pytest.raises(Refused):
        guard.check(f"https://{host}/")


@given(st.ip_addresses())
def test_no_address_is_called_that_is_not_public(address: object) -> None:
    guard = names(str(address))
    if is_public(str(address)):
        assert guard.address(guard.place("https://example.com/")) == str(address)
    else:
        with pytest.raises(Refused):
            guard.address(guard.place("https://example.com/"))


@given(st.text(max_size=60))
def test_whatever_is_written_it_is_read_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}", f"https://{text}/hook"):
        try:
            place = PUBLIC.place(url)
        except Refused:
            continue
        assert place.host.isascii()
        assert place.target.startswith("/")
        assert place.target.isascii()
        assert not set(" \r\n\t\\@#") & set(place.host + place.target.replace("@", "").replace("#", ""))


def test_development_may_call_this_machine_by_http_and_nothing_else() -> None:
    LOCAL.check("http://127.0.0.1:9999/hook")
    LOCAL.check("http://localhost:8080/")
    with pytest.raises(Refused):
        LOCAL.check("http://example.com/")
    with pytest.raises(Refused):
        Guard(development=True, resolve=lambda host, port: ["10.0.0.1"]).check("https://example.com/")
    with pytest.raises(Refused):
        Guard(development=True, resolve=lambda host, port: ["10.0.0.1"]).check("http://localhost/")


def test_a_name_without_an_address_is_refused_when_it_is_given() -> None:
    def nothing(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(Refused, match="resolved"):
        Guard(resolve=nothing).check("https://nowhere.example/")
    with pytest.raises(Refused, match="no address"):
        names().check("https://nowhere.example/")


def test_a_resolver_that_keeps_silent_costs_no_more_than_the_deadline() -> None:
    asked = threading.Event()
    answer = threading.Event()

    def silent(host: str, port: int) -> Sequence[str]:
        asked.set()
        answer.wait(30)
        return ["93.184.216.34"]

    with pytest.raises(NotAnswered, match="in time"):
        Guard(resolve=silent).post("https://example.com/", b"", {}, seconds=0.05)
    assert asked.is_set()
    answer.set()


def test_the_name_is_asked_for_once_and_a_second_answer_would_not_be_heard() -> None:
    """Rebinding: the first answer is public, every later one is not. What is called is the first (the socket is
    blocked here, and says to which address it was to be opened)."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    opened: list[tuple[str, int]] = []

    def refusing(address: tuple[str, int], *rest: object, **more: object) -> None:
        opened.append(address)
        raise OSError("not in a test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.create_connection", refusing)
        patch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("asked a second time"))
        with pytest.raises(NotAnswered):
            Guard(resolve=rebinding).post("https://rebinding.example/", b"{}", {}, seconds=5)
    assert asked == ["rebinding.example"]
    assert opened == [("93.184.216.34", 443)]


def test_at_the_next_call_the_name_is_looked_at_anew() -> None:
    answers = iter([["93.184.216.34"], ["169.254.169.254"]])
    guard = Guard(resolve=lambda host, port: next(answers))
    guard.check("https://rebinding.example/")
    with pytest.raises(Refused):
        guard.post("https://rebinding.example/", b"{}", {}, seconds=5)


def test_time_is_a_deadline_and_no_sum_of_waits() -> None:
    deadline = time.monotonic() - 1
    with pytest.raises(NotAnswered):
        Guard(resolve=lambda host, port: time.sleep(0.2) or ["93.184.216.34"]).address(
            PUBLIC.place("https://example.com/"), deadline
        )
