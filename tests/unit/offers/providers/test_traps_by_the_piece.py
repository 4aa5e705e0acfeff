"""The traps of the clouds that sell by the piece, at auction or without a price, one by one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gpubroker.offers import errors
from gpubroker.offers.providers import (
    akash,
    crusoe,
    cudo,
    fluidstack,
    hotaisle,
    hyperbolic,
    jarvislabs,
    latitude,
    mithril,
    paperspace,
    salad,
    tensordock,
    together,
)

AT = datetime(2026, 5, 24, 10, tzinfo=UTC)


def hot(**changed: Any) -> dict[str, Any]:
    specs = {
        "cpu_cores": 13,
        "ram_capacity": 240518168576,
        "disk_capacity": 13194139533312,
        "cpus": {"count": 1, "model": "Xeon Platinum 8470"},
        "gpus": [{"count": 1, "model": "MI300X", "manufacturer": "AMD"}],
    }
    return {"OnDemandPrice": 199, "Specs": specs} | changed


def test_hotaisle_prices_are_cents_and_sizes_bytes() -> None:
    [offer] = hotaisle.normalise([hot()], fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.native_price) == (1_990_000, "1.99")
    assert (offer.ram_gb, offer.disk_gb, offer.vram_gb_per_gpu) == (224, 12288, 192)
    assert offer.availability.value == "available"  # what is listed can be had


def jarvis(**changed: Any) -> dict[str, Any]:
    row = {
        "region": "india-noida-01",
        "gpu_type": "A100",
        "price_per_hour": 0.89,
        "vram": "40 GB",
        "cpus_per_gpu": 7,
        "ram_per_gpu": 32,
        "num_free_devices": 8,
        "effective_num_free_devices": 3,
        "num_gpus": 8,
        "workload_type": "vm",
    }
    return {"server_meta": [row | changed], "cpu_meta": {}}


def test_jarvislabs_prices_are_per_gpu_and_free_gpus_are_counted_for_each_size() -> None:
    offers = jarvislabs.normalise(jarvis(), fetched_at=AT)
    assert [(o.gpu_count, o.price_micros_per_hour, o.availability.value) for o in offers] == [
        (1, 890_000, "available"),
        (2, 1_780_000, "available"),
        (4, 3_560_000, "unavailable"),
        (8, 7_120_000, "unavailable"),
    ]
    assert (offers[1].vcpus, offers[1].ram_gb, offers[1].vram_gb_per_gpu) == (14, 64, 40)


@pytest.mark.parametrize(("effective", "free"), [(None, "available"), ("", "available"), (0, "unavailable")])
def test_jarvislabs_own_count_is_believed_when_the_effective_one_is_missing_and_not_when_it_is_zero(
    effective: Any, free: str
) -> None:
    offers = jarvislabs.normalise(jarvis(effective_num_free_devices=effective), fetched_at=AT)
    assert {offer.availability.value for offer in offers} == {free}


def test_jarvislabs_rows_of_containers_are_no_machines() -> None:
    assert jarvislabs.normalise(jarvis(workload_type="container"), fetched_at=AT) == []
    assert len(jarvislabs.normalise(jarvis(workload_type=None, num_gpus=1), fetched_at=AT)) == 1


def test_jarvislabs_sells_single_gpus_only_in_europe() -> None:
    offers = jarvislabs.normalise(jarvis(region="europe-01"), fetched_at=AT)
    assert [offer.gpu_count for offer in offers] == [1]


def dock(**changed: Any) -> dict[str, Any]:
    gpu = {
        "v0Name": "geforcertx4090-pcie-24gb",
        "displayName": "NVIDIA GeForce RTX 4090 PCIe 24GB",
        "max_count": 8,
        "price_per_hr": 0.35,
        "resources": {"max_vcpus": 96, "max_ram_gb": 400, "max_storage_gb": 2000},
        "network_features": {"dedicated_ip_available": True, "port_forwarding_available": True},
        "pricing": {"per_vcpu_hr": 0.003, "per_gb_ram_hr": 0.002, "per_gb_storage_hr": 0.00005},
    }
    place = {"id": "uuid-1", "city": "Dallas", "stateprovince": "Texas", "country": "United States", "tier": 3}
    return {"data": {"locations": [place | {"gpus": [gpu | changed]}]}}


def test_tensordock_a_machine_costs_the_sum_of_its_parts() -> None:
    one, _, _, eight = tensordock.normalise(dock(), fetched_at=AT)
    assert one.price_micros_per_hour == 350_000 + 8 * 3_000 + 32 * 2_000 + 100 * 50
    assert eight.price_micros_per_hour == 8 * 350_000 + 64 * 3_000 + 256 * 2_000 + 100 * 50
    assert (eight.vcpus, eight.ram_gb, eight.disk_gb) == (64, 256, 100)


def test_tensordock_prices_less_where_a_location_has_less_and_sells_what_it_prices() -> None:
    [*_, eight] = tensordock.normalise(dock(resources={"max_vcpus": 20, "max_ram_gb": 100}), fetched_at=AT)
    assert (eight.vcpus, eight.ram_gb) == (20, 100)
    assert eight.price_micros_per_hour == 8 * 350_000 + 20 * 3_000 + 100 * 2_000 + 100 * 50
    assert (eight.launch["vcpus"], eight.launch["ram_gb"], eight.launch["gpus"]) == (20, 100, 8)


def test_tensordocks_disk_beyond_the_smallest_has_its_price() -> None:
    offer = tensordock.normalise(dock(), fetched_at=AT)[0]
    assert (offer.launch["storage_cost"], offer.launch["storage_gb"]) == ("0.03600", 100)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"price_per_hr": 0}, "price"),
        ({"price_per_hr": -3}, "price"),
        ({"pricing": {"per_vcpu_hr": -1, "per_gb_ram_hr": 0, "per_gb_storage_hr": 0}}, "pricing"),
        ({"pricing": {"per_vcpu_hr": 0.1}}, "pricing.per_gb_ram_hr"),
        ({"resources": {"max_vcpus": 0}}, "resources"),
        ({"resources": {"max_storage_gb": 99}}, "resources"),
    ],
)
def test_tensordock_a_part_without_a_price_is_not_free(changed: dict[str, Any], reason: str) -> None:
    offers = tensordock.normalise(dock(**changed), fetched_at=AT)
    assert (list(offers), offers.skipped) == ([], {reason: 1})


def test_tensordocks_listings_are_stale_and_say_so() -> None:
    assert {offer.availability_confidence for offer in tensordock.normalise(dock(), fetched_at=AT)} == {0.3}
    [gone] = tensordock.normalise(dock(max_count=0), fetched_at=AT)
    assert (gone.gpu_count, gone.availability.value, gone.rentable) == (1, "unavailable", False)


@pytest.mark.parametrize(("dedicated", "rentable"), [(True, True), (None, True), (False, False)])
def test_tensordock_is_rented_only_with_an_address_of_its_own(dedicated: bool | None, rentable: bool) -> None:
    offers = tensordock.normalise(dock(network_features={"dedicated_ip_available": dedicated}), fetched_at=AT)
    assert {offer.rentable for offer in offers} == {rentable}


def test_together_prices_are_cents_a_minute_of_the_whole_endpoint() -> None:
    row = {
        "id": "2x_nvidia_a100_80gb_sxm",
        "pricing": {"cents_per_minute": 5.42},
        "specs": {"gpu_type": "a100-80gb", "gpu_link": "sxm", "gpu_memory": 80, "gpu_count": 2},
    }
    [offer] = together.normalise({"data": [row]}, fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.price_micros_per_gpu_hour) == (3_252_000, 1_626_000)
    assert (offer.gpu_model, offer.interconnect, offer.availability.value) == ("A100", "SXM4", "unknown")


def test_salad_prices_are_text_by_priority_and_every_node_can_vanish() -> None:
    prices = [{"priority": "high", "price": "0.30"}, {"priority": "batch", "price": "0.18"}]
    row = {"id": "c", "name": "RTX 4090 (24 GB)", "prices": prices, "gpu_class_type": "secure", "is_high_demand": True}
    high, batch = salad.normalise({"items": [row]}, fetched_at=AT)
    assert (high.price_micros_per_hour, batch.price_micros_per_hour) == (300_000, 180_000)
    assert (high.spot, batch.spot) == (True, True)
    assert high.compliance_tags == ("priority-high", "secure")
    assert (high.vcpus, high.ram_gb) == (None, None)  # billed on top, so not part of the price
    assert high.availability.value == "limited"


@pytest.mark.parametrize(("ram", "vram"), [("80Gi", 80), ("81920Mi", 80), (None, None), ("plenty", None)])
def test_akash_memory_is_text_with_a_unit(ram: str | None, vram: int | None) -> None:
    row = {"model": "h100", "ram": ram, "price": {"currency": "USD", "min": 1.25}}
    [offer] = akash.normalise({"models": [row]}, fetched_at=AT)
    assert (offer.vram_gb_per_gpu, offer.price_micros_per_hour) == (vram, 1_250_000)
    assert (offer.region, offer.native_region) == (None, None)


def test_akash_without_bids_is_listed_without_a_price() -> None:
    rows = [{"model": "p40", "price": None}, {"model": "t4", "price": {"currency": "USD", "min": None}}]
    offers = akash.normalise({"models": rows}, fetched_at=AT)
    assert [offer.price_micros_per_hour for offer in offers] == [None, None]
    assert [offer.rentable for offer in offers] == [False, False]


def test_hyperbolic_options_are_cents_of_the_whole_and_nodes_count_only_if_they_add_up() -> None:
    node = {"gpuCount": 8, "vcpuCount": 200, "ramGb": 1800}
    option = {"gpuType": "h100", "gpuFormFactor": "sxm5", "gpuCount": 4, "costPerHourCents": 796, "region": "us-east-1"}
    half, whole = hyperbolic.normalise([option | {"nodes": [node]}, option | {"gpuCount": 8, "nodes": [node]}],
                                       fetched_at=AT)  # fmt: skip
    assert (half.price_micros_per_hour, half.price_micros_per_gpu_hour) == (7_960_000, 1_990_000)
    assert (half.vcpus, whole.vcpus, whole.ram_gb) == (None, 200, 1800)
    assert half.availability.value == "unknown"


def test_hyperbolics_catalogue_for_skypilot_is_read_too() -> None:
    vm = {
        "InstanceType": "1x-H100-24-271",
        "AcceleratorName": "H100",
        "AcceleratorCount": 1.0,
        "vCPUs": 24.0,
        "MemoryGiB": 271.0,
        "StorageGiB": 1000,
        "Price": 1.99,
        "Region": "default",
        "GpuInfo": {"Gpus": [{"Name": "H100"}]},
    }
    [offer] = hyperbolic.normalise({"vms": [vm]}, fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.vcpus, offer.ram_gb) == (1_990_000, 24, 271)
    assert (offer.region, offer.availability.value, offer.rentable) == (None, "unknown", False)


def test_mithril_joins_prices_that_are_text_with_a_dollar_sign() -> None:
    kind = {"fid": "it_1", "name": "h100-80gb.sxm.8x", "gpu_type": "H100", "num_gpus": 8, "gpu_memory_gb": 80}
    sold = {"instance_type": "it_1", "region": "us-central2-a", "last_instance_price": "$12.00", "capacity": 2}
    [offer] = mithril.normalise({"instance-types": [kind], "spot/availability": [sold]}, fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.price_micros_per_gpu_hour) == (12_000_000, 1_500_000)
    assert (offer.spot, offer.interconnect, offer.region) == (True, "SXM5", "us-central")


def test_mithrils_types_alone_have_no_price() -> None:
    kind = {"fid": "it_1", "name": "h100", "gpu_type": "H100", "num_gpus": 8}
    [offer] = mithril.normalise([kind], fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.availability.value) == (None, "unknown")


def machine(**changed: Any) -> dict[str, Any]:
    return {
        "machineType": "m",
        "dataCenterId": "no-luster-1",
        "gpuModel": "A40 (compute mode)",
        "gpuPriceHr": {"value": "0.45"},
        "vcpuPriceHr": {"value": "0.0025"},
        "memoryGibPriceHr": {"value": "0.0031"},
        "storageGibPriceHr": {"value": "0.0001"},
        "ipv4PriceHr": {"value": "0.005"},
        "maxGpuFree": 2,
    } | changed


def test_cudo_a_machine_costs_the_sum_of_its_parts() -> None:
    one, two = cudo.normalise({"machineTypes": [machine()]}, fetched_at=AT)
    assert one.price_micros_per_hour == 450_000 + 8 * 2_500 + 32 * 3_100 + 100 * 100 + 5_000
    assert two.price_micros_per_hour == 900_000 + 16 * 2_500 + 64 * 3_100 + 100 * 100 + 5_000
    assert (one.gpu_model, one.region) == ("A40", "eu-north")


def test_cudos_shapes_keep_to_what_the_type_allows() -> None:
    [one, _] = cudo.normalise({"hostConfigs": [machine(maxVcpuPerGpu=4, maxVcpuPerMemoryGib=0.1)]}, fetched_at=AT)
    assert (one.vcpus, one.ram_gb) == (4, 40)
    [one, _] = cudo.normalise({"hostConfigs": [machine(minVcpuPerGpu=10, minVcpuPerMemoryGib=0.5)]}, fetched_at=AT)
    assert (one.vcpus, one.ram_gb) == (10, 20)


@pytest.mark.parametrize("part", ["gpuPriceHr", "vcpuPriceHr"])
def test_cudo_without_a_part_and_without_a_total_is_left_out(part: str) -> None:
    offers = cudo.normalise({"machineTypes": [machine(**{part: None})]}, fetched_at=AT)
    assert (list(offers), offers.skipped) == ([], {"price": 1})


def plan(**region: Any) -> dict[str, Any]:
    told = {
        "slug": "g4-h100-8x",
        "specs": {"gpu": {"count": 8, "type": "NVIDIA H100", "vram_per_gpu": 80}},
        "regions": [{"name": "United States", "pricing": {"USD": {"hour": 23.84}, "BRL": {"hour": 130}}} | region],
    }
    return {"data": [{"id": "plan_1", "type": "plans", "attributes": told}]}


def test_latitude_prices_are_the_dollars_of_a_region_and_its_sites_are_offered_one_by_one() -> None:
    places = {"available": ["CHI", "DAL"], "in_stock": ["DAL"]}
    chicago, dallas = latitude.normalise(plan(locations=places, stock_level="medium"), fetched_at=AT)
    assert {chicago.price_micros_per_hour, dallas.price_micros_per_hour} == {23_840_000}
    assert (chicago.availability.value, dallas.availability.value) == ("unavailable", "available")
    assert dallas.region == "us-central"
    assert (dallas.rentable, dallas.launch) == (False, {})  # a bare-metal server


def test_latitudes_machines_are_rented_at_a_site_that_has_them() -> None:
    told = {
        "slug": "vm-l40s",
        "specs": {"gpu": "NVIDIA L40S", "vcpus": 16},
        "regions": [
            {
                "name": "Germany",
                "locations": {"available": ["FRA", "BER"], "in_stock": ["FRA"]},
                "pricing": {"USD": {"hour": 0.74}},
            }
        ],
    }
    machines = {"data": [{"id": "plan_2", "attributes": told}]}
    berlin, frankfurt = latitude.normalise({"plans": {"data": []}, "plans/virtual_machines": machines}, fetched_at=AT)
    assert (berlin.rentable, frankfurt.rentable) == (False, True)
    assert frankfurt.launch == {"plan": "vm-l40s", "site": "FRA"}


def test_latitude_without_sites_says_what_its_region_says_and_can_not_be_launched() -> None:
    [offer] = latitude.normalise(plan(stock_level="unavailable"), fetched_at=AT)
    assert (offer.native_region, offer.availability.value, offer.launch) == ("United States", "unavailable", {})


def test_latitude_without_a_price_in_dollars_is_left_out() -> None:
    offers = latitude.normalise(plan(pricing={"BRL": {"hour": 130}}), fetched_at=AT)
    assert (list(offers), offers.skipped) == ([], {"price": 1})


def test_crusoe_tells_capacity_and_no_price() -> None:
    kind = {"product_name": "a100.1x", "num_gpu": 1, "gpu_type": "A100-PCIe-80GB", "cpu_cores": 12, "memory_gb": 120}
    both = {"types": {"items": [kind]}, "capacities": {"items": [
        {"type": "a100.1x", "location": "us-east1-a", "quantity": 2}, {"type": "a100.1x", "location": "us-east1-a"},
    ]}}  # fmt: skip
    [offer] = crusoe.normalise(both, fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.native_price, offer.rentable) == (None, None, False)
    assert (offer.availability.value, offer.vram_gb_per_gpu, offer.interconnect) == ("available", 80, "PCIe")
    [alone] = crusoe.normalise({"items": [kind]}, fetched_at=AT)
    assert (alone.native_region, alone.availability.value) == (None, "unknown")


def test_fluidstack_has_no_price_now_and_had_one_per_gpu() -> None:
    [offer] = fluidstack.normalise(
        [{"name": "h100.8x", "cpu": 192, "memory": "1440Gi", "gpuModel": "H100", "gpuCount": 8}], fetched_at=AT
    )
    assert (offer.price_micros_per_hour, offer.ram_gb, offer.availability.value) == (None, 1440, "unknown")
    former = [{"gpu_type": "H100_PCIE_80GB", "price_per_gpu_hr": "2.49", "gpu_counts": [2], "regions": ["norway_4_eu"]}]
    [offer] = fluidstack.normalise(former, fetched_at=AT)
    assert (offer.price_micros_per_hour, offer.region) == (4_980_000, "eu-north")


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("A100-80Gx8", ("A100", 8, 80)),
        ("V100-32G", ("V100", 1, 32)),
        ("A4000x2", ("RTX A4000", 2, 16)),
        ("RTX5000", ("Quadro RTX 5000", 1, 16)),
        ("P6000", ("Quadro P6000", 1, 24)),
        ("H100", ("H100", 1, None)),  # made with 80 and with 94 GB
    ],
)
def test_paperspace_machine_types_say_model_count_and_memory(label: str, told: tuple[Any, ...]) -> None:
    items = [{"availableMachines": [{"machineTypeLabel": label, "isAvailable": True}]}]
    [offer] = paperspace.normalise({"items": items}, fetched_at=AT)
    assert (offer.gpu_model, offer.gpu_count, offer.vram_gb_per_gpu) == told
    assert offer.price_micros_per_hour is None


@pytest.mark.parametrize("label", ["C5", "Air", "GPU+", ""])
def test_paperspace_machines_whose_gpu_nobody_knows_are_left_out(label: str) -> None:
    items = [{"availableMachines": [{"machineTypeLabel": label}]}]
    assert paperspace.normalise({"items": items}, fetched_at=AT) == []


@pytest.mark.parametrize(
    "module",
    [akash, crusoe, cudo, fluidstack, hotaisle, hyperbolic, jarvislabs, latitude, mithril, paperspace, salad,
     tensordock, together],
    ids=lambda module: module.SLUG,
)  # fmt: skip
@pytest.mark.parametrize("payload", [None, {}, "text", {"data": 3}, {"items": None}, {"models": {}}], ids=str)
def test_a_payload_of_another_shape_is_an_unknown_answer(module: Any, payload: Any) -> None:
    with pytest.raises(errors.UnknownAnswer):
        module.normalise(payload, fetched_at=AT)
