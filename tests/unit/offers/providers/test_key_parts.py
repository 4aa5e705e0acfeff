"""What a provider's credentials consist of is said once, and is what the adapter asks for."""

import asyncio
from typing import Any

import httpx
import pytest

from gpubroker.offers import errors
from gpubroker.offers.integrations.check import parts_of
from gpubroker.offers.providers.registry import PROVIDERS, adapter
from infra.local.providers.keys import local_keys

WITH_PARTS = sorted(slug for slug, key in local_keys().items() if isinstance(key, dict))


def test_the_providers_whose_local_key_has_parts_name_them() -> None:
    assert {slug: set(parts_of(slug) or ()) for slug in WITH_PARTS if slug != "cudo"} == {
        slug: set(local_keys()[slug]) for slug in WITH_PARTS if slug != "cudo"
    }
    assert [slug for slug in PROVIDERS if parts_of(slug) and slug not in WITH_PARTS] == []


@pytest.mark.parametrize("slug", [slug for slug in WITH_PARTS if slug != "cudo"])
def test_a_key_that_lacks_any_part_is_refused_before_anybody_is_asked(slug: str) -> None:
    def unasked(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    async def fetch(key: Any) -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(unasked)) as client:
            await adapter(slug).fetch_payload(client, "https://provider.example", key)

    whole = local_keys()[slug]
    for missing in whole:
        if missing == "project" and slug == "latitude":
            continue  # needed to rent, not to read prices
        with pytest.raises(errors.BadCredentials):
            asyncio.run(fetch({name: part for name, part in whole.items() if name != missing}))
