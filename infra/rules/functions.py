"""Each function: a file that exists, a role and a log group of its own context, names of variables from one list."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.rules.templates import ROOT, Finding, functions, name_of, resources

ENVIRONMENT_NAMES = frozenset(
    {
        "API_ID",
        "EDGE_SECRET",
        "ENVIRONMENT",
        "EVENT_BUS",
        "EXCHANGE_RATES_URL",
        "IDENTITY_TABLE",
        "MAIL_FROM",
        "OFFERS_TABLE",
        "PAYOUT_DEBTOR_BIC",
        "PAYOUT_DEBTOR_IBAN",
        "PAYOUT_DEBTOR_NAME",
        "PAYOUT_FILES",
        "PAYMENTS_SECRET",
        "PAYMENTS_URL",
        "POWERTOOLS_SERVICE_NAME",
        "PRICE_STREAM",
        "USAGE_RETENTION_DAYS",
        "USAGE_STREAM",
        "USAGE_TABLE",
        "PYDANTIC_DISABLE_PLUGINS",
        "PROVIDERS_URL",
        "PROVIDER_KEYS_SECRET",
        "INTEGRATION_SECRETS",
        "REDIS_URL",
        "BILLING_TABLE",
        "DELIVERY_TABLE",
        "LEDGER_TABLE",
        "MANAGEMENT_TABLE",
        "PRICES_TABLE",
        "RENTALS_TABLE",
        "SIGNING_KEYS_SECRET",
        "SOCKET_API_ID",
        "ACCESS_TOKEN_SECONDS",
    }
)
# Powertools' own switches, and names of what only one context has (its queues, functions and state machines).
ENVIRONMENT_PREFIXES = ("POWERTOOLS_",)
ENVIRONMENT_SUFFIXES = ("_QUEUE_URL", "_FUNCTION", "_STATE_MACHINE", "_ARN", "_SECONDS", "_LIMIT", "_TTL")

STREAMS = {"Kinesis", "DynamoDB"}
STREAM_SETTINGS = (
    "BisectBatchOnFunctionError",
    "FunctionResponseTypes",
    "MaximumRetryAttempts",
    "MaximumRecordAgeInSeconds",
    "DestinationConfig",
)
# An HTTP API gives up after 30 s (and `Prefer: wait` asks for 25 at most).
API_SECONDS = 29


def check(path: Path) -> Iterator[Finding]:
    for name, properties in functions(path).items():
        where = f"{name_of(path)} {name}"
        yield from _handler(where, path.stem, properties)
        if "Role" in properties:
            yield Finding(where, "brings a Role; each function has its own, from its Policies")
        for key in ("Timeout", "MemorySize", "Description", "LoggingConfig"):
            if key not in properties:
                yield Finding(where, f"lacks {key}")
        yield from _variables(where, properties)
        yield from _network(where, properties)
        for event in properties.get("Events", {}).values():
            yield from _event(where, event, properties)


def _handler(where: str, context: str, properties: dict[str, Any]) -> Iterator[Finding]:
    if properties.get("CodeUri") != "../functions/":
        yield Finding(where, f"CodeUri is {properties.get('CodeUri')!r}, not '../functions/'")
    handler = properties.get("Handler", "")
    module, _, attribute = handler.rpartition(".")
    file = ROOT / "functions" / Path(*module.split(".")).with_suffix(".py")
    if attribute != "handler" or not module.startswith(f"{context}."):
        yield Finding(where, f"Handler is {handler!r}, not {context}.<verb_noun>.handler")
    elif not file.is_file():
        yield Finding(where, f"names {name_of(file)}, which does not exist")


def _variables(where: str, properties: dict[str, Any]) -> Iterator[Finding]:
    for variable in properties.get("Environment", {}).get("Variables", {}):
        known = variable in ENVIRONMENT_NAMES or variable.startswith(ENVIRONMENT_PREFIXES)
        if not known and not variable.endswith(ENVIRONMENT_SUFFIXES):
            yield Finding(where, f"sets {variable}, which is no name of ours")


def _network(where: str, properties: dict[str, Any]) -> Iterator[Finding]:
    """Inside the VPC stands what touches Redis, and nothing leads out of it but the endpoint of DynamoDB."""
    inside = "VpcConfig" in properties
    touches_redis = "REDIS_URL" in properties.get("Environment", {}).get("Variables", {})
    if touches_redis and not inside:
        yield Finding(where, "has REDIS_URL but no VpcConfig: it could not reach Redis")
    if inside and not touches_redis:
        yield Finding(where, "stands in the VPC without need: it has no REDIS_URL")
    for policy in properties.get("Policies", []):
        for statement in policy.get("Statement", []) if isinstance(policy, dict) else []:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            for action in actions:
                if inside and not action.startswith(("dynamodb:", "xray:")):
                    yield Finding(where, f"stands in the VPC, from where {action} cannot be called")


def _event(where: str, event: dict[str, Any], properties: dict[str, Any]) -> Iterator[Finding]:
    kind, settings = event["Type"], event.get("Properties", {})
    if kind in STREAMS:
        for setting in STREAM_SETTINGS:
            if setting not in settings:
                yield Finding(where, f"reads a stream without {setting}: one bad record may stop it")
    if kind == "SQS" and "FunctionResponseTypes" not in settings:
        yield Finding(where, "reads a queue without FunctionResponseTypes: one bad message repeats the whole batch")
    if kind == "HttpApi":
        timeout = properties.get("Timeout")
        if isinstance(timeout, int) and timeout > API_SECONDS:
            yield Finding(where, f"may run {timeout} s, longer than its API waits ({API_SECONDS} s)")
        if not settings.get("ApiId"):
            yield Finding(where, "names no ApiId, so SAM would make an API beside ours")


def check_files(paths: list[Path]) -> Iterator[Finding]:
    """Every handler file is some function's: code that no template names is not deployed."""
    named = {
        Path(*properties.get("Handler", "").rpartition(".")[0].split(".")).with_suffix(".py")
        for path in paths
        for properties in functions(path).values()
    }
    for file in sorted((ROOT / "functions").glob("*/*.py")):
        relative = file.relative_to(ROOT / "functions")
        if file.name != "__init__.py" and relative not in named:
            yield Finding(name_of(file), "is named by no template")


def check_cors(paths: list[Path]) -> Iterator[Finding]:
    """Every public API answers browsers alike, since to them all are one; the internal ones answer none."""
    known: dict[str, Any] = {}
    for path in paths:
        for name, api in resources(path, "AWS::Serverless::HttpApi").items():
            where = f"{name_of(path)} {name}"
            cors = api["Properties"].get("CorsConfiguration")
            if name == "InternalApi" and cors:
                yield Finding(where, "lets browsers in; it is for services")
            if name == "Api":
                if not cors:
                    yield Finding(where, "has no CorsConfiguration: pages of other origins cannot call it")
                elif known and cors not in known.values():
                    yield Finding(where, f"has another CorsConfiguration than {next(iter(known))}")
                else:
                    known[where] = cors
