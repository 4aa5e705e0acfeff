"""Least privilege, read from the translated templates: what a role may do, and to what."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.rules.templates import Finding, name_of, translated

# Actions that AWS offers for no narrower resource than `*`: action -> why.
UNNAMEABLE = {
    "xray:PutTraceSegments": "X-Ray has no resources to name",
    "xray:PutTelemetryRecords": "X-Ray has no resources to name",
    "xray:GetSamplingRules": "X-Ray has no resources to name",
    "xray:GetSamplingTargets": "X-Ray has no resources to name",
    "cloudwatch:PutMetricData": "metrics have no ARNs; narrowed by the cloudwatch:namespace condition",
    "logs:CreateLogDelivery": "log delivery of a state machine: the service authorises it account-wide only",
    "logs:GetLogDelivery": "log delivery of a state machine: the service authorises it account-wide only",
    "logs:UpdateLogDelivery": "log delivery of a state machine: the service authorises it account-wide only",
    "logs:DeleteLogDelivery": "log delivery of a state machine: the service authorises it account-wide only",
    "logs:ListLogDeliveries": "log delivery of a state machine: the service authorises it account-wide only",
    "logs:PutResourcePolicy": "log delivery of a state machine: the service authorises it account-wide only",
    "logs:DescribeResourcePolicies": "log delivery of a state machine: the service authorises it account-wide only",
    "logs:DescribeLogGroups": "log delivery of a state machine: the service authorises it account-wide only",
    "dynamodb:ListStreams": "lists; SAM's policy for stream readers",
    "sns:Unsubscribe": "SNS names no resource for it: the owner of the subscription or of its topic may",
    "kinesis:ListStreams": "lists; SAM's policy for stream readers",
}

# Managed policies that SAM attaches for what a function does; all others would be ours to write narrowly.
MANAGED = {
    "AWSLambdaBasicExecutionRole": "writes log events",
    "AWSLambdaVPCAccessExecutionRole": "network interfaces of functions inside the VPC",
    "AWSLambdaDynamoDBExecutionRole": "SAM's for readers of a table's stream",
    "AWSLambdaKinesisExecutionRole": "SAM's for readers of a Kinesis stream",
    "AWSLambdaSQSQueueExecutionRole": "SAM's for readers of a queue",
    "AWSXRayDaemonWriteAccess": "SAM's for Tracing: Active",
    "AWSXrayWriteOnlyAccess": "SAM's for Tracing: Active",
}


def check(path: Path) -> Iterator[Finding]:
    template = translated(path)
    users: dict[str, list[str]] = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::IAM::Role":
                yield from _role(f"{name_of(path)} {name}", properties)
            case "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy":
                yield from _document(f"{name_of(path)} {name}", properties["PolicyDocument"])
            case "AWS::Lambda::Function" | "AWS::StepFunctions::StateMachine":
                role = properties.get("Role") or properties.get("RoleArn")
                users.setdefault(str(role), []).append(name)
            case "AWS::SQS::QueuePolicy" | "AWS::SNS::TopicPolicy":
                yield from _open_to_all(f"{name_of(path)} {name}", properties["PolicyDocument"])
    for role, names in users.items():
        if len(names) > 1:
            yield Finding(f"{name_of(path)} {role}", f"is shared by {', '.join(names)}; each has its own role")


def _role(where: str, properties: dict[str, Any]) -> Iterator[Finding]:
    for arn in properties.get("ManagedPolicyArns", []):
        policy = str(arn).rpartition("/")[2].rstrip("'}")
        if policy not in MANAGED:
            yield Finding(where, f"carries the managed policy {arn}; write what it needs instead")
    for policy in properties.get("Policies", []):
        yield from _document(where, policy["PolicyDocument"])


def _document(where: str, document: dict[str, Any]) -> Iterator[Finding]:
    for statement in _listed(document["Statement"]):
        if statement.get("Effect") != "Allow":
            continue
        if "NotAction" in statement or "NotResource" in statement:
            yield Finding(where, "allows everything but something; name what it needs")
        actions = _listed(statement.get("Action", []))
        for action in actions:
            if isinstance(action, str) and re.search(r"[*?]", action):
                yield Finding(where, f"allows {action}; name each action")
        if any(_is_everything(resource) for resource in _listed(statement.get("Resource", []))):
            for action in actions:
                if action not in UNNAMEABLE:
                    yield Finding(where, f"allows {action} on every resource (*); name the resource")


def _open_to_all(where: str, document: dict[str, Any]) -> Iterator[Finding]:
    """A queue or topic that anybody may use, but for a condition that says who."""
    for statement in _listed(document["Statement"]):
        principal = statement.get("Principal")
        everybody = principal == "*" or (isinstance(principal, dict) and "*" in _listed(principal.get("AWS", [])))
        if statement.get("Effect") == "Allow" and everybody and not statement.get("Condition"):
            yield Finding(where, "is open to every account")


def _is_everything(resource: Any) -> bool:
    """`*`, or an ARN that names no more than a kind: `...:table/*`, `...:secret:*`."""
    text = resource.get("Fn::Sub") if isinstance(resource, dict) else resource
    if isinstance(text, list):
        text = text[0]
    if not isinstance(text, str):
        return False
    parts = re.sub(r"\$\{AWS::\w+\}", "", text).split(":", 5)
    return text == "*" or (len(parts) == 6 and re.fullmatch(r"\*|[a-z-]+[/:]\*", parts[5]) is not None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
