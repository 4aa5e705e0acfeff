"""Keys planted in every way in, and looked for in everything that comes out. R9.4 (229), 341.

Good ones and wrong ones, malformed ones, in the wrong place; customers' and the platform's; with providers that quote
the key in whatever they answer. Then logs, traces, events, answers, exceptions and stored items are searched.
"""

import json
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import boto3
import httpx
import pytest

from gpubroker.kernel.caller import Plan
from gpubroker.messaging import tracing
from gpubroker.offers.credentials import secrets_manager
from gpubroker.offers.instances import registry
from gpubroker.offers.integrations import check, vault
from gpubroker.offers.providers import registry as prices
from gpubroker.offers.slugs import SLUGS
from gpubroker.rentals.caps import LIMITS
from offers import sync_offers
from tests.contract.callers import Callers, Person
from tests.contract.house import House
from tests.contract.market import OFFER_IDS

ROUTE = "/api/v2/providers/config/integrations"
GOOD = "plant3d-good-0123456789abcdef"
GOOD_ID, GOOD_SECRET = "plant3d-client-0123456789", "plant3d-client-secret-0123456789"
WRONG = "plant3d-wrong-0123456789abcdef"
PLATFORM = "plant3d-platform-0123456789"
PLANTED = "plant3d"


class Echo(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A provider that takes the good keys, and quotes every other in what it says (`mode` says how).

    `honest` switches to it also for the good ones: they were revoked, or the provider is ill.
    """

    MODES = (
        "401 json",
        "401 text",
        "403 html",
        "429",
        "400",
        "500",
        "200 text",
        "200 json",
        "200 list",
        "reset",
        "header",
    )

    def __init__(self) -> None:
        self.mode, self.ill = "401 json", False
        self.seen: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = request.read() if isinstance(request.stream, httpx.SyncByteStream) else request.content
        carried = [value for value in request.headers.values() if PLANTED in value] + [body.decode("latin-1")]
        said = " ".join(carried)
        key = next(
            (word.strip('"') for word in said.replace(",", " ").replace(":", " ").split() if PLANTED in word), ""
        )
        self.seen.update(one for one in (GOOD, GOOD_ID, WRONG, PLATFORM) if one in said)
        if not self.ill and (GOOD in said or GOOD_ID in said or key == "plant3d-token"):
            return self._good(request)
        match self.mode:
            case "401 json":
                return httpx.Response(401, json={"error": f"invalid key {key}", "msg": key, "message": said})
            case "401 text":
                return httpx.Response(401, text=f"{key} is no key")
            case "403 html":
                return httpx.Response(403, html=f"<b>{key}</b>")
            case "429":
                return httpx.Response(429, text=f"{key} is too fast", headers={"retry-after": key})
            case "400":
                return httpx.Response(400, json={"error": key, "error_code": key, "message": said})
            case "500":
                return httpx.Response(500, text=f"{key} broke it")
            case "200 text":
                return httpx.Response(200, text=key)
            case "200 json":
                told = {"success": False, "error": key, "instances": key, "data": key, "new_contract": key}
                return httpx.Response(200, json=told)
            case "200 list":
                row = {"id": key, "label": key, "actual_status": key, "name": key, "status_msg": f"Error {key}"}
                return httpx.Response(200, json={"instances": [row], "data": [row], "offers": [row]})
            case "reset":
                raise httpx.ConnectError(f"cannot reach with {key}")
        raise httpx.LocalProtocolError(f"Illegal header value b'Bearer {key}'")

    def _good(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/oauth2/token"):
            return httpx.Response(200, json={"access_token": "plant3d-token"})
        rows: list[Any] = []
        if "verda" in str(request.url) or request.url.path.endswith("pricebook"):
            return httpx.Response(200, json=rows)
        return httpx.Response(200, json={"instances": rows, "data": rows, "flavors": rows, "pricebook": rows})


@dataclass
class Heard:
    """Everything that came out."""

    texts: list[str] = field(default_factory=list)

    def add(self, *what: object) -> None:
        self.texts += [str(one) for one in what]

    def error(self, error: BaseException) -> None:
        """As a log line, a trace or Step Functions would have it; with what it came from."""
        self.add(error, repr(error), *error.args, "".join(traceback.format_exception(error)))
        self.add(json.dumps(getattr(error, "extras", {}), default=str))

    def records(self, records: list[logging.LogRecord]) -> None:
        for record in records:
            self.add(record.getMessage(), repr(vars(record)))
            if record.exc_info:
                self.add("".join(traceback.format_exception(*record.exc_info)))

    def betrayals(self) -> list[str]:
        found = [text for text in self.texts if PLANTED in text]
        return [text[max(0, text.index(PLANTED) - 300) : text.index(PLANTED) + 60] for text in found]


@dataclass
class Trial:
    house: House
    callers: Callers
    echo: Echo
    heard: Heard

    def ask(self, method: str, path: str, who: Person, body: Any = None, **headers: str) -> Any:
        reply = self.house.call(method, path, token=who.token, body=body, headers=headers)
        self.heard.add(reply.text, reply.headers)
        return reply

    def task(self, context: str, name: str, event: Any) -> bool:
        """Whether a function behind the API did its work."""
        try:
            self.heard.add(json.dumps(import_module(f"{context}.{name}").handler(event, None), default=str))
        except Exception as error:
            self.heard.error(error)
            return False
        return True


class Tracer:
    """What X-Ray is given of an invocation: its name, and the exception that ends it."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self.segments = 0

    def capture_lambda_handler(self, handler: Any, *, capture_response: bool) -> Any:
        def captured(event: Any, context: Any) -> Any:
            self.segments += 1
            try:
                answer = handler(event, context)
            except Exception as error:
                self._heard.error(error)
                raise
            self._heard.add(answer if capture_response else "")
            return answer

        return captured


@pytest.fixture
def trial(
    house: House, callers: Callers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Trial]:
    echo, heard = Echo(), Heard()
    tracer = Tracer(heard)
    monkeypatch.setattr(tracing, "_tracer", lambda: tracer)
    monkeypatch.setattr(tracing, "sampled", lambda: True)
    monkeypatch.setenv("API_ID", "abc123")
    monkeypatch.setattr(prices, "new_client", lambda *, local: httpx.AsyncClient(transport=echo))
    monkeypatch.setattr(sync_offers.fetcher, "cache_clear", lambda: None, raising=False)
    caplog.set_level(logging.DEBUG, logger="gpubroker")
    caplog.set_level(logging.DEBUG, logger="contract")
    with httpx.Client(transport=echo) as client:
        monkeypatch.setattr(registry, "_client", lambda local: client)
        yield Trial(house, callers, echo, heard)
    assert tracer.segments > 0
    check._fetcher().close()


def test_a_planted_key_comes_out_nowhere(
    trial: Trial, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, free = trial.callers["pro"], trial.callers["free"]
    # A provider that fails keeps its rentals from ending: of each kind of failure one is held at the same time.
    monkeypatch.setitem(LIMITS, Plan.FREE, LIMITS[Plan.ENTERPRISE])
    secret = boto3.client("secretsmanager", region_name="us-east-1")
    secret.put_secret_value(SecretId="provider_keys_secret", SecretString=json.dumps(dict.fromkeys(SLUGS, PLATFORM)))
    _through_the_api(trial, own)
    _while_secrets_manager_fails(trial, own, monkeypatch)
    _through_rentals(trial, own, own_account=True)
    _through_rentals(trial, free, own_account=False)
    _through_the_sync(trial)

    assert vault.current(own.tenant, "vastai") == GOOD  # it did go in
    assert trial.echo.seen == {GOOD, GOOD_ID, WRONG, PLATFORM}
    trial.heard.records(caplog.records)
    trial.heard.add(*capfd.readouterr())
    events = 0
    for table in ("OffersTable", "RentalsTable", "IdentityTable"):
        for item in boto3.resource("dynamodb", region_name="us-east-1").Table(table).scan()["Items"]:
            events += item["pk"].startswith("OUTBOX#")
            trial.heard.add(repr(item))
    assert events > 3
    assert len(caplog.records) > 30
    assert not trial.heard.betrayals(), "\n\n".join(trial.heard.betrayals()[:5])


def _through_the_api(trial: Trial, own: Person) -> None:
    for _ in range(2):
        once = {"idempotency-key": "once"}
        assert trial.ask("POST", ROUTE, own, {"provider": "vastai", "api_key": GOOD}, **once).status == 201
    assert trial.ask("POST", ROUTE, own, {"provider": "lambdalabs", "api_key": GOOD}).status == 201
    parts = {"client_id": GOOD_ID, "client_secret": GOOD_SECRET}
    assert trial.ask("POST", ROUTE, own, {"provider": "verda", "credentials": parts}).status == 201
    assert trial.ask("POST", ROUTE, own, {"provider": "hyperstack", "api_key": GOOD}).status == 201
    for mode in Echo.MODES:
        trial.echo.mode = mode
        for number, provider in enumerate(
            ("vastai", "lambdalabs", "shadeform", "runpod", "hyperstack", "primeintellect")
        ):
            who = trial.callers[("enterprise", "free", "admin", "other")[number % 4]]
            reply = trial.ask("POST", ROUTE, who, {"provider": provider, "api_key": WRONG})
            assert reply.status in (422, 429, 503) or mode == "200 list", f"{mode} {provider}: {reply.text}"
    for body in (
        {"provider": "vastai", "api_key": f"{WRONG} {WRONG}"},
        {"provider": "vastai", "api_key": f"{WRONG}\r\nx-evil: 1"},
        {"provider": "vastai", "api_key": f"{WRONG}é"},
        {"provider": "vastai", "api_key": WRONG * 500},
        {"provider": "vastai", "api_key": [WRONG]},
        {"provider": "vastai", "api_key": {"key": WRONG}},
        {"provider": WRONG, "api_key": WRONG},
        {"provider": "vastai", "credentials": {"client_id": WRONG}},
        {"provider": "verda", "credentials": {"client_id": WRONG, "client_secret": f"{WRONG}\x00"}},
        {"provider": "verda", "api_key": WRONG},
        {"provider": "azure", "api_key": WRONG},
        {"provider": "vastai", "api_key": WRONG, "credentials": {"client_id": WRONG}},
        f'{{"provider": "vastai", "api_key": "{WRONG}"',
        f'{{"provider": "vastai", "api_key": {WRONG}}}',
    ):
        assert 400 <= trial.ask("POST", ROUTE, own, body).status < 500
    trial.ask("POST", ROUTE, own, {"provider": "vastai", "api_key": WRONG}, **{"idempotency-key": WRONG})
    trial.ask("GET", f"{ROUTE}?api_key={WRONG}", own)
    trial.ask("DELETE", f"{ROUTE}/{WRONG}", own)
    trial.ask("POST", ROUTE, Person(WRONG), {"provider": "vastai", "api_key": WRONG})
    assert trial.ask("GET", ROUTE, own).status == 200
    assert trial.ask("DELETE", f"{ROUTE}/hyperstack", own).status == 204


def _while_secrets_manager_fails(trial: Trial, own: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError, ParamValidationError

    client = secrets_manager()
    denied = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    for failure in (
        ParamValidationError(report=f"Invalid value for SecretString: {GOOD}"),
        ClientError({"Error": {"Code": "InternalServiceError", "Message": GOOD}}, "PutSecretValue"),
        ClientError(denied, "PutSecretValue"),
    ):

        def fail(*_: Any, failure: Exception = failure, **__: Any) -> None:
            raise failure

        with monkeypatch.context() as patch:
            patch.setattr(client, "put_secret_value", fail)
            who = trial.callers["enterprise"]
            reply = trial.ask("POST", ROUTE, who, {"provider": "vastai", "api_key": GOOD})
            assert reply.status >= 409, reply.text


def _through_rentals(trial: Trial, who: Person, *, own_account: bool) -> None:
    trial.echo.ill = True
    wanted = {"offer_id": OFFER_IDS[0], "duration_hours": 1}
    for mode in Echo.MODES:
        trial.echo.mode = mode
        asked = trial.ask("POST", "/api/v2/rentals", who, wanted)
        assert asked.status == 202, f"{mode}: {asked.text}"
        rental = asked.json()
        assert rental["billed_by"] == ("provider" if own_account else "gpubroker")
        work = {"tenant": who.tenant, "rental_id": rental["rental_id"], "operation_id": rental["rental_id"]}
        assert trial.task("rentals", "plan_work", work)
        made = trial.task("rentals", "create_instance", work | {"member_id": "m1"})
        assert not made, mode
        error = {"Error": "BadCredentials", "Cause": json.dumps({"errorMessage": trial.heard.texts[-2]})}
        trial.task("rentals", "undo_work", work | {"error": error})
        trial.task("rentals", "end_instance", work | {"member_id": "m1"})
        trial.task("rentals", "sweep_provider", {"provider": "vastai"})
        trial.ask("GET", f"/api/v2/rentals/{rental['rental_id']}", who)
        trial.ask("DELETE", f"/api/v2/rentals/{rental['rental_id']}", who)
    trial.echo.ill = False


def _through_the_sync(trial: Trial) -> None:
    trial.echo.ill = True
    for mode in Echo.MODES:
        trial.echo.mode = mode
        trial.task("offers", "sync_offers", {})
    trial.echo.ill = False
    sync_offers.fetcher().close()
    trial.ask("GET", "/api/v2/providers/health", Person(None))
