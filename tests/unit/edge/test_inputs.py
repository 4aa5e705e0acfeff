"""Bad input gets a clear 4xx that names the field (DESIGN §3)."""

import pytest

from gpubroker.edge.inputs import MAX_BODY_BYTES, parse_body, parse_query, raw_body
from gpubroker.kernel.errors import Invalid, Malformed, TooLarge
from gpubroker.kernel.schemas import RequestModel, Usd


class Ask(RequestModel):
    count: int
    max_price: Usd | None = None


def test_a_body_becomes_its_model():
    assert parse_body(b'{"count": 2, "max_price": 2.5}', Ask) == Ask(count=2, max_price="2.5")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff{}",
        b'{"count": NaN}',
        b'{"count": Infinity}',
        b'{"count": 1, "count": 2}',
        b"[" * 100_000,
        b'{"count": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_cannot_be_read_is_malformed(body):
    with pytest.raises(Malformed):
        parse_body(body, Ask)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"count": "2"}', "count"),
        (b'{"count": 2.5}', "count"),
        (b'{"count": true}', "count"),
        (b'{"count": 1, "colour": "red"}', "colour"),
        (b'{"count": 1, "max_price": 1e400}', "max_price"),
        (b'{"count": 1, "max_price": -1}', "max_price"),
        (b"{}", "count"),
        (b"[]", "body"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Invalid) as refused:
        parse_body(body, Ask)
    assert field in [error.field for error in refused.value.fields]


def test_a_refusal_does_not_repeat_what_was_sent():
    with pytest.raises(Invalid) as refused:
        parse_body(b'{"count": "my password"}', Ask)
    assert "my password" not in str(refused.value)


def test_lists_are_repeated_or_written_with_commas_and_scalars_are_given_once():
    assert parse_query("region=us-east,us-west&region=eu-west", lists=frozenset({"region"})) == {
        "region": ["us-east", "us-west", "eu-west"]
    }
    with pytest.raises(Invalid) as refused:
        parse_query("page=1&page=2", lists=frozenset())
    assert refused.value.fields[0].field == "page"


def test_a_query_string_that_is_no_text_is_malformed():
    with pytest.raises(Malformed):
        parse_query("a=%ff", lists=frozenset())
    with pytest.raises(Malformed):
        parse_query("&".join(f"a{n}=1" for n in range(101)), lists=frozenset())


def test_bodies_are_bounded_after_decoding():
    assert raw_body({"body": "aGk=", "isBase64Encoded": True}) == b"hi"
    with pytest.raises(TooLarge):
        raw_body({"body": "x" * (MAX_BODY_BYTES + 1)})
    with pytest.raises(Malformed):
        raw_body({"body": "%%%", "isBase64Encoded": True})
