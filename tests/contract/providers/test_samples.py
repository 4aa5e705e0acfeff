"""Each adapter against a recorded answer of its provider, traps included: what is read, what is left out and counted.

R7.1 (215): every provider's answer becomes the one Offer.
"""

import importlib
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gpubroker.offers.offer import Offer
from gpubroker.offers.providers.registry import CONVERTING, PROVIDERS

SAMPLES = Path(__file__).parent / "samples"
AT = datetime(2026, 5, 24, 10, tzinfo=UTC)

# (model, count, VRAM, form, region, micro-USD per hour, spot, availability, rentable)
Short = tuple[str, int, int | None, str | None, str | None, int | None, bool, str, bool]

EXPECTED: dict[str, tuple[list[Short], dict[str, int]]] = {
    "aws": (
        [
            ("H100", 8, 80, "SXM5", "us-east", 55_040_000, False, "unknown", False),
            ("A100", 8, 40, "SXM4", "eu-central", 24_153_350, False, "unknown", False),
            ("L4", 1, 24, "PCIe", "oceania", 1_046_200, False, "unknown", False),
        ],
        # a price of nothing; a row that is no JSON; the same type twice
        {"price": 1, "row": 1, "duplicate": 1},
    ),
    "gcp": (
        [
            # 12 cores, 85 GiB and one GPU; 26 cores, 234 GiB, one GPU and 750 GiB of SSD
            ("A100", 1, 40, "SXM4", "us-central", 3_673_385, False, "unknown", False),
            ("A100", 2, 40, "SXM4", "us-central", 7_346_770, False, "unknown", False),
            ("A100", 4, 40, "SXM4", "us-central", 14_693_540, False, "unknown", False),
            ("A100", 8, 40, "SXM4", "us-central", 29_387_080, False, "unknown", False),
            ("A100", 16, 40, "SXM4", "us-central", 55_739_504, False, "unknown", False),
            ("H100", 1, 80, "SXM5", "eu-central", 3_121_000, True, "unknown", False),
            ("H100", 2, 80, "SXM5", "eu-central", 6_242_000, True, "unknown", False),
            ("H100", 4, 80, "SXM5", "eu-central", 12_484_000, True, "unknown", False),
            ("H100", 8, 80, "SXM5", "eu-central", 24_968_000, True, "unknown", False),
        ],
        {"price": 1, "usageUnit": 1, "category": 1},
    ),
    "koyeb": (
        [
            ("RTX 4000 SFF Ada", 1, 20, None, "eu-central", 500_000, False, "limited", False),
            ("RTX 4000 SFF Ada", 1, 20, None, "us-east", 500_000, False, "unknown", False),
            ("H100", 4, 80, None, "us-east", 10_000_000, False, "available", False),
            ("A100", 1, 80, None, "eu-west", 1_600_000, False, "unavailable", False),
        ],
        {"price_hourly": 1, "price": 1},
    ),
    "oci": (
        [
            ("H100", 8, 80, "SXM5", None, 80_000_000, False, "unknown", False),
            ("A10", 2, 24, None, None, 4_000_000, False, "unknown", False),
            ("A10", 2, 24, None, None, 2_000_000, True, "unknown", False),
            ("V100", 1, 16, None, None, 2_950_000, False, "unknown", False),
        ],
        {"no price of this shape": 1, "name": 1},
    ),
    "ovhcloud": (
        [
            ("H100", 1, 80, None, None, 3_128_160, False, "unknown", False),
            ("V100S", 2, 32, None, None, 1_966_272, False, "unknown", False),
            ("A10", 1, 24, None, None, 849_072, False, "unavailable", False),
        ],
        # 0.75 that is shown as 750; no name of a GPU
        {"price": 1, "blobs.technical.gpu.model": 1},
    ),
    "seeweb": (
        [
            ("L40S", 1, 48, None, "eu-central", 949_620, False, "available", False),
            ("L40S", 1, 48, None, "eu-central", 949_620, False, "unavailable", False),
            ("A100", 2, 80, None, "eu-central", 2_212_056, False, "unavailable", False),
            ("Tenstorrent Wormhole", 1, None, None, None, 335_160, False, "unknown", False),
        ],
        {"hourly_price": 1},
    ),
    "cloudrift": (
        [
            ("RTX 4090", 1, 24, None, "us-east", 390_000, False, "available", False),
            ("RTX 4090", 1, 24, None, "us-west", 390_000, False, "unavailable", False),
            ("RTX 4090", 2, 24, None, "us-east", 780_000, False, "available", False),
            ("H100", 8, 80, None, None, 16_720_000, False, "unavailable", False),
        ],
        # 390,000 cents for one GPU; a variant without a name; a type that is text
        {"price": 1, "name": 1, "row": 1},
    ),
    "digitalocean": (
        [
            ("H100", 1, 80, None, "us-east", 3_390_000, False, "available", True),
            ("H100", 1, 80, None, "ca", 3_390_000, False, "available", True),
            ("H100", 8, 80, None, "us-east", 23_920_000, False, "available", True),
            ("MI300X", 1, 192, None, None, 1_990_000, False, "unavailable", False),
            ("RTX 6000 Ada", 1, 48, None, "ca", 1_570_000, False, "unavailable", False),
        ],
        {"price": 1, "gpu_info.model": 1},
    ),
    "linode": (
        [
            ("RTX 4000 Ada", 1, 20, None, "us-central", 520_000, False, "available", True),
            ("RTX 4000 Ada", 1, 20, None, "ap-northeast", 624_000, False, "unavailable", False),
            ("Quadro RTX 6000", 2, 24, None, None, 3_000_000, False, "unknown", False),
        ],
        {"price": 1, "available": 1},
    ),
    "scaleway": (
        [
            ("L4", 1, 24, None, "eu-west", 837_900, False, "available", True),
            ("H100", 8, 80, "SXM5", "eu-west", 25_726_882, False, "limited", True),
            ("H100", 1, 80, "PCIe", "eu-central", 3_049_956, False, "unavailable", False),
            ("L4", 1, 24, None, "eu-central", 837_900, False, "unknown", False),
        ],
        {"price": 1, "row": 1},
    ),
    "vultr": (
        [
            ("A100", 1, 80, None, "us-east", 2_397_000, False, "available", True),
            ("A100", 1, 80, None, "eu-central", 2_397_000, False, "unavailable", False),
            ("A16", 1, 2, None, "us-east", 59_000, False, "unknown", True),
            ("A16", 4, 16, None, None, 1_884_000, False, "unavailable", False),
            ("L40S", 8, 48, "PCIe", "us-east", 16_438_356, False, "available", False),
            ("H100", 8, 80, "SXM5", "us-central", 23_920_000, False, "unknown", False),
            ("GH200", 1, 96, None, "us-central", 1_990_000, False, "unknown", False),
        ],
        {"price": 1, "id": 1},
    ),
    "vastai": (
        [
            ("RTX 4090", 1, 24, None, "eu-north", 325_400, False, "available", True),
            ("RTX 4090", 1, 24, None, "eu-north", 205_400, True, "available", True),  # the bid and the disk
            ("H100", 8, 80, "SXM5", None, 12_480_000, False, "available", True),
            ("V100", 2, 16, None, "us-central", 300_000, False, "unavailable", False),
            ("Moonshot X9", 1, 20, None, None, 1_250_000, False, "unknown", True),
        ],
        # a negative and an absurd price; no GPU; a number for a name; a row that is no object; the same ask twice
        {"price": 2, "gpu_count": 1, "gpu_name": 1, "row": 1, "duplicate": 1},
    ),
    "runpod_graphql": (
        [
            ("H100", 1, 80, "SXM5", None, 2_990_000, False, "limited", True),
            ("H100", 1, 80, "SXM5", None, 2_690_000, False, "limited", True),
            ("H100", 1, 80, "SXM5", None, 1_500_000, True, "limited", False),
            ("H100", 2, 80, "SXM5", None, 5_980_000, False, "available", True),
            ("H100", 2, 80, "SXM5", None, 5_380_000, False, "available", True),
            ("H100", 2, 80, "SXM5", None, 3_000_000, True, "available", False),
            ("H100", 8, 80, "SXM5", None, 23_920_000, False, "unavailable", True),
            ("H100", 8, 80, "SXM5", None, 21_520_000, False, "unavailable", True),
            ("MI300X", 1, 192, None, None, 2_490_000, False, "unavailable", True),
        ],
        {"securePrice": 1},
    ),
    "runpod_catalog": (
        [
            ("RTX 4090", 1, 24, None, "eu-central", 690_000, False, "limited", True),
            ("RTX 4090", 1, 24, None, "us-central", 690_000, False, "unavailable", True),
            ("RTX 4090", 1, 24, None, None, 340_000, False, "unknown", True),
            ("L4", 1, 24, None, None, 430_000, False, "available", True),
        ],
        {},
    ),
    "lambdalabs": (
        [
            ("H100", 1, 80, "SXM5", "us-central", 3_290_000, False, "available", True),
            ("H100", 1, 80, "SXM5", "eu-central", 3_290_000, False, "available", True),
            ("A100", 8, 80, "SXM4", None, 14_320_000, False, "unavailable", False),
        ],
        {"instance_type.price_cents_per_hour": 1},
    ),
    "shadeform": (
        [
            ("RTX A6000", 1, 48, "PCIe", "ca", 500_000, False, "available", True),
            ("RTX A6000", 1, 48, "PCIe", "eu-north", 500_000, False, "unavailable", False),
            ("H100", 8, 80, "SXM5", "us-west", 23_920_000, False, "available", True),
        ],
        {"price": 1, "shade_instance_type": 1},
    ),
    "primeintellect": (
        [
            ("H100", 2, 80, "SXM5", "ca", 5_380_000, False, "available", False),
            ("A100", 1, 40, "PCIe", "eu-north", 350_000, True, "unavailable", False),
        ],
        {"currency": 1, "price": 1},
    ),
    "verda": (
        [
            ("H100", 1, 80, "SXM5", "eu-north", 2_290_000, False, "available", True),
            ("H100", 1, 80, "SXM5", "eu-north", 2_290_000, False, "available", True),
            ("H100", 1, 80, "SXM5", None, 800_000, True, "unavailable", False),
            ("A100", 8, 80, "SXM4", None, 10_320_000, False, "unavailable", False),
            ("A100", 8, 80, "SXM4", "eu-north", 3_600_000, True, "available", False),
        ],
        {"location_code": 1, "currency": 1, "price_per_hour": 1},
    ),
    "hyperstack": (
        [
            ("H100", 1, 80, "PCIe", "ca", 1_900_000, False, "available", True),
            ("H100", 8, 80, "PCIe", "ca", 15_200_000, False, "unavailable", False),
        ],
        {"value": 1, "no price of this GPU": 1},
    ),
    "azure": (
        [
            ("H100", 1, 94, "NVL", "us-east", 6_980_000, False, "unknown", False),
            ("H100", 1, 94, "NVL", "us-east", 1_396_000, True, "unknown", False),
            ("H100", 8, 80, "SXM5", None, 98_320_000, False, "unknown", False),
        ],
        {"unitOfMeasure": 1, "price": 1},
    ),
    "akash": (
        [
            ("H100", 1, 80, "SXM5", None, 1_250_000, False, "available", False),
            ("RTX 3060 Ti", 1, 8, "PCIe", None, None, False, "unavailable", False),
            ("A100", 1, 80, "SXM4", None, 1_500_000, False, "available", False),
        ],
        {"currency": 1, "model": 1},
    ),
    "crusoe": (
        [
            ("H100", 8, 80, "SXM5", "us-east", None, False, "available", False),
            ("H100", 8, 80, "SXM5", "eu-north", None, False, "unavailable", False),
            ("A100", 1, 80, "PCIe", "us-central", None, False, "available", False),
            ("MI355X", 8, 288, None, None, None, False, "unavailable", False),
        ],
        {"quantity": 1, "product_name": 1},
    ),
    "cudo": (
        [
            ("A100", 1, 80, "PCIe", "eu-north", 1_329_200, False, "available", False),
            ("A100", 2, 80, "PCIe", "eu-north", 2_643_400, False, "available", False),
            ("A40", 1, 48, None, "eu-north", 579_200, False, "unavailable", False),
            ("H100", 1, None, "SXM5", "us-west", 2_750_000, False, "available", False),
        ],
        {"price": 1, "gpuPriceHr.value": 1},
    ),
    "fluidstack": (
        [
            ("H100", 8, 80, "SXM5", "us-west", None, False, "unavailable", False),
            ("RTX A6000", 1, 48, None, "us-west", None, False, "unknown", False),
        ],
        {"name": 1},
    ),
    "fluidstack_former": (
        [
            ("H100", 1, 80, "PCIe", "eu-north", 2_490_000, False, "unknown", False),
            ("H100", 1, 80, "PCIe", "us-west", 2_490_000, False, "unknown", False),
            ("H100", 2, 80, "PCIe", "eu-north", 4_980_000, False, "unknown", False),
            ("H100", 2, 80, "PCIe", "us-west", 4_980_000, False, "unknown", False),
            ("RTX A6000", 1, 48, None, None, 490_000, False, "unknown", False),
        ],
        {"price_per_gpu_hr": 1},
    ),
    "hotaisle": (
        [
            ("MI300X", 1, 192, None, "us-east", 1_990_000, False, "available", False),
            ("MI300X", 2, 192, None, "us-east", 3_980_000, False, "unavailable", False),
        ],
        {"price": 1, "Specs.cpu_cores": 1, "OnDemandPrice": 1},
    ),
    "hyperbolic": (
        [
            ("H100", 8, None, "SXM5", "us-east", 15_920_000, False, "available", False),
            ("H200", 1, None, "SXM5", "us-west", 2_490_000, False, "unavailable", False),
            ("B200", 8, None, None, "us-west", 32_000_000, False, "unavailable", False),
        ],
        {"costPerHourCents": 1},
    ),
    "jarvislabs": (
        [
            ("A100", 1, 80, None, "ap-south", 1_490_000, False, "available", False),
            ("A100", 1, 80, None, "ap-south", 660_000, True, "available", False),
            ("A100", 2, 80, None, "ap-south", 2_980_000, False, "unavailable", False),
            ("A100", 2, 80, None, "ap-south", 1_320_000, True, "available", False),
            ("H100", 1, 80, None, None, 2_690_000, False, "available", False),
            ("RTX PRO 6000", 1, 96, None, None, 1_890_000, False, "unavailable", False),
        ],
        {"price": 1},
    ),
    "latitude": (
        [
            ("H100", 8, 80, "SXM5", "us-central", 23_840_000, False, "unavailable", False),
            ("H100", 8, 80, "SXM5", "us-central", 23_840_000, False, "limited", False),
            ("H100", 8, 80, "SXM5", "sa", 30_000_000, False, "unavailable", False),
            ("H100", 8, 80, "SXM5", "ap-northeast", 25_500_000, False, "available", False),
            ("L40S", 1, 48, None, "eu-central", 740_000, False, "available", True),
        ],
        {"price": 1, "attributes.specs.drives": 1},
    ),
    "mithril": (
        [
            ("H100", 8, 80, "SXM5", "us-central", 12_000_000, True, "available", False),
            ("H100", 8, 80, "SXM5", "eu-central", 1_024_000_000, True, "unavailable", False),
        ],
        {"fid": 1, "price": 1},
    ),
    "paperspace": (
        [
            ("A100", 8, 80, None, None, None, False, "available", False),
            ("Quadro P4000", 1, 8, None, None, None, False, "unknown", False),
            ("Quadro RTX 5000", 1, 16, None, None, None, False, "available", False),
        ],
        {"duplicate": 1, "availableMachines.0.machineTypeLabel": 1},
    ),
    "salad": (
        [
            ("RTX 4090", 1, 24, None, None, 300_000, True, "available", False),
            ("RTX 4090", 1, 24, None, None, 180_000, True, "available", False),
            ("RTX 3090", 2, 24, None, None, 400_000, True, "limited", False),
            ("RTX 9999", 1, None, None, None, 50_000, True, "unknown", False),
        ],
        {"price": 2},
    ),
    "tensordock": (
        [
            ("RTX 3090", 1, 24, "PCIe", "us-west", 293_000, False, "available", True),
            ("RTX 3090", 2, 24, "PCIe", "us-west", 569_000, False, "available", True),
            ("H100", 1, 80, "SXM5", "us-west", 2_343_000, False, "unavailable", False),
        ],
        {"price": 1, "pricing": 1, "resources": 1, "id": 1},
    ),
    "together": (
        [
            ("A100", 2, 80, "SXM4", None, 3_252_000, False, "unavailable", False),
            ("H100", 1, 80, "SXM5", None, 3_360_000, False, "unknown", False),
        ],
        {"price": 1, "pricing.cents_per_minute": 1},
    ),
}


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def normalise(name: str, payload: Any) -> Any:
    return importlib.import_module(PROVIDERS[name.partition("_")[0]]).normalise(payload, fetched_at=AT)


def short(offer: Offer) -> Short:
    return (
        offer.gpu_model,
        offer.gpu_count,
        offer.vram_gb_per_gpu,
        offer.interconnect,
        offer.region,
        offer.price_micros_per_hour,
        offer.spot,
        offer.availability.value,
        offer.rentable,
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_answer_becomes_these_offers_and_the_bad_rows_are_counted(name: str) -> None:
    offers = normalise(name, sample(name))
    expected, skipped = EXPECTED[name]
    assert [short(offer) for offer in offers] == expected
    assert offers.skipped == Counter(skipped)


@pytest.mark.parametrize("name", EXPECTED)
def test_ids_are_unique_stable_and_do_not_depend_on_the_order_of_rows(name: str) -> None:
    payload = sample(name)
    once, twice = normalise(name, payload), normalise(name, sample(name))
    assert [offer.offer_id for offer in once] == [offer.offer_id for offer in twice]
    assert len({offer.offer_id for offer in once}) == len(once)
    assert all(offer.offer_id.startswith(f"{offer.provider}-") for offer in once)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_offer_keeps_its_source_its_own_price_and_the_time_of_the_answer(name: str) -> None:
    for offer in normalise(name, sample(name)):
        assert offer.fetched_at == AT
        assert offer.source
        assert (offer.currency != "USD") <= (offer.provider in CONVERTING)
        assert (offer.exchange_rate is None) is (offer.currency == "USD")
        if offer.native_price is None:  # a cloud that tells no price is listed without one
            assert (offer.price_micros_per_hour, offer.price_micros_per_gpu_hour) == (None, None)
            continue
        rate = float(offer.exchange_rate or 1)
        assert offer.price_micros_per_hour == pytest.approx(float(offer.native_price) * rate * 1e6, abs=0.5)
        assert offer.price_micros_per_gpu_hour == pytest.approx(offer.price_micros_per_hour / offer.gpu_count, abs=1)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_offer_survives_being_stored(name: str) -> None:
    for offer in normalise(name, sample(name)):
        assert Offer.from_record(json.loads(json.dumps(offer.to_record()))) == offer


def test_both_answers_of_runpod_join_without_a_duplicate() -> None:
    joined = normalise("runpod", {"v2": sample("runpod_catalog"), "graphql": sample("runpod_graphql")})
    assert len(joined) == len(EXPECTED["runpod_graphql"][0]) + len(EXPECTED["runpod_catalog"][0])


def test_verdas_bare_list_says_nothing_of_places() -> None:
    offers = normalise("verda", sample("verda")["instance-types"])
    assert {offer.availability.value for offer in offers} == {"unknown"}
    assert {offer.region for offer in offers} == {None}
    assert sorted(offer.spot for offer in offers) == [False, False, True, True]


def test_the_launch_values_are_what_creating_needs_and_no_part_of_the_offers_text() -> None:
    on_demand, spot = normalise("vastai", sample("vastai"))[:2]
    disk = {"storage_cost": "0.15", "storage_gb": 32}
    assert on_demand.launch == {"ask_id": "7301122", **disk}
    assert spot.launch == {"ask_id": "7301122", "bid": "0.19", **disk}
    assert "launch" not in repr(spot)
    shade = normalise("shadeform", sample("shadeform"))[0]
    assert shade.launch == {
        "cloud": "hyperstack",
        "region": "canada-1",
        "shade_instance_type": "A6000",
        "os": "ubuntu22.04_cuda12.2_shade_os",
    }


def test_disk_that_vastai_does_not_price_costs_what_the_listed_price_shows() -> None:
    payload = sample("vastai")
    rows = [row for row in payload["offers"] if isinstance(row, dict)]
    for row in rows:
        row.pop("storage_cost", None)
        row |= {"dph_base": 0.3, "dph_total": 0.308}  # 32 GB at 0.18 a month
    assert {offer.launch["storage_cost"] for offer in normalise("vastai", payload)} == {"0.18"}
    for row in rows:
        del row["dph_base"]
    assert not any("storage_cost" in offer.launch for offer in normalise("vastai", payload))


def test_one_log_line_tells_of_all_rows_that_were_left_out(caplog: pytest.LogCaptureFixture) -> None:
    normalise("vastai", sample("vastai"))
    assert [record.message for record in caplog.records] == ["rows skipped"]
    assert caplog.records[0].skipped["price"] == 2  # type: ignore[attr-defined]
