"""AWS: the Price List Query API, with its signature checked. Wire format: AWS Price List API reference."""

import json
import re
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.requests import Request
from starlette.responses import Response

from infra.local.providers.keys import CUSTOMER, PLATFORM, local_keys
from infra.local.providers.machines import stocked
from infra.local.providers.service import Call, Operation, Service, answer, refusing
from infra.local.providers.world import Shape

SLUG = "aws"

_REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1", "ap-southeast-2")
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/[^,]+, *SignedHeaders=(?P<signed>[^,]+), ")


def stock() -> list[Shape]:
    return stocked(SLUG, _REGIONS)


def _listed(shape: Shape) -> str:
    """One entry of the list: a JSON text, as it really is."""
    name = shape.details["name"]
    attributes = {
        "instanceType": name,
        "instanceFamily": "GPU instance",
        "regionCode": shape.region,
        "vcpu": str(int(shape.vcpus)),
        "memory": f"{int(shape.ram_gb):,} GiB" if shape.ram_gb > 2000 else f"{int(shape.ram_gb)} GiB",
        "gpu": str(shape.gpus),
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
    }
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": f"{shape.hourly():.10f}"}, "description": f"per {name} hour"}
    term = {"priceDimensions": {f"{name}.JRTCKXETXF.6YS6EN2CT7": dimension}, "offerTermCode": "JRTCKXETXF"}
    return json.dumps({
        "serviceCode": "AmazonEC2",
        "product": {"productFamily": "Compute Instance", "sku": name, "attributes": attributes},
        "terms": {"OnDemand": {f"{name}.JRTCKXETXF": term}},
    })  # fmt: skip


async def _products(call: Call) -> Response:
    wanted = await call.json()
    filters = {one["Field"]: one["Value"] for one in (wanted or {}).get("Filters", [])}
    rows = [
        _listed(shape)
        for shape in call.world.shapes[SLUG].values()
        if filters.get("regionCode") in (None, shape.region)
    ]
    begin, size = int(wanted.get("NextToken") or 0), min(100, int(wanted.get("MaxResults", 100)))
    told: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": rows[begin : begin + size]}
    if begin + size < len(rows):
        told["NextToken"] = str(begin + size)
    return answer(told)


async def _signed(call: Call) -> Response:
    """The signature needs the body, so it is looked at here: what is signed otherwise is no caller of ours."""
    if not await _right(call.request, call.account):
        return _refuse(401)
    return await _products(call)


async def _right(request: Request, account: str) -> bool:
    key = local_keys(account)[SLUG]
    found = _CREDENTIAL.match(request.headers["authorization"])
    if found is None:
        return False
    signed = {name: request.headers.get(name, "") for name in found["signed"].split(";")}
    again = AWSRequest("POST", str(request.url), data=await request.body(), headers=signed)
    again.context["timestamp"] = request.headers.get("x-amz-date", "")
    signer = SigV4Auth(Credentials(key["access_key_id"], key["secret_access_key"]), "pricing", "us-east-1")
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return request.headers["authorization"].endswith(f"Signature={signer.signature(text, again)}")


def _account(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    if not header:
        return ""
    found = _CREDENTIAL.match(header)
    keys = {local_keys(account)[SLUG]["access_key_id"]: account for account in (PLATFORM, CUSTOMER)}
    return keys.get(found["id"]) if found else None


_refuse = refusing(
    lambda status, message: {
        "__type": {401: "UnrecognizedClientException", 429: "ThrottlingException"}.get(
            status, "InternalErrorException"
        ),
        "Message": message,
    }
)

SERVICE = Service(
    slug=SLUG,
    stock=stock,
    operations=(Operation("POST", "/", "list", _signed),),
    refuse=_refuse,
    rows_of=lambda told: [told["PriceList"]] if isinstance(told.get("PriceList"), list) else [],
    account=_account,
)
