"""The traps of the clouds that sell whole machines by region: units, sums, slices, and what is another product."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.gpus import sold_with, vram_of_one
from gpubroker.offers.providers import (
    aws,
    cloudrift,
    digitalocean,
    gcp,
    koyeb,
    linode,
    oci,
    ovhcloud,
    registry,
    scaleway,
    seeweb,
    vultr,
)
from gpubroker.offers.rates import Rates

AT = datetime(2026, 5, 24, 10, tzinfo=UTC)
GIB = 1024**3
ONE_TO_TWO = Rates({"EUR": Decimal(2)}, date(2026, 5, 24), "test")


def fetch(slug: str, answer: Any, key: Any = None) -> tuple[Any, list[httpx.Request]]:
    """The payload's offers, and what was asked."""
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        told = answer(request)
        return told if isinstance(told, httpx.Response) else httpx.Response(200, json=told)

    async def run() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
            return await registry.fetch(slug, client, api_key=key, now=lambda: AT)

    return asyncio.run(run()), asked


# --- memory that may be one GPU's or all of them


@pytest.mark.parametrize(
    ("model", "said", "gpus", "each"),
    [("H100", 80, 8, 80), ("H100", 640, 8, 80), ("MI300X", 1536, 8, 192), ("A16", 2, 1, 2),
     ("RTX 4090", 23.99, 1, 23.99), ("No Such GPU", 32, 4, 32), ("H100", None, 8, None), ("H100", 0, 8, None)],
)  # fmt: skip
def test_memory_is_read_as_what_the_model_is_sold_with(model: str, said: float, gpus: int, each: float | None) -> None:
    assert vram_of_one(model, said, gpus) == each


def test_only_a_model_of_one_size_tells_its_memory() -> None:
    assert (sold_with("L4"), sold_with("H100"), sold_with("No Such GPU")) == (24, None, None)


# --- DigitalOcean


def size(**changed: Any) -> dict[str, Any]:
    gpu = {"count": 8, "model": "nvidia_h100", "vram": {"amount": 640, "unit": "gib"}}
    return {"slug": "s", "price_hourly": 23.92, "memory": 245760, "regions": ["nyc2"], "available": True,
            "gpu_info": gpu} | changed  # fmt: skip


@pytest.mark.parametrize(("changed", "availability"), [({}, "available"), ({"regions": []}, "unavailable"),
                                                       ({"available": False}, "unavailable")])  # fmt: skip
def test_a_size_without_regions_or_not_available_is_sold_out(changed: dict[str, Any], availability: str) -> None:
    [offer] = digitalocean.normalise({"sizes": [size(**changed)]}, fetched_at=AT)
    assert (offer.availability.value, offer.vram_gb_per_gpu) == (availability, 80)
    assert (offer.price_micros_per_hour, offer.price_micros_per_gpu_hour) == (23_920_000, 2_990_000)


def test_memory_in_a_unit_that_is_not_known_is_not_shown() -> None:
    gpu = {"count": 1, "model": "nvidia_h100", "vram": {"amount": 81920, "unit": "mib"}}
    [offer] = digitalocean.normalise({"sizes": [size(gpu_info=gpu)]}, fetched_at=AT)
    assert offer.vram_gb_per_gpu is None


def test_digitalocean_is_asked_page_by_page() -> None:
    def answer(request: httpx.Request) -> Any:
        page = int(request.url.params["page"])
        rows = [size(slug=f"{page}-{index}") for index in range(200 if page < 3 else 1)]
        return {"sizes": rows, "links": {"pages": {"next": "https://elsewhere.test/"}} if page < 3 else {}}

    offers, asked = fetch("digitalocean", answer, "k")
    assert [request.url.params["page"] for request in asked] == ["1", "2", "3"]
    assert {request.url.host for request in asked} == {"api.digitalocean.com"}
    assert len(offers) == 401


# --- Scaleway


def test_scaleway_is_in_euros_and_its_memory_in_bytes_of_one_gpu() -> None:
    row = {
        "gpu": 2,
        "gpu_info": {"gpu_name": "H100-PCIe", "gpu_memory": 80 * GIB},
        "ram": 480 * GIB,
        "hourly_price": 5.46,
    }
    [offer] = scaleway.normalise({"servers": {"H100-2-80G": row}}, fetched_at=AT, rates=ONE_TO_TWO)
    assert (offer.price_micros_per_hour, offer.currency, offer.native_price) == (10_920_000, "EUR", "5.46")
    assert (offer.exchange_rate, offer.exchange_rate_as_of) == ("2", "2026-05-24")
    assert (offer.vram_gb_per_gpu, offer.ram_gb, offer.interconnect) == (80, 480, "PCIe")


def test_a_zone_that_fails_fails_scaleway_so_that_nothing_seems_sold_out() -> None:
    def answer(request: httpx.Request) -> Any:
        return httpx.Response(503) if "nl-ams-1" in request.url.path else {"servers": {}}

    with pytest.raises(errors.ProviderUnavailable):
        fetch("scaleway", answer, "k")


def test_scaleways_full_pages_are_followed_and_its_key_may_be_an_object() -> None:
    def answer(request: httpx.Request) -> Any:
        full = "availability" not in request.url.path and request.url.params["page"] == "1"
        return {"servers": {f"T{index}": {} for index in range(100 if full else 3)}}

    _, asked = fetch("scaleway", answer, {"secret_key": "hush", "project": "p"})
    assert len(asked) == 3 * len(scaleway.ZONES)
    assert {request.headers["x-auth-token"] for request in asked} == {"hush"}


# --- Linode


@pytest.mark.parametrize(
    ("label", "gpu"),
    [("RTX4000 Ada x1 Small", ("RTX 4000 Ada", 20)), ("Dedicated 32GB + RTX6000 GPU x1", ("Quadro RTX 6000", 24)),
     ("RTX PRO 6000 Blackwell x2", ("RTX PRO 6000", 96)), ("Something New", ("Something New", None))],
)  # fmt: skip
def test_linodes_gpu_is_in_its_label(label: str, gpu: tuple[str, int | None]) -> None:
    row = {"id": "t", "label": label, "gpus": 1, "price": {"hourly": 1.0}}
    [offer] = linode.normalise({"data": [row]}, fetched_at=AT)
    assert (offer.gpu_model, offer.vram_gb_per_gpu) == gpu


def test_linodes_types_without_a_key_are_listed_though_the_regions_are_refused() -> None:
    def answer(request: httpx.Request) -> Any:
        if request.url.path == "/v4/regions/availability":
            return httpx.Response(401)
        return {
            "data": [{"id": "t", "label": "RTX4000 Ada x1 Small", "gpus": 1, "price": {"hourly": 0.52}}],
            "pages": 1,
        }

    [offer], _ = fetch("linode", answer)
    assert (offer.region, offer.availability.value) == (None, "unknown")
    with pytest.raises(errors.BadCredentials):
        fetch("linode", answer, "wrong")


# --- Vultr


def test_a_slice_of_a_gpu_is_one_gpu_with_that_much_memory() -> None:
    row = {
        "id": "vcg-a100-3c-30g-20vram",
        "hourly_cost": 0.6,
        "gpu_vram_gb": 20,
        "gpu_type": "NVIDIA_A100",
        "locations": ["ewr"],
    }
    [offer] = vultr.normalise({"plans": [row]}, fetched_at=AT)
    assert (offer.gpu_count, offer.vram_gb_per_gpu) == (1, 20)


def test_vultrs_regions_are_asked_only_if_they_are_names() -> None:
    def answer(request: httpx.Request) -> Any:
        if request.url.path.endswith("/availability"):
            return {"available_plans": ["vcg-l4"]}
        if "metal" in request.url.path:
            return {"plans_metal": [{"id": "vbm-24c-256gb-amd", "locations": ["ord"]}]}
        rows = [
            {
                "id": "vcg-l4",
                "hourly_cost": 1,
                "gpu_vram_gb": 24,
                "gpu_type": "NVIDIA_L4",
                "locations": ["ewr", "../x", 7],
            }
        ]
        return {"plans": rows, "meta": {"links": {"next": ""}}}

    _, asked = fetch("vultr", answer)
    assert sorted(r.url.path for r in asked) == ["/v2/plans", "/v2/plans-metal", "/v2/regions/ewr/availability"]


@pytest.mark.parametrize(
    ("plan", "gpu"),
    [("vbm-112c-2048gb-8-a100-gpu", ("A100", 8, 80, "SXM4")), ("vbm-48c-1024gb-4-a100-gpu", ("A100", 4, 80, None)),
     ("vbm-64c-2048gb-l40-gpu", ("L40S", 1, 48, "PCIe")), ("vbm-256c-2048gb-8-mi300x-gpu", ("MI300X", 8, 192, None))],
)  # fmt: skip
def test_bare_metals_gpus_are_in_the_plans_id_and_its_price_is_a_month(plan: str, gpu: tuple[Any, ...]) -> None:
    [offer] = vultr.normalise(
        {"plans_metal": [{"id": plan, "monthly_cost": 7300, "locations": ["ewr"]}]}, fetched_at=AT
    )
    assert (offer.gpu_model, offer.gpu_count, offer.vram_gb_per_gpu, offer.interconnect) == gpu
    assert offer.price_micros_per_hour == 10_000_000


# --- CloudRift


def test_cloudrifts_prices_are_cents_and_its_sizes_bytes() -> None:
    variant = {"name": "v", "cost_per_hour": 39.5, "gpu_count": 1, "vram": 25757220864, "dram": 50 * GIB,
               "disk": 300 * GIB, "nodes_per_dc": {"us-east-nc-nr-1": 3}}  # fmt: skip
    kinds = [{"brand_short": "RTX 4090", "variants": [variant]}]
    [offer] = cloudrift.normalise({"data": {"instance_types": kinds}}, fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.native_price) == (395_000, "0.395")
    assert (offer.vram_gb_per_gpu, offer.ram_gb, offer.disk_gb) == (24, 50, 300)


def test_cloudrift_is_told_the_version_that_it_speaks() -> None:
    _, [request] = fetch("cloudrift", lambda _: {"data": {"instance_types": []}})
    assert json.loads(request.content)["version"] == cloudrift.VERSION
    assert "x-api-key" not in request.headers


# --- OVHcloud


def addon(**changed: Any) -> dict[str, Any]:
    technical = {"gpu": {"model": "H100", "number": 1, "memory": {"size": 80}}, "cpu": {"cores": 30}}
    return {
        "planCode": "h100-380.consumption",
        "pricings": [{"price": 280000000}],
        "blobs": {"technical": technical},
    } | changed


def test_ovhs_prices_are_hundred_millionths_of_the_currency_that_the_catalogue_names() -> None:
    euros = ovhcloud.normalise({"addons": [addon()]}, fetched_at=AT, rates=ONE_TO_TWO)
    dollars = ovhcloud.normalise({"locale": {"currencyCode": "USD"}, "addons": [addon()]}, fetched_at=AT)
    assert [offer.price_micros_per_hour for offer in (*euros, *dollars)] == [5_600_000, 2_800_000]
    assert ovhcloud.normalise({"locale": {"currencyCode": "XXX"}, "addons": [addon()]}, fetched_at=AT).skipped == {
        "currency": 1
    }


def test_ovhs_services_by_the_minute_are_no_machines_by_the_hour() -> None:
    minute = addon(blobs={**addon()["blobs"], "commercial": {"brick": "ai-serving"}})
    assert list(ovhcloud.normalise({"addons": [minute]}, fetched_at=AT)) == []


# --- Seeweb


@pytest.mark.parametrize("price", [0.85, "0.85", "$0.85", " 0.85 EUR "])
def test_seewebs_numbers_are_texts_or_numbers(price: Any) -> None:
    row = {
        "name": "p",
        "gpu": "1",
        "gpu_label": "L40s 48GB",
        "cpu": "8",
        "ram": "32768",
        "disk": "500",
        "hourly_price": price,
    }
    [offer] = seeweb.normalise({"plans": [row]}, fetched_at=AT, rates=ONE_TO_TWO)
    assert (offer.price_micros_per_hour, offer.ram_gb, offer.vram_gb_per_gpu) == (1_700_000, 32, 48)
    assert offer.availability.value == "unknown"  # "available" would say that it is sold, not that it can be had


# --- Koyeb


def test_koyebs_sizes_are_texts() -> None:
    row = {
        "id": "k",
        "price_hourly": "1.20",
        "memory": "1TB",
        "disk": "512MB",
        "gpu": {"count": 1, "name": "NVIDIA L40S", "memory": "48GB"},
    }
    [offer] = koyeb.normalise({"instances": [row]}, fetched_at=AT)
    assert (offer.ram_gb, offer.disk_gb, offer.vram_gb_per_gpu) == (1024, 0.5, 48)


# --- Oracle


def test_an_oracle_shape_costs_its_gpus_and_half_of_that_when_preemptible() -> None:
    shape = {"name": "VM.GPU.A10.2", "gpuQty": 2, "gpuMemoryQty": 48, "allowPreemptible": True,
             "products": [{"type": {"value": "ocpu"}, "partNumber": "B1", "qty": 30}]}  # fmt: skip
    product = {
        "partNumber": "B1",
        "currencyCodeLocalizations": [{"currencyCode": "USD", "prices": [{"model": "PAY_AS_YOU_GO", "value": 2.0}]}],
    }
    usual, preemptible = oci.normalise({"shapes": {"items": [shape]}, "products": {"items": [product]}}, fetched_at=AT)
    assert [(one.price_micros_per_hour, one.spot) for one in (usual, preemptible)] == [
        (4_000_000, False),
        (2_000_000, True),
    ]
    assert (usual.vram_gb_per_gpu, usual.vcpus) == (24, 60)  # an OCPU is two vCPUs, whatever the data calls it
    assert usual.offer_id != preemptible.offer_id


# --- Google


def sku(description: str, usd: float, usage: str = "OnDemand", unit: str = "h") -> dict[str, Any]:
    price = {"units": str(int(usd)), "nanos": round(usd % 1 * 1e9)}
    terms = {"usageUnit": unit, "tieredRates": [{"unitPrice": price}]}
    return {"description": f"{description} running in Americas", "category": {"usageType": usage},
            "serviceRegions": ["us-central1"],
            "pricingInfo": [{"pricingExpression": terms}]}  # fmt: skip


L4 = [sku("G2 Instance Core", 0.025), sku("G2 Instance Ram", 0.003, unit="GiBy.h"), sku("Nvidia L4 GPU", 0.56)]


def test_a_google_machine_is_the_sum_of_its_parts() -> None:
    # skypilot-catalog#31: the host's price alone was taken for the machine's
    offers = {one.provider_offer_id: one for one in gcp.normalise({"skus": L4}, fetched_at=AT)}
    assert len(offers) == 8
    assert offers["g2-standard-4"].price_micros_per_hour == 4 * 25_000 + 16 * 3_000 + 560_000
    assert offers["g2-standard-96"].price_micros_per_gpu_hour == (96 * 25_000 + 384 * 3_000 + 8 * 560_000) // 8


@pytest.mark.parametrize("missing", range(3))
def test_a_google_machine_with_a_part_that_has_no_price_is_not_sold(missing: int) -> None:
    parts = [part for index, part in enumerate(L4) if index != missing]
    assert list(gcp.normalise({"skus": parts}, fetched_at=AT)) == []


@pytest.mark.parametrize(
    "other",
    [
        "Commitment v1: Nvidia L4 GPU",
        "Nvidia L4 GPU Virtual Workstation",
        "G2 Custom Instance Core",
        "E2 Instance Core",
    ],
)
def test_googles_other_products_change_no_price(other: str) -> None:
    usual = gcp.normalise({"skus": L4}, fetched_at=AT)
    assert gcp.normalise({"skus": [sku(other, 0.001), *L4]}, fetched_at=AT) == usual


def test_small_a3_machines_are_sold_as_spot_only() -> None:
    def parts(usage: str) -> list[dict[str, Any]]:
        return [sku("A3 Instance Core", 0.03, usage), sku("A3 Instance Ram", 0.002, usage, "GiBy.h"),
                sku("Nvidia H100 80GB GPU", 9.8, usage),
                sku("SSD backed Local Storage", 0.08, usage, "GiBy.mo")]  # fmt: skip

    offers = gcp.normalise({"skus": [*parts("OnDemand"), *parts("Preemptible")]}, fetched_at=AT)
    assert [one.gpu_count for one in offers if not one.spot] == [8]
    assert sorted(one.gpu_count for one in offers if one.spot) == [1, 2, 4, 8]


def test_googles_wrong_key_is_a_400_with_a_word() -> None:
    refusal = {"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}
    with pytest.raises(errors.BadCredentials):
        fetch("gcp", lambda _: httpx.Response(400, json=refusal), "wrong")
    with pytest.raises(errors.UnknownAnswer):
        fetch("gcp", lambda _: httpx.Response(400, json={}), "k")


def test_googles_key_is_in_a_header_and_in_no_address() -> None:
    pages: dict[str | None, Any] = {None: {"skus": L4[:1], "nextPageToken": "t"}, "t": {"skus": L4[1:]}}
    offers, asked = fetch("gcp", lambda request: pages[request.url.params.get("pageToken")], "k-secret")
    assert len(offers) == 8
    assert all(request.headers["x-goog-api-key"] == "k-secret" for request in asked)
    assert not any("k-secret" in str(request.url) for request in asked)


# --- Amazon

AWS_KEY = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "hush-hush"}


def test_amazon_is_asked_with_a_signature_region_by_region() -> None:
    _, asked = fetch("aws", lambda _: {"PriceList": []}, AWS_KEY)
    fields = [{one["Field"]: one["Value"] for one in json.loads(request.content)["Filters"]} for request in asked]
    assert sorted(one["regionCode"] for one in fields) == sorted(aws.REGIONS)
    assert all(one["operatingSystem"] == "Linux" and one["tenancy"] == "Shared" for one in fields)
    for request in asked:
        assert request.headers["x-amz-target"] == "AWSPriceListService.GetProducts"
        assert "/us-east-1/pricing/aws4_request" in request.headers["authorization"]
        assert "hush-hush" not in repr(request.headers)


@pytest.mark.parametrize("key", ["text", {}, {"access_key_id": "a"}])
def test_amazon_needs_both_parts_of_its_key(key: Any) -> None:
    with pytest.raises(errors.BadCredentials):
        fetch("aws", lambda _: {"PriceList": []}, key)


@pytest.mark.parametrize(
    ("word", "error"),
    [("UnrecognizedClientException", errors.BadCredentials), ("ThrottlingException", errors.RateLimited),
     ("ValidationException", errors.UnknownAnswer)],
)  # fmt: skip
def test_amazons_refusals_are_all_400_and_told_apart_by_their_type(word: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        fetch("aws", lambda _: httpx.Response(400, json={"__type": word}), AWS_KEY)


# --- pages and places


def pages_of(answers: list[Any], **more: Any) -> Any:
    async def page(params: Mapping[str, str]) -> Any:
        return answers[int(params.get("at", 0))]

    def following(answer: Any, read: int) -> dict[str, str] | None:
        return {"at": str(answer["next"])} if "next" in answer else None

    return asyncio.run(asking.pages("p", page, lambda answer: wire.member("p", answer, "rows"), following, **more))


def test_pages_are_read_until_none_follows_or_one_is_empty() -> None:
    assert pages_of([{"rows": [1], "next": 1}, {"rows": [2]}]) == [1, 2]
    assert pages_of([{"rows": [1], "next": 1}, {"rows": [], "next": 1}]) == [1]


def test_a_list_that_never_ends_is_no_answer() -> None:
    # cut off, it would look like a market that is sold out
    with pytest.raises(errors.UnknownAnswer, match="pages"):
        pages_of([{"rows": [1], "next": 0}], most=5)


@pytest.mark.parametrize("rows", [None, {}, "text"])
def test_a_page_without_a_list_is_no_answer(rows: Any) -> None:
    with pytest.raises(errors.UnknownAnswer):
        pages_of([{"rows": rows}])


def test_no_more_places_are_asked_at_once_than_said() -> None:
    under_way = most = 0

    async def ask(place: str) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return place.upper()

    found = asyncio.run(asking.side_by_side(ask, "abcdefgh", at_most=3))
    assert found == {place: place.upper() for place in "abcdefgh"}
    assert most == 3


@pytest.mark.parametrize(
    ("module", "payload"),
    [(aws, {}), (cloudrift, {"data": {}}), (digitalocean, []), (gcp, None), (koyeb, {"usage": {}}), (linode, {}),
     (oci, {"shapes": {"items": []}}), (ovhcloud, {"plans": []}), (scaleway, {"zones": []}), (scaleway, {}),
     (seeweb, {"status": "ok"}), (vultr, {}), (vultr, {"plans": {}})],
)  # fmt: skip
def test_a_payload_of_another_shape_is_an_unknown_answer(module: Any, payload: Any) -> None:
    with pytest.raises(errors.UnknownAnswer):
        module.normalise(payload, fetched_at=AT)
