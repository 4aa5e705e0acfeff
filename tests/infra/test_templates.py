"""The templates of the house keep every rule of infra/rules, and those of cfn-lint."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from infra import check
from infra.rules import linters
from infra.rules.templates import Finding, all_templates, load, name_of, resources, translated

RULES = check.rules(all_templates(), quick=True)  # `make check` runs the rest, which takes minutes
TEMPLATES = all_templates()


def _told(findings: Iterable[Finding]) -> str:
    return "\n".join(str(finding) for finding in findings)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_to_mend(rule: str) -> None:
    assert _told(RULES[rule]()) == ""


def test_every_skipped_check_of_checkov_has_its_reason() -> None:
    assert all(len(reason) > 20 for reason in linters.CHECKOV_SKIPS.values())


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_stack_stays_below_the_limits_of_cloudformation(path: Path) -> None:
    template = translated(path)
    assert len(template["Resources"]) <= 450  # of 500
    assert len(template.get("Outputs", {})) <= 200
    assert len(template.get("Parameters", {})) <= 200


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_table_survives_its_stack_and_a_mistake(path: Path) -> None:
    for name, table in resources(path, "AWS::DynamoDB::Table").items():
        properties = table["Properties"]
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain", name
        assert "Fn::If" in properties["DeletionProtectionEnabled"], name  # in the cloud; a local one may go
        assert properties["BillingMode"] == "PAY_PER_REQUEST", name
        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], name
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}, name
        assert properties["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES", name
        assert [key["AttributeName"] for key in properties["KeySchema"]] == ["pk", "sk"], name
        for index in properties.get("GlobalSecondaryIndexes", []):
            keys = [key["AttributeName"] for key in index["KeySchema"]]
            assert keys == [f"{index['IndexName']}pk", f"{index['IndexName']}sk"], name


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_every_queue_of_failures_keeps_them_over_a_long_weekend(path: Path) -> None:
    for name, queue in resources(path, "AWS::SQS::Queue").items():
        if "RedrivePolicy" not in queue["Properties"]:
            assert queue["Properties"].get("MessageRetentionPeriod", 0) >= 345_600, name


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_every_alarm_tells_somebody(path: Path) -> None:
    for name, alarm in resources(path, "AWS::CloudWatch::Alarm").items():
        assert alarm["Properties"].get("AlarmActions"), name
        assert alarm["Properties"].get("AlarmDescription"), name
        assert alarm["Properties"].get("TreatMissingData") in ("notBreaching", "breaching"), name


def test_what_the_local_engine_lacks_stands_under_the_condition_cloud() -> None:
    lacking = {
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Budgets::Budget",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::CodeDeploy::Application",
        "AWS::CodeDeploy::DeploymentGroup",
        "AWS::EC2::NatGateway",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::ElastiCache::ServerlessCache",
        "AWS::Events::ApiDestination",
        "AWS::Events::Archive",
        "AWS::Events::Connection",
        "AWS::Kinesis::StreamConsumer",
        "AWS::StepFunctions::StateMachineAlias",
    }
    for path in TEMPLATES:
        for name, resource in translated(path)["Resources"].items():
            if resource["Type"] in lacking and name_of(path) != "infra/edge.yaml":
                assert resource.get("Condition") == "Cloud", f"{name_of(path)} {name}"


def test_the_edge_is_made_in_the_cloud_only() -> None:
    root = load(TEMPLATES[0])
    assert root["Resources"]["Edge"]["Condition"] == "Cloud"


def test_a_secret_is_named_by_its_arn_on_both_engines() -> None:
    """`!Ref` of a secret is its ARN on AWS and its name on the local engine; `!GetAtt Id` is the ARN on both."""
    for path in TEMPLATES:
        secrets = set(resources(path, "AWS::SecretsManager::Secret"))
        assert not [name for name in _refs(load(path)) if name in secrets], name_of(path)


def _refs(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        for item in value.values():
            yield from _refs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _refs(item)
