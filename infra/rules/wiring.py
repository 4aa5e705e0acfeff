"""The root and its nested applications fit together: parameters, outputs and paths."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.rules.templates import ROOT, ROOT_TEMPLATE, Finding, load, name_of, resources

# What a context may be given by the root, under these names and no others.
CONTEXT_PARAMETERS = frozenset(
    {
        "AccessTokenSeconds",
        "AlarmTopicArn",
        "Architecture",
        "DeliveryTableArn",
        "DeliveryTableName",
        "EdgeSecret",
        "Environment",
        "EventBusArn",
        "EventBusName",
        "ExchangeRatesUrl",
        "IdentityTableArn",
        "IdentityTableName",
        "IntegrationSecrets",
        "LayerArn",
        "LedgerTableArn",
        "LedgerTableName",
        "LogRetentionDays",
        "MailFrom",
        "OffersTableArn",
        "OffersTableName",
        "PayoutDebtorBic",
        "PayoutDebtorIban",
        "PayoutDebtorName",
        "PaymentsUrl",
        "PricesTableArn",
        "PricesTableName",
        "PriceStreamArn",
        "PriceStreamName",
        "ProviderKeysSecretArn",
        "ProvidersUrl",
        "RedisUrl",
        "RentalsTableArn",
        "RentalsTableName",
        "RuntimeVersion",
        "SecurityGroupId",
        "SigningKeysSecretArn",
        "SubnetIds",
        "UsageRetentionDays",
        "UsageStreamArn",
        "UsageStreamMode",
        "UsageStreamName",
        "UsageTableArn",
        "UsageTableName",
        "WebhookKeySecretArn",
    }
)
# The platform and the edge are wired by their own names: they are no contexts.
SHARED = frozenset({"infra/platform.yaml", "infra/edge.yaml"})


def applications(root: Path = ROOT_TEMPLATE) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Logical id -> (template, parameters given) of each nested application."""
    return {
        name: ((root.parent / resource["Properties"]["Location"]).resolve(), resource["Properties"]["Parameters"])
        for name, resource in resources(root, "AWS::Serverless::Application").items()
    }


def check(root: Path = ROOT_TEMPLATE) -> Iterator[Finding]:
    nested = applications(root)
    for name, (path, given) in nested.items():
        where = f"{name_of(root)} {name}"
        declared = load(path).get("Parameters", {})
        for parameter in sorted(set(given) - set(declared)):
            yield Finding(where, f"gives {parameter}, which {name_of(path)} does not declare")
        for parameter in sorted(set(declared) - set(given)):
            if "Default" not in declared[parameter]:
                yield Finding(where, f"does not give {parameter}, which {name_of(path)} asks for")
            elif parameter in CONTEXT_PARAMETERS:
                yield Finding(where, f"leaves {parameter} of {name_of(path)} at its default; the root decides")
        if name_of(path) not in SHARED:
            for parameter in sorted(set(declared) - CONTEXT_PARAMETERS):
                yield Finding(name_of(path), f"declares {parameter}, which is no parameter of a context")
    for stack, output in _outputs_used(load(root)):
        if stack in nested and output not in load(nested[stack][0]).get("Outputs", {}):
            yield Finding(name_of(root), f"uses {stack}.Outputs.{output}, which {name_of(nested[stack][0])} lacks")
    yield from _unused_parameters(root, [path for path, _ in nested.values()])


def _outputs_used(value: Any) -> Iterator[tuple[str, str]]:
    import re

    if isinstance(value, dict):
        target = value.get("Fn::GetAtt")
        if target is not None:
            parts = target if isinstance(target, list) else target.split(".", 1)
            if len(parts) == 2 and parts[1].startswith("Outputs."):
                yield parts[0], parts[1].removeprefix("Outputs.")
        for item in value.values():
            yield from _outputs_used(item)
    elif isinstance(value, list):
        for item in value:
            yield from _outputs_used(item)
    elif isinstance(value, str):
        yield from re.findall(r"\$\{(\w+)\.Outputs\.(\w+)\}", value)


def _unused_parameters(root: Path, nested: list[Path]) -> Iterator[Finding]:
    """cfn-lint says the same of the translated template, but not of parameters that only Globals mention."""
    for path in [root, *nested]:
        template = load(path)
        body = str({key: value for key, value in template.items() if key != "Parameters"})
        for parameter in template.get("Parameters", {}):
            if f"'{parameter}'" not in body and f"${{{parameter}}}" not in body:
                yield Finding(name_of(path), f"declares {parameter} and never uses it")


def check_paths(table: Path = ROOT / "infra" / "paths.yaml", root: Path = ROOT_TEMPLATE) -> Iterator[Finding]:
    """Every API that a path leads to exists, and the root tells its id."""
    import yaml

    contexts = {path.stem: path for path, _ in applications(root).values()}
    outputs = load(root).get("Outputs", {})
    for route in yaml.safe_load(table.read_text(encoding="utf-8")):
        context, api = route["context"], {"public": "ApiId", "internal": "InternalApiId"}[route["api"]]
        where = f"{name_of(table)} {route['prefix']}"
        if context not in contexts:
            yield Finding(where, f"leads to {context}, which is no nested application of {name_of(root)}")
        elif api not in load(contexts[context]).get("Outputs", {}):
            yield Finding(where, f"needs the output {api} of {name_of(contexts[context])}")
        elif f"{context.capitalize()}{api}" not in outputs:
            yield Finding(where, f"needs the output {context.capitalize()}{api} of {name_of(root)}")
