"""Where a machine stands: canonical regions, how native names map to them, and how far they are from each other.

A native name that is not understood gives None and is kept beside it: never guessed. "us" is the United States where
the provider does not say which part.
"""

import re
from functools import lru_cache

from gpubroker.offers.region_names import SITES

AS_OF = "2026-07-30"
SOURCE = (
    "Azure network round-trip latency statistics, P95 of the 30 days to 2026-07-30, "
    "https://learn.microsoft.com/azure/networking/azure-network-latency"
)

# Each canonical region is measured at one Azure region, in this order.
_MEASURED_AT: tuple[tuple[str, str], ...] = (
    ("us-east", "East US"),
    ("us-central", "Central US"),
    ("us-west", "West US"),
    ("ca", "Canada Central"),
    ("sa", "Brazil South"),
    ("eu-west", "West Europe"),
    ("eu-central", "Germany West Central"),
    ("eu-north", "Sweden Central"),
    ("me", "UAE North"),
    ("af", "South Africa North"),
    ("ap-south", "Central India"),
    ("ap-southeast", "Southeast Asia"),
    ("ap-northeast", "Japan East"),
    ("oceania", "Australia East"),
)
REGIONS: tuple[str, ...] = tuple(name for name, _ in _MEASURED_AT)

# Round trips in ms from each region to the ones after it in that order.
_ROUND_TRIPS: tuple[tuple[int, ...], ...] = (
    (35, 74, 22, 119, 89, 97, 110, 190, 226, 214, 229, 165, 207),
    (41, 35, 154, 118, 125, 142, 212, 253, 247, 201, 141, 178),
    (71, 171, 151, 158, 169, 249, 279, 224, 172, 110, 142),
    (132, 92, 101, 115, 187, 236, 216, 226, 165, 207),
    (191, 201, 209, 293, 327, 320, 337, 265, 298),
    (14, 31, 123, 171, 153, 182, 240, 282),
    (34, 122, 172, 150, 179, 246, 290),
    (148, 200, 174, 206, 258, 303),
    (105, 34, 87, 155, 182),
    (134, 211, 255, 348),
    (59, 129, 152),
    (74, 98),
    (105,),
)
# Two data centres of one canonical region: the order of East US to East US 2, Japan East to West, UK South to West.
_WITHIN = 10

_LATENCY: dict[tuple[str, str], int] = {(name, name): _WITHIN for name in REGIONS}
for _index, _row in enumerate(_ROUND_TRIPS):
    for _offset, _ms in enumerate(_row, start=1):
        _LATENCY[REGIONS[_index], REGIONS[_index + _offset]] = _ms
        _LATENCY[REGIONS[_index + _offset], REGIONS[_index]] = _ms

_US_PARTS = ("us-east", "us-central", "us-west")

_COUNTRIES: dict[str, str] = {
    code: region
    for region, codes in {
        "us": "US USA",
        "ca": "CA CAN",
        "sa": "BR AR CL CO PE UY EC PY BO VE",
        "eu-west": "GB UK IE FR NL BE LU ES PT",
        "eu-central": "DE CH AT CZ PL HU SK SI HR RO BG RS IT GR MD UA LI BA MK AL ME",
        "eu-north": "SE NO FI DK IS EE LV LT",
        "me": "AE IL SA QA BH KW OM JO TR",
        "af": "ZA NG KE EG MA GH",
        "ap-south": "IN PK BD LK NP",
        "ap-southeast": "SG MY TH VN ID PH KH",
        "ap-northeast": "JP KR TW HK CN MO MN",
        "oceania": "AU NZ",
    }.items()
    for code in codes.split()
}

_STATES: dict[str, str] = {
    code: region
    for region, codes in {
        "us-east": "ME NH VT MA RI CT NY NJ PA DE MD DC VA WV NC SC GA FL OH MI IN KY",
        "us-central": "TX OK KS NE SD ND MN IA MO AR LA MS AL TN WI IL",
        "us-west": "WA OR CA NV ID UT AZ MT WY CO NM AK HI",
    }.items()
    for code in codes.split()
}

# Words of places, lower case without spaces; longest match first, so that "washingtondc" wins over "washington".
_PLACES: dict[str, str] = {
    place: region
    for region, places in {
        "us": "unitedstates",
        "us-east": "newyork newjersey virginia washingtondc ashburn georgia atlanta florida miami northcarolina "
        "southcarolina pennsylvania massachusetts boston ohio michigan delaware maryland connecticut maine vermont "
        "newhampshire rhodeisland kentucky indiana westvirginia districtofcolumbia",
        "us-central": "texas dallas houston austin illinois chicago iowa desmoines kansas kansascity missouri "
        "nebraska oklahoma minnesota wisconsin tennessee alabama arkansas louisiana mississippi northdakota "
        "southdakota omaha",
        "us-west": "california sanfrancisco sanjose losangeles oregon portland washington seattle quincy utah "
        "saltlakecity arizona phoenix nevada lasvegas colorado denver idaho montana wyoming newmexico spokane "
        "alaska hawaii santaclara carlsbad",
        "ca": "canada toronto montreal quebec ontario vancouver calgary alberta britishcolumbia",
        "sa": "brazil saopaulo argentina chile colombia",
        "eu-west": "unitedkingdom england london manchester ireland dublin france paris netherlands amsterdam "
        "belgium brussels spain madrid portugal lisbon luxembourg",
        "eu-central": "germany frankfurt munich berlin nuremberg falkenstein switzerland zurich austria vienna "
        "czechia czechrepublic prague poland warsaw hungary budapest romania bucharest bulgaria italy milan "
        "slovakia slovenia croatia serbia greece ukraine moldova",
        "eu-north": "sweden stockholm norway oslo finland helsinki denmark copenhagen iceland reykjavik estonia "
        "latvia lithuania",
        "me": "unitedarabemirates dubai israel telaviv qatar saudiarabia bahrain turkey istanbul",
        "af": "southafrica johannesburg capetown nigeria kenya egypt morocco",
        "ap-south": "india mumbai pune hyderabad chennai bangalore delhi pakistan",
        "ap-southeast": "singapore malaysia kualalumpur johor thailand bangkok vietnam indonesia jakarta philippines",
        "ap-northeast": "japan tokyo osaka korea southkorea seoul taiwan taipei hongkong china",
        "oceania": "australia sydney melbourne newzealand auckland",
    }.items()
    for place in places.split()
}

_AREAS = {
    "us": "us",
    "usa": "us",
    "na": "us",
    "eu": "eu",
    "europe": "eu",
    "ap": "ap",
    "apac": "ap",
    "asia": "ap",
    "me": "me",
    "af": "af",
    "africa": "af",
    "ca": "ca",
    "sa": "sa",
    "au": "oceania",
    "oc": "oceania",
    "oceania": "oceania",
}
_DIRECTED: dict[tuple[str, str], str] = {
    ("us", "east"): "us-east",
    ("us", "west"): "us-west",
    ("us", "central"): "us-central",
    ("us", "south"): "us-central",
    ("us", "midwest"): "us-central",
    ("us", "northcentral"): "us-central",
    ("us", "southcentral"): "us-central",
    ("us", "north"): "us-central",
    ("us", "southwest"): "us-west",
    ("us", "northwest"): "us-west",
    ("us", "southeast"): "us-east",
    ("us", "northeast"): "us-east",
    ("eu", "west"): "eu-west",
    ("eu", "north"): "eu-north",
    ("eu", "central"): "eu-central",
    ("ap", "south"): "ap-south",
    ("ap", "southeast"): "ap-southeast",
    ("ap", "northeast"): "ap-northeast",
}

# Names that no rule reads right: (provider, native name in lower case) to region.
_EXACT: dict[tuple[str, str], str] = {
    ("latitude", "ash"): "us-east",
    ("latitude", "mia"): "us-east",
    ("latitude", "mia2"): "us-east",
    ("latitude", "nyc"): "us-east",
    ("latitude", "chi"): "us-central",
    ("latitude", "dal"): "us-central",
    ("latitude", "lax"): "us-west",
    ("latitude", "lax2"): "us-west",
    ("latitude", "bgt"): "sa",
    ("latitude", "bue"): "sa",
    ("latitude", "san"): "sa",
    ("latitude", "sao"): "sa",
    ("latitude", "sao2"): "sa",
    ("latitude", "lon"): "eu-west",
    ("latitude", "ams"): "eu-west",
    ("latitude", "fra"): "eu-central",
    ("latitude", "tyo"): "ap-northeast",
    ("latitude", "tyo2"): "ap-northeast",
    ("latitude", "tyo3"): "ap-northeast",
    ("latitude", "tyo4"): "ap-northeast",
    ("latitude", "syd"): "oceania",
    ("verda", "fin-01"): "eu-north",
    ("verda", "fin-02"): "eu-north",
    ("verda", "fin-03"): "eu-north",
    ("verda", "ice-01"): "eu-north",
    ("verda", "isr-01"): "me",
    ("azure", "eastus"): "us-east",
    ("azure", "eastus2"): "us-east",
    ("azure", "centralus"): "us-central",
    ("azure", "northcentralus"): "us-central",
    ("azure", "southcentralus"): "us-central",
    ("azure", "westus"): "us-west",
    ("azure", "westus2"): "us-west",
    ("azure", "westus3"): "us-west",
    ("azure", "westcentralus"): "us-west",
    ("azure", "canadacentral"): "ca",
    ("azure", "canadaeast"): "ca",
    ("azure", "brazilsouth"): "sa",
    ("azure", "brazilsoutheast"): "sa",
    ("azure", "northeurope"): "eu-west",
    ("azure", "westeurope"): "eu-west",
    ("azure", "uksouth"): "eu-west",
    ("azure", "ukwest"): "eu-west",
    ("azure", "francecentral"): "eu-west",
    ("azure", "spaincentral"): "eu-west",
    ("azure", "belgiumcentral"): "eu-west",
    ("azure", "germanywestcentral"): "eu-central",
    ("azure", "switzerlandnorth"): "eu-central",
    ("azure", "italynorth"): "eu-central",
    ("azure", "polandcentral"): "eu-central",
    ("azure", "austriaeast"): "eu-central",
    ("azure", "swedencentral"): "eu-north",
    ("azure", "norwayeast"): "eu-north",
    ("azure", "denmarkeast"): "eu-north",
    ("azure", "uaenorth"): "me",
    ("azure", "qatarcentral"): "me",
    ("azure", "israelcentral"): "me",
    ("azure", "southafricanorth"): "af",
    ("azure", "centralindia"): "ap-south",
    ("azure", "southindia"): "ap-south",
    ("azure", "jioindiawest"): "ap-south",
    ("azure", "southeastasia"): "ap-southeast",
    ("azure", "malaysiawest"): "ap-southeast",
    ("azure", "indonesiacentral"): "ap-southeast",
    ("azure", "eastasia"): "ap-northeast",
    ("azure", "japaneast"): "ap-northeast",
    ("azure", "japanwest"): "ap-northeast",
    ("azure", "koreacentral"): "ap-northeast",
    ("azure", "australiaeast"): "oceania",
    ("azure", "newzealandnorth"): "oceania",
    **{
        (slug, site): region
        for slug, regions in SITES.items()
        for region, sites in regions.items()
        for site in sites.split()
    },
}

_WORD = re.compile(r"[a-z]+")


@lru_cache(maxsize=4096)
def canonical_region(provider: str, native: str | None, country: str | None = None) -> str | None:
    """The canonical region of a provider's native name, with an ISO 3166 country code where there is one.

    Understands "Texas, US", "Norway, NO", "US-TX-3", "EU-RO-1", "us-east-1", "europe-central-1", "canada-1",
    "oslo-norway-1" and the names in the table. None when nothing is understood.
    """
    text = (native or "").strip()
    exact = _EXACT.get((provider, text.lower()))
    if exact is not None:
        return exact
    if found := _by_words(text):
        return found
    return _COUNTRIES.get((country or "").strip().upper())


def _by_words(text: str) -> str | None:
    place, comma, code = text.rpartition(",")
    if comma and len(code.strip()) <= 3:
        return _by_code(place.strip(), code.strip().upper())
    words: list[str] = _WORD.findall(text.lower())
    if not words:
        return None
    if region := _place_of(words):
        return region
    area = _AREAS.get(words[0], words[0])
    if len(words) > 1:
        if directed := _DIRECTED.get((area, words[1])):
            return directed
        if area == "us" and (state := _STATES.get(words[1].upper())):
            return state
        # RunPod: "EU-RO-1", "AP-JP-1", "OC-AU-1", "SEA-SG-1"; also "na-us-bos-1"
        if area in ("eu", "eur", "ap", "oceania", "sea", "us") and (country := _COUNTRIES.get(words[1].upper())):
            return country
    if area in ("us", "ca", "oceania", "me", "af", "sa"):
        return area
    return None


def _by_code(place: str, code: str) -> str | None:
    """ "Texas, US", "Norway, NO", "Los Angeles, CA", "Ontario, CA": the code is a country's, or else a state's."""
    named = _STATES.get(place.upper()) if len(place) == 2 else _place_of(_WORD.findall(place.lower()))
    country = _COUNTRIES.get(code)
    if country == "us":
        return named if named in _US_PARTS else country
    if code == "CA" and named in _US_PARTS:
        return named
    return country or _STATES.get(code)


def _place_of(words: list[str]) -> str | None:
    for length in (3, 2, 1):
        for start in range(len(words) - length + 1):
            if region := _PLACES.get("".join(words[start : start + length])):
                return region
    return None


def latency_ms(origin: str | None, region: str | None) -> int | None:
    """Round-trip time in ms between two canonical regions; None when either is not known.

    Within one region 10. For "us" without a part, the farthest part: a bound that holds.
    """
    if origin is None or region is None:
        return None
    trips = [
        _LATENCY.get((one, other))
        for one in (_US_PARTS if origin == "us" else (origin,))
        for other in (_US_PARTS if region == "us" else (region,))
    ]
    known = [trip for trip in trips if trip is not None]
    return max(known) if len(known) == len(trips) else None
