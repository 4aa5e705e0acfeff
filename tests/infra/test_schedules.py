"""What the house does by itself, and how often (R10): schedules and workflows of the templates, nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.rules.templates import ROOT, all_templates, definition, load, resources

OFFERS = ROOT / "infra" / "offers.yaml"


def schedules() -> Iterator[tuple[str, dict[str, Any]]]:
    """(logical id of what is started, properties of the schedule) of every template."""
    for path in all_templates():
        for name, resource in resources(path).items():
            for event in resource.get("Properties", {}).get("Events", {}).values():
                if event["Type"].startswith("Schedule"):
                    yield name, event["Properties"]


def tasks(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for inner in state.get("States", {}).values():
        if inner["Type"] == "Task":
            yield inner
        for branch in (*inner.get("Branches", []), inner.get("ItemProcessor", {})):
            yield from tasks(branch)


def test_providers_are_asked_every_twenty_seconds_by_an_express_workflow() -> None:
    """R10.1 (231), R10.3 (233), R10.4 (234), R6.2 (211): three beats, started each minute."""
    name = "BeatToSyncedStateMachine"
    machine = resources(OFFERS)[name]
    assert machine["Properties"]["Type"] == "EXPRESS"
    assert [told["Schedule"] for started, told in schedules() if started == name] == ["rate(1 minute)"]
    beats = definition(OFFERS.parent / machine["Properties"]["DefinitionUri"])["States"]["ThreeBeats"]["Branches"]
    waits = [sum(state.get("Seconds", 0) for state in branch["States"].values()) for branch in beats]
    assert waits == [0, 20, 40]


def test_a_failed_step_is_tried_again_with_growing_waits_and_jitter() -> None:
    """R10.5 (235)."""
    machines = resources(OFFERS, "AWS::Serverless::StateMachine").values()
    found = [
        task
        for machine in machines
        for task in tasks(definition(OFFERS.parent / machine["Properties"]["DefinitionUri"]))
    ]
    assert len(found) == 3 + 2
    for task in found:
        (retry,) = task["Retry"]
        assert retry["BackoffRate"] > 1
        assert retry["JitterStrategy"] == "FULL"
        assert task["Catch"], "and after that the next beat, or the next hour, is the way out"


def test_the_catalogue_is_reconciled_every_hour_and_one_provider_costs_no_other() -> None:
    """R10.4 (234)."""
    name = "CatalogueToReconciledStateMachine"
    assert [told["Schedule"] for started, told in schedules() if started == name] == ["rate(1 hour)"]
    machine = definition(OFFERS.parent / resources(OFFERS)[name]["Properties"]["DefinitionUri"])
    each = machine["States"]["ReconcileEach"]["ItemProcessor"]["States"]
    (caught,) = each["ReconcilePart"]["Catch"]
    assert each[caught["Next"]]["Type"] == "Pass"


def test_a_deploy_warms_the_market_up_and_its_resource_is_never_deleted() -> None:
    """R8.3 (223)."""
    warm_up = resources(OFFERS)["WarmUp"]
    assert warm_up["Properties"]["Version"] == {"Ref": "LayerArn"}, "which changes with each version"
    assert warm_up["DeletionPolicy"] == "Retain"


def test_redis_is_filled_again_every_five_minutes() -> None:
    """R10.2 (232), R8.3 (223)."""
    assert [told["Schedule"] for name, told in schedules() if name == "PublishSnapshotFunction"] == ["rate(5 minutes)"]


def test_nothing_here_runs_by_celery_or_a_clock_of_its_own() -> None:
    """R10.6 (236)."""
    assert "celery" not in (ROOT / "pyproject.toml").read_text().lower()
    assert "celery" not in (ROOT / "layers" / "gpubroker" / "constraints.txt").read_text().lower()


@pytest.mark.parametrize("path", [OFFERS, ROOT / "infra" / "platform.yaml"], ids=lambda path: path.name)
def test_the_keys_of_providers_come_from_the_vault_and_stand_in_no_template(path: Any) -> None:
    """R9.1 (226)."""
    text = path.read_text()
    assert "ProviderKeys" in text
    for function in load(path).get("Resources", {}).values():
        variables = function.get("Properties", {}).get("Environment", {}).get("Variables", {})
        assert not [name for name in variables if name.endswith("_API_KEY")]
