"""Names that are in no table cost no offer and are counted."""

from gpubroker.offers.unknown import SHOWN, UnknownNames
from tests.unit.offers.making import an_offer


def test_unknown_names_are_counted_and_told_the_most_frequent_first() -> None:
    names = UnknownNames()
    names.note([an_offer(1), an_offer(2, gpu_model="Moonshot X9"), an_offer(3, gpu_model="Moonshot X9")])
    names.note([an_offer(4, gpu_model="Sunshot 1"), an_offer(5, region=None, native_region="Atlantis")])
    names.note([an_offer(6, region=None, native_region=None)])
    assert names.metrics() == {"UnknownGpuNames": 2, "UnknownRegionNames": 1}
    assert names.told() == {
        "unknown_gpus": ["Moonshot X9", "Sunshot 1"],
        "unknown_places": ["vastai: Atlantis"],
    }


def test_what_is_known_is_not_spoken_of() -> None:
    names = UnknownNames()
    names.note([an_offer(1)])
    assert (names.told(), names.metrics()) == ({}, {"UnknownGpuNames": 0, "UnknownRegionNames": 0})


def test_thousands_of_strange_names_are_a_number_and_twenty_examples() -> None:
    names = UnknownNames()
    names.note([an_offer(number, gpu_model=f"Strange {number}") for number in range(3000)])
    assert names.metrics()["UnknownGpuNames"] == 3000
    assert len(names.told()["unknown_gpus"]) == SHOWN
