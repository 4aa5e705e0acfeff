"""What each adapter asks: path, header, filter, pages. The answers are the provider's documented ones."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gpubroker.offers import errors
from gpubroker.offers.providers import azure, registry, runpod, vastai

NOW = datetime(2026, 5, 24, tzinfo=UTC)
Answer = Callable[[httpx.Request], Any]


KEYS = {
    "aws": {"access_key_id": "a", "secret_access_key": "b"},
    "verda": {"client_id": "a", "client_secret": "b"},
}


def fetch(slug: str, answer: Answer, *, key: Any = "k-123") -> tuple[Any, list[httpx.Request]]:
    """The offers, and what was asked to get them."""
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        told = answer(request)
        return told if isinstance(told, httpx.Response) else httpx.Response(200, json=told)

    async def run() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
            return await registry.fetch(slug, client, api_key=key, now=lambda: NOW)

    return asyncio.run(run()), asked


def test_vastai_is_asked_with_numbers_a_limit_and_an_order() -> None:
    _, [request] = fetch("vastai", lambda request: {"offers": []})
    assert (request.method, str(request.url)) == ("POST", "https://console.vast.ai/api/v0/bundles/")
    assert request.headers["authorization"] == "Bearer k-123"
    body = json.loads(request.content)
    assert body["limit"] == 10_000  # the default is small: vast-cli#268
    assert body["order"] == [["dph_total", "asc"]]
    assert body["rentable"] == {"eq": True}
    assert body["type"] == "ondemand"
    assert body["allocated_storage"] == vastai.DISK_GB
    assert "cuda_max_good" not in body  # gpuhunt#142


def test_vastai_and_azure_are_asked_without_a_header_when_there_is_no_key() -> None:
    _, [request] = fetch("vastai", lambda request: {"offers": []}, key=None)
    assert "authorization" not in request.headers
    _, asked = fetch("azure", lambda request: {"Items": []}, key=None)
    assert all("authorization" not in request.headers for request in asked)


def test_runpod_without_a_key_is_asked_graphql_only() -> None:
    _, [request] = fetch("runpod", lambda request: {"data": {"gpuTypes": []}}, key=None)
    assert str(request.url) == "https://api.runpod.io/graphql"
    query = json.loads(request.content)["query"]
    assert "lowestPrice(input:{gpuCount:1})" in query
    assert "lowestPrice8:lowestPrice(input:{gpuCount:8})" in query


def test_runpod_with_a_key_is_asked_for_every_cloud_and_count_too() -> None:
    def answer(request: httpx.Request) -> Any:
        return {"data": {"gpuTypes": []}} if request.url.path == "/graphql" else {"gpus": []}

    _, asked = fetch("runpod", answer)
    catalog = [dict(request.url.params) for request in asked if request.url.path == "/v2/catalog/gpus"]
    assert {(one["cloud"], one["count"]) for one in catalog} == {
        (cloud, str(count)) for cloud in runpod.CLOUDS for count in runpod.COUNTS
    }
    assert all(one["include"] == "AVAILABILITY" and one["product"] == "POD" for one in catalog)


def test_runpods_errors_come_with_status_200() -> None:
    with pytest.raises(errors.UnknownAnswer, match="GraphQL"):
        fetch("runpod", lambda request: {"errors": [{"message": "bad"}], "data": None}, key=None)


@pytest.mark.parametrize(
    ("slug", "url", "header"),
    [
        ("lambdalabs", "https://cloud.lambda.ai/api/v1/instance-types", ("authorization", "Bearer k-123")),
        ("shadeform", "https://api.shadeform.ai/v1/instances/types", ("x-api-key", "k-123")),
    ],
)
def test_one_call_lists_everything(slug: str, url: str, header: tuple[str, str]) -> None:
    empty = {"lambdalabs": {"data": {}}, "shadeform": {"instance_types": []}}[slug]
    _, [request] = fetch(slug, lambda request: empty)
    assert (request.method, str(request.url)) == ("GET", url)
    assert request.headers[header[0]] == header[1]


def test_hyperstack_is_asked_for_flavors_and_prices() -> None:
    _, asked = fetch("hyperstack", lambda request: {"data": []} if "flavors" in request.url.path else [])
    assert sorted(str(request.url) for request in asked) == [
        "https://infrahub-api.nexgencloud.com/v1/core/flavors",
        "https://infrahub-api.nexgencloud.com/v1/pricebook",
    ]
    assert {request.headers["api_key"] for request in asked} == {"k-123"}


def test_verda_gives_its_credentials_for_a_token_and_asks_with_that() -> None:
    def answer(request: httpx.Request) -> Any:
        if request.url.path == "/v1/oauth2/token":
            assert json.loads(request.content) == {
                "grant_type": "client_credentials",
                "client_id": "me",
                "client_secret": "hush",
            }
            assert "authorization" not in request.headers
            return {"access_token": "short-lived"}
        assert request.headers["authorization"] == "Bearer short-lived"
        return []

    _, asked = fetch("verda", answer, key={"client_id": "me", "client_secret": "hush"})
    paths = sorted(f"{request.url.path}?{request.url.query.decode()}" for request in asked)
    assert paths == [
        "/v1/instance-availability?isSpot=false",
        "/v1/instance-availability?isSpot=true",
        "/v1/instance-types?currency=usd",
        "/v1/locations?",
        "/v1/oauth2/token?",
    ]


@pytest.mark.parametrize("key", ["text", {}, {"client_id": "me"}])
def test_verda_needs_both_parts_of_its_credentials(key: Any) -> None:
    with pytest.raises(errors.BadCredentials):
        fetch("verda", lambda request: [], key=key)


def test_primeintellect_is_asked_for_every_page() -> None:
    def answer(request: httpx.Request) -> Any:
        return {"items": [{}], "totalCount": 250}

    _, asked = fetch("primeintellect", answer)
    assert sorted(dict(request.url.params).items() for request in asked) == sorted(
        {"page": str(page), "page_size": "100"}.items() for page in (1, 2, 3)
    )


def test_a_total_that_nobody_believes_does_not_mean_a_million_calls() -> None:
    _, asked = fetch("primeintellect", lambda request: {"items": [{}], "totalCount": 10**9})
    assert len(asked) == 100


def row(region: str, name: str) -> dict[str, Any]:
    return {
        "currencyCode": "USD", "retailPrice": 6.98, "armRegionName": region, "meterName": name,
        "productName": "Virtual Machines", "armSkuName": "Standard_NC40ads_H100_v5", "unitOfMeasure": "1 Hour",
        "type": "Consumption",
    }  # fmt: skip


def test_azure_is_asked_region_by_region_for_linux_sizes_with_gpus() -> None:
    offers, asked = fetch("azure", lambda request: {"Items": [], "NextPageLink": None}, key=None)
    filters = [request.url.params["$filter"] for request in asked]
    assert len(filters) == len(set(filters)) == len(azure.REGIONS)
    assert filters[0] == (
        "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq 'eastus' "
        "and contains(armSkuName, 'Standard_N') and contains(productName, 'Windows') eq false"
    )
    assert offers == []


def test_azures_next_page_is_asked_at_our_own_base_whatever_host_it_names() -> None:
    def answer(request: httpx.Request) -> Any:
        assert request.url.host == "prices.azure.com"
        if "'eastus'" not in request.url.params["$filter"]:
            return {"Items": []}
        if request.url.params["$skip"] == "0":
            return {"Items": [row("eastus", "a")], "NextPageLink": "http://evil.test/?$skip=1"}
        return {"Items": [row("eastus", "a Spot")], "NextPageLink": None}

    offers, _ = fetch("azure", answer, key=None)
    assert [offer.spot for offer in offers] == [False, True]


def test_a_full_azure_page_without_a_link_is_not_taken_for_the_last() -> None:
    # learn.microsoft.com/answers/questions/1188465: NextPageLink was empty with more to come
    def answer(request: httpx.Request) -> Any:
        if "'eastus'" not in request.url.params["$filter"]:
            return {"Items": []}
        skip = int(request.url.params["$skip"])
        return {"Items": [row("eastus", f"a{'' if skip == 0 else ' Spot'}")] * (100 if skip == 0 else 3)}

    offers, _ = fetch("azure", answer, key=None)
    assert [offer.spot for offer in offers] == [False, True]


def test_one_azure_region_that_fails_fails_the_fetch_so_that_nothing_seems_sold_out() -> None:
    def answer(request: httpx.Request) -> Any:
        if "'japaneast'" in request.url.params["$filter"]:
            return httpx.Response(429)
        return {"Items": []}

    with pytest.raises(errors.RateLimited):
        fetch("azure", answer, key=None)


@pytest.mark.parametrize("slug", registry.PROVIDERS)
@pytest.mark.parametrize("told", [None, 7, "text", [], {}, {"data": 3}, {"offers": {}}, {"Items": None}, {"gpus": "x"}])
def test_an_answer_of_another_shape_is_an_unknown_answer_and_no_crash(slug: str, told: Any) -> None:
    key = KEYS.get(slug, "k")
    try:
        offers, _ = fetch(slug, lambda request: httpx.Response(200, json=told), key=key)
    except errors.UnknownAnswer:
        return
    assert offers == []
