"""Amazon EC2: on-demand Linux prices of instance types with GPUs, by region.

POST / with X-Amz-Target AWSPriceListService.GetProducts, signed (SigV4), one region at a time, filtered to what one
tenant pays for plain Linux, pages of 100 by NextToken. The public price files hold the same in several hundred MB a
region, which no function can read every twenty seconds.
Units: pricePerUnit.USD text per hour of the whole instance; memory a text ("1,152 GiB"); gpu a count, under 1 for a
slice. The list names no GPU: family to GPU and memory are from the table in `aws_families.py`.
Sure: the operation, its signature, attributes and errors (the AWS Price List documentation). A careful guess: that
every type with GPUs is of the instanceFamily "GPU instance". Spot prices and capacity are not in the list.
Source: docs.aws.amazon.com/awsaccountbilling (GetProducts), dstackai/gpuhunt providers/aws.py.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import orjson

from gpubroker.offers import asking, errors, wire
from gpubroker.offers.compliance import tags
from gpubroker.offers.offer import Offer, offer_id_of
from gpubroker.offers.providers.aws_families import AS_OF, FAMILIES
from gpubroker.offers.regions import canonical_region

SLUG = "aws"
ORIGIN = "https://api.pricing.us-east-1.amazonaws.com"
SOURCE = f"AWSPriceListService.GetProducts + instance families as of {AS_OF}"
KEY_PARTS = ("access_key_id", "secret_access_key")

REGIONS = (
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2",
    "eu-west-3", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "ap-south-1",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-northeast-1", "ap-northeast-2", "me-central-1",
    "af-south-1",
)  # fmt: skip
_WANTED = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
_MEMORY = re.compile(r"([0-9,]+(?:\.[0-9]+)?) GiB")
_REFUSALS = (
    (b"UnrecognizedClient", errors.BadCredentials),
    (b"InvalidSignature", errors.BadCredentials),
    (b"IncompleteSignature", errors.BadCredentials),
    (b"MissingAuthentication", errors.BadCredentials),
    (b"ExpiredToken", errors.BadCredentials),
    (b"AccessDenied", errors.BadCredentials),
    (b"Throttling", errors.RateLimited),
)


class Attributes(wire.Row):
    instanceType: str  # noqa: N815  (the wire's own names, here and below)
    regionCode: str  # noqa: N815
    gpu: str | None = None
    vcpu: float | None = None
    memory: str | None = None
    operatingSystem: str | None = None  # noqa: N815
    tenancy: str | None = None
    preInstalledSw: str | None = None  # noqa: N815
    capacitystatus: str | None = None
    marketoption: str | None = None


class Product(wire.Row):
    attributes: Attributes


class Dimension(wire.Row):
    unit: str
    pricePerUnit: Mapping[str, Decimal]  # noqa: N815


class Term(wire.Row):
    priceDimensions: Mapping[str, Dimension]  # noqa: N815


class Terms(wire.Row):
    OnDemand: Mapping[str, Term]


class Listed(wire.Row):
    product: Product
    terms: Terms


async def fetch_payload(client: httpx.AsyncClient, base_url: str, key: Any) -> Any:
    """{"PriceList": of all regions and pages}. `key` is {"access_key_id", "secret_access_key"}."""
    if not isinstance(key, Mapping) or not {"access_key_id", "secret_access_key"} <= key.keys():
        raise errors.BadCredentials(SLUG, "access_key_id and secret_access_key are needed")

    async def region(name: str) -> list[Any]:
        wanted = {**_WANTED, "regionCode": name, "instanceFamily": "GPU instance"}
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]

        async def page(params: Mapping[str, str]) -> Any:
            asked = {"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "MaxResults": 100, "Filters": filters}
            body = {**asked, **params}
            headers = _signed(f"{base_url}/", body, key)
            return await asking.ask(client, SLUG, "POST", f"{base_url}/", headers=headers, body=body, reason=_reason)

        def following(answer: Any, read: int) -> dict[str, str] | None:
            token = answer.get("NextToken")
            return {"NextToken": str(token)} if token else None

        return await asking.pages(SLUG, page, lambda answer: wire.member(SLUG, answer, "PriceList"), following)

    found = await asking.side_by_side(region, REGIONS)
    return {"PriceList": [row for rows in found.values() for row in rows]}


def _signed(url: str, body: Any, key: Mapping[str, str]) -> dict[str, str]:
    """The headers of a signed call (SigV4); its body goes out as orjson writes it. botocore is imported when needed."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSPriceListService.GetProducts"}
    request = AWSRequest("POST", url, data=orjson.dumps(body), headers=headers)
    credentials = Credentials(key["access_key_id"], key["secret_access_key"], key.get("session_token"))
    SigV4Auth(credentials, "pricing", "us-east-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def _reason(body: bytes) -> errors.ProviderError | None:
    """By the exception that a refusal names: a wrong key and too many calls are both a 400."""
    for word, kind in _REFUSALS:
        if word in body:
            return kind(SLUG, word.decode())
    return None


def normalise(payload: Any, *, fetched_at: datetime | float | str) -> wire.Offers:
    """{"PriceList": [...]}, its rows JSON texts (as they come) or objects, to one offer per type and region."""
    harvest = wire.Harvest(SLUG, fetched_at)
    rows = wire.member(SLUG, payload, "PriceList")
    told = [_row(row) for row in rows] if isinstance(rows, list) else rows
    harvest.each(Listed, told, lambda listed: _offers(listed, harvest.fetched_at))
    return harvest.offers()


def _row(row: Any) -> Any:
    try:
        return asking.decoded(SLUG, row.encode()) if isinstance(row, str) else row
    except errors.UnknownAnswer:
        return row  # to be counted as no row


def _offers(listed: Listed, fetched_at: datetime) -> Iterable[Offer]:
    kind = listed.product.attributes
    family = FAMILIES.get(kind.instanceType.partition(".")[0])
    if family is None or any(getattr(kind, name) not in (None, value) for name, value in _WANTED.items()):
        return
    count = wire.amount(kind.gpu)
    if count is None or count < 1:
        return  # a slice of a GPU is no comparable offer
    gpus = wire.gpu_number(int(count))
    memory = _MEMORY.fullmatch(kind.memory or "")
    for hourly in list(_hourly(listed))[:1]:
        yield Offer(
            offer_id=offer_id_of(SLUG, kind.instanceType, kind.regionCode),
            provider=SLUG,
            provider_offer_id=kind.instanceType,
            source=SOURCE,
            gpu_model=family.gpu,
            gpu_count=gpus,
            vram_gb_per_gpu=family.vram_gb,
            vcpus=wire.tidy(kind.vcpu),
            ram_gb=wire.tidy(float(memory[1].replace(",", ""))) if memory else None,
            interconnect=family.form,
            region=canonical_region(SLUG, kind.regionCode),
            native_region=kind.regionCode,
            **wire.priced(hourly, gpus=gpus),
            compliance_tags=tags(SLUG),
            fetched_at=fetched_at,
        )


def _hourly(listed: Listed) -> Iterator[Decimal | None]:
    """The prices by the hour of the on-demand terms: one, in every list that was seen."""
    for term in listed.terms.OnDemand.values():
        for dimension in term.priceDimensions.values():
            if dimension.unit == "Hrs":
                yield dimension.pricePerUnit.get("USD")
