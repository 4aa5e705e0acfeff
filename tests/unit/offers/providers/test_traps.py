"""The traps that each provider's documentation and its clients' issues warn of, one by one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gpubroker.offers import errors
from gpubroker.offers.providers import (
    azure,
    hyperstack,
    lambdalabs,
    primeintellect,
    runpod,
    shadeform,
    vastai,
    verda,
)

AT = datetime(2026, 5, 24, 10, tzinfo=UTC)


def ask(**changed: Any) -> dict[str, Any]:
    return {"id": 1, "gpu_name": "RTX 4090", "num_gpus": 1, "dph_total": 0.3, "rentable": True} | changed


def test_vastai_memory_is_mb_of_one_gpu_and_ram_is_a_share_of_the_host() -> None:
    [offer] = vastai.normalise(
        {"offers": [ask(gpu_ram=24564, num_gpus=4, cpu_ram=262144, cpu_cores=64, cpu_cores_effective=32)]},
        fetched_at=AT,
    )
    assert (offer.vram_gb_per_gpu, offer.ram_gb, offer.vcpus) == (24, 128, 32)


def test_vastai_without_the_hosts_cores_says_no_ram() -> None:
    [offer] = vastai.normalise({"offers": [ask(cpu_ram=262144, cpu_cores=None, cpu_cores_effective=8)]}, fetched_at=AT)
    assert (offer.ram_gb, offer.vcpus) == (None, 8)


def test_vastai_says_nothing_that_is_not_there() -> None:
    [offer] = vastai.normalise({"offers": [ask()]}, fetched_at=AT)
    absent = (offer.vram_gb_per_gpu, offer.vcpus, offer.ram_gb, offer.disk_gb, offer.interconnect, offer.region,
              offer.native_region, offer.reliability)  # fmt: skip
    assert absent == (None,) * 8
    assert offer.compliance_tags == ()


@pytest.mark.parametrize("reliability", [-0.1, 1.2])
def test_vastai_reliability_is_a_share_or_nothing(reliability: float) -> None:
    [offer] = vastai.normalise({"offers": [ask(reliability2=reliability)]}, fetched_at=AT)
    assert offer.reliability is None


def test_vastai_ids_are_the_asks_and_outlive_a_change_of_price() -> None:
    ids = [vastai.normalise({"offers": [ask(dph_total=p)]}, fetched_at=AT)[0].offer_id for p in (0.3, 0.4)]
    assert ids[0] == ids[1]


def test_lambda_prices_are_cents_of_the_whole_instance() -> None:
    def shape(cents: int, gpus: int) -> dict[str, Any]:
        kind = {
            "name": "n",
            "gpu_description": "A100 (40 GB SXM4)",
            "price_cents_per_hour": cents,
            "specs": {"gpus": gpus},
        }
        return {"data": {"n": {"instance_type": kind, "regions_with_capacity_available": []}}}

    [offer] = lambdalabs.normalise(shape(1032, 8), fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.price_micros_per_gpu_hour) == (10_320_000, 1_290_000)
    assert (offer.native_price, offer.vram_gb_per_gpu) == ("10.32", 40)


def test_lambda_without_capacity_is_one_unavailable_offer_and_not_one_per_region() -> None:
    # the trap of gpuhunt: every type times every region, whatever the capacity
    kind = {"name": "n", "gpu_description": "H100 (80 GB SXM5)", "price_cents_per_hour": 329, "specs": {"gpus": 1}}
    [offer] = lambdalabs.normalise(
        {"data": {"n": {"instance_type": kind, "regions_with_capacity_available": []}}}, fetched_at=AT
    )
    assert (offer.region, offer.availability.value, offer.rentable) == (None, "unavailable", False)


def test_shadeform_prices_are_cents() -> None:
    row = {
        "cloud": "c", "shade_instance_type": "s", "hourly_price": 50,
        "configuration": {"gpu_type": "A6000", "num_gpus": 1, "vram_per_gpu_in_gb": 48}, "availability": [],
    }  # fmt: skip
    [offer] = shadeform.normalise({"instance_types": [row]}, fetched_at=AT)
    assert offer.price_micros_per_hour == 500_000
    assert (offer.availability.value, offer.rentable) == ("unknown", False)  # no region, so nothing to ask for


def test_verda_memory_is_the_total_over_all_gpus() -> None:
    row = {"instance_type": "8H100", "price_per_hour": "18.32", "gpu": {"number_of_gpus": 8},
           "gpu_memory": {"size_in_gigabytes": 640}, "model": "H100", "currency": "usd"}  # fmt: skip
    [offer] = verda.normalise([row], fetched_at=AT)
    assert (offer.vram_gb_per_gpu, offer.price_micros_per_gpu_hour) == (80, 2_290_000)


def test_verda_reads_availability_by_location_and_spot_apart() -> None:
    row = {"instance_type": "1H100", "price_per_hour": "2.29", "spot_price": "0.8", "gpu": {"number_of_gpus": 1}}
    payload = {
        "instance-types": [row],
        "availability": [{"location_code": "FIN-01", "availabilities": ["1H100"]}],
        "locations": [{"code": "FIN-01", "country_code": "FI"}],
    }
    on_demand, spot = verda.normalise(payload, fetched_at=AT)
    assert (on_demand.native_region, on_demand.availability.value) == ("FIN-01", "available")
    assert (spot.native_region, spot.availability.value) == (None, "unknown")


def test_hyperstack_joins_the_price_of_the_gpu_and_multiplies_it() -> None:
    flavor = {"id": 1, "name": "f", "gpu": "H100-80G-PCIe", "gpu_count": 4, "region_name": "CANADA-1"}
    [offer] = hyperstack.normalise(
        {"flavors": {"data": [flavor]}, "pricebook": [{"name": "h100-80g-pcie ", "value": "1.90"}]}, fetched_at=AT
    )
    assert (offer.price_micros_per_hour, offer.vram_gb_per_gpu, offer.interconnect) == (7_600_000, 80, "PCIe")
    assert offer.availability.value == "unknown"


def test_hyperstack_without_a_price_is_left_out() -> None:
    flavor = {"id": 1, "name": "f", "gpu": "B200", "gpu_count": 1}
    offers = hyperstack.normalise({"flavors": [flavor], "pricebook": []}, fetched_at=AT)
    assert (list(offers), offers.skipped) == ([], {"no price of this GPU": 1})


def gpu_type(**changed: Any) -> dict[str, Any]:
    lowest = {
        "minimumBidPrice": None,
        "uninterruptablePrice": 2.99,
        "minVcpu": 20,
        "minMemory": 125,
        "stockStatus": "High",
    }
    return {
        "id": "g",
        "displayName": "H100 SXM",
        "memoryInGb": 80,
        "securePrice": 2.99,
        "lowestPrice": lowest,
    } | changed


def test_runpods_identity_ignores_what_changes_within_hours() -> None:
    # skypilot#6824: vCPU and RAM of lowestPrice
    other = {"minVcpu": 16, "minMemory": 94, "stockStatus": "Low", "uninterruptablePrice": 2.5}
    ids = {
        runpod.normalise({"data": {"gpuTypes": [gpu_type(**changed)]}}, fetched_at=AT)[0].offer_id
        for changed in ({}, {"lowestPrice": other}, {"securePrice": 3.5})
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("stock", "price", "availability"),
    [("High", 2.9, "available"), ("Medium", 2.9, "available"), ("Low", 2.9, "limited"), (None, None, "unavailable"),
     (None, 2.9, "unknown"), ("Plenty", 2.9, "unknown")],
)  # fmt: skip
def test_runpods_stock_in_our_words(stock: str | None, price: float | None, availability: str) -> None:
    lowest = {"stockStatus": stock, "uninterruptablePrice": price}
    [offer] = runpod.normalise({"data": {"gpuTypes": [gpu_type(lowestPrice=lowest)]}}, fetched_at=AT)
    assert offer.availability.value == availability


def test_runpods_spot_is_shown_and_not_rented() -> None:
    # skypilot#4914: without a bid of our own it may cost more than on demand
    lowest = {"minimumBidPrice": 1.5, "stockStatus": "High"}
    _, spot = runpod.normalise({"data": {"gpuTypes": [gpu_type(lowestPrice=lowest)]}}, fetched_at=AT)
    assert (spot.spot, spot.rentable, spot.price_micros_per_hour) == (True, False, 1_500_000)


def test_runpods_secure_cloud_is_attested_and_its_community_is_not() -> None:
    secure, community = runpod.normalise({"data": {"gpuTypes": [gpu_type(communityPrice=2.0)]}}, fetched_at=AT)
    assert "soc2" in secure.compliance_tags
    assert community.compliance_tags == ("community-cloud",)


def test_runpods_catalogue_speaks_for_the_types_that_it_has() -> None:
    catalogue = {"gpus": [{"id": "g", "name": "H100 SXM", "memory": 80, "price": {"secure": 3.1}}]}
    offers = runpod.normalise({"v2": catalogue, "graphql": {"data": {"gpuTypes": [gpu_type()]}}}, fetched_at=AT)
    assert [offer.price_micros_per_hour for offer in offers] == [3_100_000]


def test_primeintellect_price_is_of_the_whole_shape() -> None:
    row = {
        "cloudId": "c",
        "gpuType": "H100_80GB",
        "socket": "SXM5",
        "gpuCount": 8,
        "gpuMemory": 80,
        "prices": {"onDemand": 16},
    }
    [offer] = primeintellect.normalise({"items": [row]}, fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.price_micros_per_gpu_hour) == (16_000_000, 2_000_000)


@pytest.mark.parametrize("payload", [[1], {"items": [1]}, {"H100_80GB": [1]}])
def test_primeintellect_reads_the_list_under_any_of_its_names(payload: Any) -> None:
    assert primeintellect.normalise(payload, fetched_at=AT).skipped == {"row": 1}


def test_azure_sizes_with_a_part_of_a_gpu_or_none_are_no_offers_and_no_mistakes() -> None:
    base = {"currencyCode": "USD", "retailPrice": 1, "armRegionName": "eastus", "meterName": "m", "productName": "p",
            "unitOfMeasure": "1 Hour", "type": "Consumption"}  # fmt: skip
    offers = azure.normalise(
        {"Items": [base | {"armSkuName": name} for name in ("Standard_D2as_v5", "Standard_NV6ads_A10_v5", "", None)]},
        fetched_at=AT,
    )
    assert (list(offers), offers.skipped) == ([], {})


@pytest.mark.parametrize(
    ("module", "payload"),
    [(vastai, {}), (vastai, []), (lambdalabs, {"data": []}), (shadeform, None), (verda, {}),
     (hyperstack, {"flavors": []}),
     (azure, {"items": []}), (runpod, {}), (runpod, []), (primeintellect, None), (primeintellect, {})],
)  # fmt: skip
def test_a_payload_of_another_shape_is_an_unknown_answer(module: Any, payload: Any) -> None:
    with pytest.raises(errors.UnknownAnswer):
        module.normalise(payload, fetched_at=AT)
