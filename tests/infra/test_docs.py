"""docs/aws.md says what the templates are: every parameter, and sums that are sums."""

import re

import pytest

from infra.rules.templates import ROOT, ROOT_TEMPLATE, all_templates, load, resources, translated

AWS = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")


def test_every_parameter_of_the_root_is_explained() -> None:
    for parameter in load(ROOT_TEMPLATE)["Parameters"]:
        assert f"`{parameter}`" in AWS


def test_every_output_that_the_page_names_is_one() -> None:
    outputs = set(load(ROOT_TEMPLATE)["Outputs"])
    assert set(re.findall(r"\$\(output (\w+)\)", AWS)) <= outputs
    assert set(re.findall(r"OutputKey=='(\w+)'", AWS)) <= outputs


def test_the_bill_at_rest_is_the_sum_of_its_lines() -> None:
    table = AWS.partition("At rest")[2].partition("The market's churn")[0]
    lines = [float(amount) for amount in re.findall(r"\| (\d+\.\d\d) \|$", table, re.MULTILINE)]
    (total,) = re.findall(r"\*\*(\d+\.\d\d)\*\*", table)
    assert sum(lines) == pytest.approx(float(total), abs=0.005)


def test_the_bill_counts_the_alarms_and_secrets_that_there_are() -> None:
    alarms = sum(
        resource["Type"] == "AWS::CloudWatch::Alarm"
        for path in all_templates()
        for resource in translated(path)["Resources"].values()
    )
    secrets = sum(len(resources(path, "AWS::SecretsManager::Secret")) for path in all_templates())
    assert f"{alarms} x 0.10" in AWS
    assert f"{secrets} x 0.40" in AWS


def test_every_file_that_the_page_names_is_there() -> None:
    for name in re.findall(r"`((?:infra|tests|events|docs)/[\w./-]+)`", AWS) + re.findall(r"\]\((\w+\.md)\)", AWS):
        found = [*ROOT.glob(name), *(ROOT / "docs").glob(name)]
        assert found, name
