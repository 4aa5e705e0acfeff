"""The economic metrics hear of exactly the facts that they are made of, from those who tell them. # 450"""

import json

import pytest

from gpubroker.management.economics.measures import SOURCES, measured
from infra.rules.templates import ROOT, load

SAMPLES = [
    path
    for source in sorted(set(SOURCES.values()))
    for path in sorted((ROOT / "events" / source.removeprefix("gpubroker.")).glob("*.v1.json"))
]


def test_the_rule_brings_what_is_counted_and_no_more() -> None:
    rule = load(ROOT / "infra" / "management.yaml")["Resources"]["FactsToCount"]["Properties"]["EventPattern"]
    assert set(rule["detail-type"]) == set(SOURCES)
    assert set(rule["source"]) == set(SOURCES.values())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_of_the_facts_are_understood_and_others_left_alone(path) -> None:  # type: ignore[no-untyped-def]
    sample = json.loads(path.read_text())
    fact = measured(sample)
    assert (fact is not None) == (sample["detail-type"] in SOURCES)
    if fact is not None:
        assert fact.event_id == sample["detail"]["event_id"]
        assert fact.amounts
        assert all(isinstance(amount, int) and amount > 0 for amount in fact.amounts.values())
