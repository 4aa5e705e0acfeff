"""Native region names to canonical ones, and the table of distances."""

from itertools import product

import pytest

from gpubroker.offers.regions import REGIONS, canonical_region, latency_ms


@pytest.mark.parametrize(
    ("provider", "native", "region"),
    [
        ("vastai", "Norway, NO", "eu-north"),
        ("vastai", "Texas, US", "us-central"),
        ("vastai", "California, US", "us-west"),
        ("vastai", "New York, US", "us-east"),
        ("vastai", ", US", "us"),
        ("vastai", "Ontario, CA", "ca"),
        ("vastai", "Georgia, US", "us-east"),
        ("vastai", "Georgia, GE", None),  # the country: not in the table, and not the state
        ("vastai", None, None),
        ("vastai", "", None),
        ("runpod", "EU-RO-1", "eu-central"),
        ("runpod", "EU-SE-1", "eu-north"),
        ("runpod", "EUR-IS-1", "eu-north"),
        ("runpod", "US-TX-3", "us-central"),
        ("runpod", "US-DE-1", "us-east"),  # Delaware, not Germany
        ("runpod", "US-CA-2", "us-west"),  # California, not Canada
        ("runpod", "CA-MTL-1", "ca"),
        ("runpod", "AP-JP-1", "ap-northeast"),
        ("runpod", "OC-AU-1", "oceania"),
        ("runpod", "SEA-SG-1", "ap-southeast"),
        ("lambdalabs", "us-south-2", "us-central"),
        ("lambdalabs", "us-midwest-1", "us-central"),
        ("lambdalabs", "europe-central-1", "eu-central"),
        ("lambdalabs", "asia-northeast-1", "ap-northeast"),
        ("lambdalabs", "asia-south-1", "ap-south"),
        ("lambdalabs", "me-west-1", "me"),
        ("lambdalabs", "australia-east-1", "oceania"),
        ("shadeform", "canada-1", "ca"),
        ("shadeform", "oslo-norway-1", "eu-north"),
        ("shadeform", "desmoines-usa-1", "us-central"),
        ("shadeform", "losangeles-usa-1", "us-west"),
        ("shadeform", "us-east-1a", "us-east"),
        ("shadeform", "Los Angeles, CA", "us-west"),
        ("shadeform", "North Texas, USA", "us-central"),
        ("hyperstack", "CANADA-1", "ca"),
        ("hyperstack", "NORWAY-1", "eu-north"),
        ("hyperstack", "US-1", "us"),
        ("verda", "FIN-01", "eu-north"),
        ("verda", "ICE-01", "eu-north"),
        ("azure", "westus2", "us-west"),
        ("azure", "germanywestcentral", "eu-central"),
        ("azure", "northeurope", "eu-west"),  # Ireland
        ("azure", "southafricanorth", "af"),
        ("azure", "newregion9", None),
        ("anyone", "moonbase-alpha-1", None),
    ],
)
def test_native_names_become_canonical_or_stay_unknown(provider: str, native: str | None, region: str | None) -> None:
    assert canonical_region(provider, native) == region


def test_a_country_helps_where_the_name_says_nothing() -> None:
    assert canonical_region("primeintellect", "ORD1", "US") == "us"
    assert canonical_region("primeintellect", "XYZ", "fi") == "eu-north"
    assert canonical_region("primeintellect", "XYZ", "ZZ") is None
    assert canonical_region("primeintellect", None, "JP") == "ap-northeast"


def test_distances_are_the_same_both_ways_and_least_within_a_region() -> None:
    for here, there in product(REGIONS, REGIONS):
        trip = latency_ms(here, there)
        assert trip is not None
        assert trip == latency_ms(there, here)
        assert trip >= (latency_ms(here, here) or 0)
        assert 10 <= trip < 400


def test_distances_are_those_of_the_source() -> None:
    # azure-network-latency, 2026-07-30: East US - West Europe, UAE North - Central India, Japan East - Australia East
    assert latency_ms("us-east", "eu-west") == 89
    assert latency_ms("me", "ap-south") == 34
    assert latency_ms("oceania", "ap-northeast") == 105
    assert latency_ms("af", "oceania") == 348


def test_an_unknown_place_has_no_distance_and_a_country_the_farthest() -> None:
    assert latency_ms(None, "us-east") is None
    assert latency_ms("us-east", None) is None
    assert latency_ms("atlantis", "us-east") is None
    assert latency_ms("eu-west", "us") == max(
        latency_ms("eu-west", f"us-{part}") or 0 for part in ("east", "central", "west")
    )
    assert latency_ms("us", "us") == 74
