"""What each adapter asks: path, header, filter, pages. The answers are the provider's documented ones."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gpubroker.offers import errors
from gpubroker.offers.providers import azure, crusoe, registry, runpod, vastai

NOW = datetime(2026, 5, 24, tzinfo=UTC)
Answer = Callable[[httpx.Request], Any]

OBJECTS: dict[str, dict[str, str]] = {
    "aws": {"access_key_id": "a", "secret_access_key": "b"},
    "crusoe": {"access_key": "AK", "secret_key": "c2VjcmV0", "project": "pro/1"},
    "fluidstack": {"api_key": "k-123", "project": "pro-1"},
    "hotaisle": {"api_key": "k-123", "team": "a team"},
    "latitude": {"api_key": "k-123", "project": "pro-1"},
    "salad": {"api_key": "k-123", "organization": "org/1"},
    "tensordock": {"api_key": "k-123", "api_token": "t-456"},
    "verda": {"client_id": "me", "client_secret": "hush"},
}
"""Keys that are objects: what an account is asked by beside its key."""


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
        (
            "hotaisle",
            "https://admin.hotaisle.app/api/teams/a%20team/virtual_machines/available/",
            ("authorization", "Token k-123"),
        ),
        ("hyperbolic", "https://api.hyperbolic.xyz/v2/on-demand/rental-options", ("authorization", "Bearer k-123")),
        ("jarvislabs", "https://backendn.jarvislabs.net/misc/server_meta", ("authorization", "Bearer k-123")),
        ("lambdalabs", "https://cloud.lambda.ai/api/v1/instance-types", ("authorization", "Bearer k-123")),
        (
            "salad",
            "https://api.salad.com/api/public/organizations/org%2F1/gpu-classes",
            ("salad-api-key", "k-123"),
        ),
        ("shadeform", "https://api.shadeform.ai/v1/instances/types", ("x-api-key", "k-123")),
        ("together", "https://api.together.ai/v1/hardware", ("authorization", "Bearer k-123")),
    ],
)
def test_one_call_lists_everything(slug: str, url: str, header: tuple[str, str]) -> None:
    empty: dict[str, Any] = {"lambdalabs": {"data": {}}, "shadeform": {"instance_types": []}}
    empty |= {"jarvislabs": {"server_meta": []}, "salad": {"items": []}, "together": {"data": []}}
    _, [request] = fetch(slug, lambda request: empty.get(slug, []), key=OBJECTS.get(slug, "k-123"))
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
    try:
        offers, _ = fetch(slug, lambda request: httpx.Response(200, json=told), key=OBJECTS.get(slug, "k"))
    except errors.UnknownAnswer:
        return
    assert offers == []


@pytest.mark.parametrize("slug", OBJECTS)
@pytest.mark.parametrize("key", ["text", {}, {"api_key": 1}, {"api_key": "k", "project": ""}])
def test_a_key_that_lacks_a_part_is_bad_credentials_and_nobody_is_asked(slug: str, key: Any) -> None:
    def answer(request: httpx.Request) -> Any:
        raise AssertionError("asked")

    with pytest.raises(errors.BadCredentials, match="needed"):
        fetch(slug, answer, key=key)


def test_tensordock_takes_its_credentials_in_the_query_and_no_log_line_shows_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # R9.4 (229): httpx tells every address at INFO
    caplog.set_level("DEBUG")
    _, [request] = fetch("tensordock", lambda request: {"data": {"locations": []}}, key=OBJECTS["tensordock"])
    assert request.url.path == "/api/v2/locations"
    assert dict(request.url.params) == {"api_key": "k-123", "api_token": "t-456"}
    assert "authorization" not in request.headers
    assert "k-123" not in caplog.text


@pytest.mark.parametrize(
    ("slug", "url"),
    [
        ("akash", "https://console-api.akash.network/v1/gpu-prices"),
        ("cudo", "https://rest.compute.cudo.org/v1/vms/machine-types?pageNumber=1&pageSize=200"),
    ],
)
def test_public_prices_are_asked_for_without_the_key_that_there_is(slug: str, url: str) -> None:
    _, [request] = fetch(slug, lambda request: {"models": [], "machineTypes": []})
    assert str(request.url) == url
    assert "k-123" not in str(request.headers)


def test_cudo_is_asked_for_pages_until_one_is_short() -> None:
    def answer(request: httpx.Request) -> Any:
        number = int(request.url.params["pageNumber"])
        return {"machineTypes": [{"machineType": f"{number}-{row}"} for row in range(200 if number < 3 else 7)]}

    _, asked = fetch("cudo", answer)
    assert [request.url.params["pageNumber"] for request in asked] == ["1", "2", "3"]


def test_a_list_that_does_not_page_after_all_is_asked_for_twice_and_not_for_ever() -> None:
    same = {"machineTypes": [{"machineType": "m", "gpuModel": ""}] * 200}
    offers, asked = fetch("cudo", lambda request: same)
    assert (offers, len(asked)) == ([], 2)


def test_pages_without_an_end_are_an_unknown_answer() -> None:
    with pytest.raises(errors.UnknownAnswer, match="pages"):
        fetch("cudo", lambda request: {"machineTypes": [{"id": str(request.url)}] * 200})
    with pytest.raises(errors.UnknownAnswer, match="pages"):
        fetch("paperspace", lambda request: {"items": [{}], "hasMore": True, "nextPage": "again"})


def test_latitude_is_asked_for_servers_and_machines_page_by_page() -> None:
    _, asked = fetch("latitude", lambda request: {"data": []}, key=OBJECTS["latitude"])
    told = {request.url.path: dict(request.url.params) for request in asked}
    assert told == {
        "/plans": {"page[size]": "100", "page[number]": "1", "filter[gpu]": "true"},
        "/plans/virtual_machines": {"page[size]": "100", "page[number]": "1"},
    }


def test_paperspace_is_asked_for_the_page_that_it_names() -> None:
    def answer(request: httpx.Request) -> Any:
        first = "after" not in request.url.params
        return {"items": [{"availableMachines": []}], "hasMore": first, "nextPage": "abc" if first else None}

    _, asked = fetch("paperspace", answer)
    assert [dict(request.url.params) for request in asked] == [{}, {"after": "abc"}]


def test_crusoe_signs_path_method_and_time_with_its_secret() -> None:
    when = datetime(2026, 5, 24, 10, 0, 0, 7, tzinfo=UTC)
    told = crusoe.signed(OBJECTS["crusoe"], "GET", "/v1alpha5/capacities", when)
    assert told["x-crusoe-timestamp"] == "2026-05-24T10:00:00+00:00"
    message = "/v1alpha5/capacities\n\nGET\n2026-05-24T10:00:00+00:00\n"
    digest = base64.urlsafe_b64encode(hmac.digest(b"secret", message.encode(), "sha256")).decode().rstrip("=")
    assert told["authorization"] == f"Bearer 1.0:AK:{digest}"


def test_a_secret_of_crusoe_that_is_none_is_bad_credentials() -> None:
    with pytest.raises(errors.BadCredentials, match="base 64"):
        fetch("crusoe", lambda request: {"items": []}, key=OBJECTS["crusoe"] | {"secret_key": "a"})


def test_crusoes_project_is_one_part_of_the_path() -> None:
    _, asked = fetch("crusoe", lambda request: {"items": []}, key=OBJECTS["crusoe"])
    assert sorted(request.url.raw_path.decode() for request in asked) == [
        "/v1alpha5/capacities",
        "/v1alpha5/projects/pro%2F1/compute/vms/types",
    ]


def test_fluidstack_is_asked_at_the_host_of_its_region_if_it_is_the_name_of_one() -> None:
    _, asked = fetch("fluidstack", lambda request: [], key=OBJECTS["fluidstack"] | {"region": "us-west-1"})
    assert {request.url.host for request in asked} == {"us-west-1.atlas.fluidstack.io"}
    assert {request.headers["x-project-id"] for request in asked} == {"pro-1"}
    with pytest.raises(errors.BadCredentials, match="region"):
        fetch("fluidstack", lambda request: [], key=OBJECTS["fluidstack"] | {"region": "evil.test/?"})
