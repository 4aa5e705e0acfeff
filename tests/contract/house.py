"""The whole API in one process: every handler behind its route, on moto's AWS with the tables that the templates say.

A request becomes the event that an HTTP API sends (payload 2.0) and goes to the handler whose route matches, as the
gateways and the edge would have it. Redis is absent: limits are counted in the process.
"""

import base64
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import boto3
import pytest
from moto import mock_aws
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from infra.local import paths
from infra.local.providers.keys import PAYMENTS_KEY, PAYMENTS_WEBHOOK_SECRET
from infra.openapi import Endpoint, endpoints
from infra.rules.templates import all_templates, resources

REGION = "us-east-1"
ADDRESS = "203.0.113.7"
INTEGRATION_SECRETS = "gpubroker/integrations"
EDGE_SECRET = "the-edge-of-the-contract-tests"
CONTEXT_TABLES = {
    "BillingTable": "BILLING_TABLE",
    "DeliveryTable": "DELIVERY_TABLE",
    "IdentityTable": "IDENTITY_TABLE",
    "LedgerTable": "LEDGER_TABLE",
    "ManagementTable": "MANAGEMENT_TABLE",
    "OffersTable": "OFFERS_TABLE",
    "PricesTable": "PRICES_TABLE",
    "RentalsTable": "RENTALS_TABLE",
    "UsageTable": "USAGE_TABLE",
}


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Context:
    """What Lambda tells a function of itself, as far as anybody asks."""

    function_name = "contract"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:contract"
    aws_request_id = "00000000-0000-4000-8000-000000000000"


@dataclass
class House:
    """Routes and how to call them. `address` is the viewer's, as the edge would tell it."""

    address: str = ADDRESS
    routes: list[tuple[str, re.Pattern[str], Endpoint]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Fixed paths before those with parameters, as an HTTP API chooses.
        ordered = sorted(endpoints(), key=lambda endpoint: (endpoint.path.count("{"), endpoint.path))
        for endpoint in ordered:
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", endpoint.path)
            self.routes.append((endpoint.method, re.compile(pattern), endpoint))

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """A request as a client writes it; a body that is not text is sent as JSON."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
            sent.setdefault("content-type", "application/json")
        return self.send(method, path, sent, body.encode() if isinstance(body, str) else body or b"")

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The request on its way to a handler; where no route matches, to the one of `$default`."""
        parts = urlsplit(target)
        for wanted, pattern, endpoint in self.routes:
            match = pattern.fullmatch(parts.path)
            if match and wanted == method.upper():
                key, handler, parameters = f"{wanted} {endpoint.path}", endpoint.handler, match.groupdict()
                break
        else:
            route = paths.find(paths.read(), parts.path)
            assert route is not None, f"{parts.path} is no path of ours"
            key, handler, parameters = "$default", import_module(f"{route.context}.refuse_route").handler, {}
        event = self._event(key, method, parts.path, parts.query, headers, body, parameters)
        answer = handler(event, Context())
        text = answer["body"]
        if answer.get("isBase64Encoded"):
            text = base64.b64decode(text).decode(errors="replace")  # of a PDF, as much as is text
        return Reply(answer["statusCode"], answer["headers"], text)

    def _event(
        self,
        key: str,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        parameters: dict[str, str],
    ) -> dict[str, Any]:
        from urllib.parse import unquote

        binary = not _is_text(body)
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": key,
            "rawPath": unquote(path),
            "rawQueryString": query,
            "headers": {
                **headers,
                "x-origin-secret": EDGE_SECRET,
                "cloudfront-viewer-address": f"{self.address}:50000",
            },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "contract",
                "http": {"method": method.upper(), "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
                "requestId": "contract-1",
                "stage": "$default",
                "timeEpoch": 1,
            },
            "body": base64.b64encode(body).decode() if binary else body.decode(),
            "isBase64Encoded": binary,
        }
        if query:
            event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
        if parameters:
            event["pathParameters"] = {name: unquote(value) for name, value in parameters.items()}
        return event

    def wsgi(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """The same for tools that speak WSGI (schemathesis)."""
        request = Request(environ)
        target = quote(request.path, safe="/") + (f"?{request.query_string.decode()}" if request.query_string else "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = self.send(request.method, target, headers, request.get_data())
        response = Response(reply.text, status=reply.status, headers=Headers(list(reply.headers.items())))
        return response(environ, start_response)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def query(**parameters: object) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})


def forget() -> None:
    """Empty every cached factory of the product: clients and settings of one test are none of the next one's."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "gpubroker":
            for found in list(vars(module).values()):
                if isinstance(found, functools._lru_cache_wrapper):
                    found.cache_clear()


def make_tables() -> dict[str, str]:
    """Create each context's table with the keys, indexes and stream of its template; variable -> name."""
    client = boto3.client("dynamodb", region_name=REGION)
    names: dict[str, str] = {}
    for path in all_templates():
        for logical_id, table in resources(path, "AWS::DynamoDB::Table").items():
            properties = table["Properties"]
            client.create_table(
                TableName=logical_id,
                BillingMode=properties["BillingMode"],
                AttributeDefinitions=properties["AttributeDefinitions"],
                KeySchema=properties["KeySchema"],
                StreamSpecification={"StreamEnabled": True, **properties["StreamSpecification"]},
                **{key: properties[key] for key in ("GlobalSecondaryIndexes",) if key in properties},
            )
            names[CONTEXT_TABLES[logical_id]] = logical_id
    return names


@contextmanager
def house_on_moto() -> Iterator[House]:
    """AWS as the platform and the contexts make it, and the House in it."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        forget()
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "REDIS_URL", "PROVIDERS_URL"):
            patch.delenv(name, raising=False)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "ENVIRONMENT": "local",
            "POWERTOOLS_SERVICE_NAME": "contract",
            "EDGE_SECRET": EDGE_SECRET,
            "INTEGRATION_SECRETS": INTEGRATION_SECRETS,
            "MAIL_FROM": "no-reply@gpubroker.example",
            "REDIS_URL": "",
            "PROVIDERS_URL": "http://127.0.0.1:9",  # nobody listens there
            "PAYMENTS_URL": "http://127.0.0.1:9",
            **make_tables(),
            **_services(),
        }.items():
            patch.setenv(name, value)
        yield House()
        forget()


def _services() -> dict[str, str]:
    """The bus, the stream, the secrets and the queues; variable -> what it holds."""
    secrets = boto3.client("secretsmanager", region_name=REGION)
    made = {
        name: secrets.create_secret(Name=name.lower(), SecretString="{}")["ARN"]
        for name in ("SIGNING_KEYS_SECRET", "PROVIDER_KEYS_SECRET")
    }
    shared = json.dumps({"api_key": PAYMENTS_KEY, "webhook_secrets": [PAYMENTS_WEBHOOK_SECRET]})
    made["PAYMENTS_SECRET"] = secrets.create_secret(Name="payments_secret", SecretString=shared)["ARN"]
    made["WEBHOOK_KEY_ARN"] = secrets.create_secret(Name="webhook_key_secret", SecretString="k" * 48)["ARN"]
    boto3.client("events", region_name=REGION).create_event_bus(Name="gpubroker")
    for stream in ("prices", "usage-stream"):
        boto3.client("kinesis", region_name=REGION).create_stream(StreamName=stream, ShardCount=1)
    boto3.client("sesv2", region_name=REGION).create_email_identity(EmailIdentity="no-reply@gpubroker.example")
    queues = boto3.client("sqs", region_name=REGION)
    for variable in _queue_variables():
        made[variable] = queues.create_queue(QueueName=variable.lower())["QueueUrl"]
    return {
        **made,
        "EVENT_BUS": "gpubroker",
        "PRICE_STREAM": "prices",
        "USAGE_STREAM": "usage-stream",
        "USAGE_RETENTION_DAYS": "400",
    }


def _queue_variables() -> set[str]:
    from infra.rules.templates import functions

    return {
        variable
        for path in all_templates()
        for properties in functions(path).values()
        for variable in properties.get("Environment", {}).get("Variables", {})
        if variable.endswith("_QUEUE_URL")
    }


Caller = Callable[..., Reply]
