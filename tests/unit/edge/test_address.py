"""The client's address is the edge's word, never the client's (DESIGN §3)."""

import pytest

from gpubroker.edge import address

EVENT = {"requestContext": {"http": {"sourceIp": "203.0.113.9"}}}


@pytest.fixture(autouse=True)
def _fresh():
    address._origin_secret.cache_clear()
    yield
    address._origin_secret.cache_clear()


def test_the_edge_proves_itself_and_is_believed():
    headers = {"cloudfront-viewer-address": "198.51.100.7:443", "x-origin-secret": "a-secret-of-the-tests"}
    assert address.viewer_address(EVENT, headers) == "198.51.100.7"
    headers["cloudfront-viewer-address"] = "[2001:db8::1]:443"
    assert address.viewer_address(EVENT, headers) == "2001:db8::1"


@pytest.mark.parametrize(
    "forged",
    [
        {"x-forwarded-for": "10.0.0.1"},
        {"cloudfront-viewer-address": "10.0.0.1:1"},
        {"cloudfront-viewer-address": "10.0.0.1:1", "x-origin-secret": "wrong"},
        {"cloudfront-viewer-address": "10.0.0.1:1", "x-origin-secret": ""},
    ],
)
def test_a_forged_address_is_ignored(forged):
    assert address.viewer_address(EVENT, forged) == "203.0.113.9"
