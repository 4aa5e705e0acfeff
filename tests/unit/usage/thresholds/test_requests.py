"""What may be configured, and what is refused by the name of its field. # 472, 473"""

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from gpubroker.kernel.errors import Invalid
from gpubroker.usage.thresholds.requests import ThresholdChange, ThresholdRequest, checked
from gpubroker.usage.thresholds.resources import Period
from gpubroker.usage.thresholds.threshold import basis_of
from gpubroker.usage.thresholds.use_cases import changed
from tests.unit.usage.thresholds.making import NOW, a_threshold

SEED = {
    "resource_type": "storage",
    "threshold_type": "absolute",
    "threshold_value": 500,
    "units": "GB",
    "action": "notify",
    "user_id": "user_123456",
    "notification_channels": ["email", "api_callback"],
}


def asked(**changes: Any) -> dict[str, Any]:
    wanted = {name: value for name, value in (SEED | changes).items() if value is not ...}
    return checked(ThresholdRequest.model_validate_json(json.dumps(wanted)).model_dump())


def test_the_seeds_configuration_is_taken_to_the_letter():
    fields = asked()
    assert (fields["value"], fields["units"], fields["channels"]) == (Decimal(500), "GB", ("email", "api_callback"))


@pytest.mark.parametrize(
    ("changes", "metric", "unit"),
    [
        ({}, "storage_gb", 1),
        ({"units": "MB"}, "storage_gb", "0.001"),
        ({"units": "tb"}, "storage_gb", 1000),
        ({"resource_type": "memory"}, "memory_gb", 1),
        ({"resource_type": "network_egress"}, "network_egress_mb", 1000),
        ({"resource_type": "network_ingress", "units": "MB"}, "network_ingress_mb", 1),
        ({"resource_type": "gpu", "units": "hours"}, "gpu_seconds", 3600),
        ({"resource_type": "cpu", "units": "seconds"}, "cpu_seconds", 1),
        (
            {"resource_type": "cpu", "threshold_type": "percentage", "threshold_value": 90, "units": "%"},
            "cpu_percent_avg",
            1,
        ),
        (
            {"resource_type": "memory", "threshold_type": "percentage", "threshold_value": 90, "units": "percent"},
            "memory_percent",
            1,
        ),
        ({"threshold_type": "percentage", "threshold_value": 80, "units": "%", "limit": 500}, "storage_gb", 5),
        ({"threshold_type": "percentage", "threshold_value": 80, "units": "GB", "limit": 500}, "storage_gb", 5),
        (
            {"threshold_type": "percentage", "threshold_value": 80, "units": "%", "limit": 2, "limit_units": "TB"},
            "storage_gb",
            20,
        ),
        (
            {
                "resource_type": "gpu",
                "threshold_type": "percentage",
                "threshold_value": 80,
                "units": "%",
                "limit": 10,
                "limit_units": "hours",
            },
            "gpu_seconds",
            360,
        ),
    ],
)
def test_units_are_converted_exactly(changes, metric, unit):
    fields = asked(**changes)
    found, factor = basis_of(*(fields[name] for name in ("resource", "kind", "units", "limit", "limit_units")))
    assert (found.name, factor) == (metric, Decimal(unit))


def test_what_is_used_up_is_added_up_by_the_month_unless_it_says_otherwise():
    assert asked()["period"] is None
    assert asked(resource_type="network_egress")["period"] is Period.MONTH
    assert asked(resource_type="gpu", units="hours", period="day")["period"] is Period.DAY


def test_a_recurring_threshold_steps_on_by_its_own_value_unless_it_says_otherwise():
    assert asked()["every"] is None
    assert asked(recurring=True)["every"] == 500
    assert asked(recurring=True, every=50)["every"] == 50


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"units": "%"}, "units"),
        ({"units": "seconds"}, "units"),
        ({"units": "GiB"}, "units"),
        ({"resource_type": "gpu"}, "units"),
        ({"resource_type": "cpu"}, "units"),
        ({"limit": 1000}, "limit"),
        ({"limit_units": "GB"}, "limit_units"),
        ({"threshold_type": "percentage", "threshold_value": 80, "units": "%"}, "limit"),
        ({"threshold_type": "percentage", "threshold_value": 80, "units": "hours", "limit": 5}, "units"),
        (
            {"threshold_type": "percentage", "threshold_value": 80, "units": "GB", "limit": 5, "limit_units": "TB"},
            "limit_units",
        ),
        (
            {"threshold_type": "percentage", "threshold_value": 80, "units": "%", "limit": 5, "limit_units": "hours"},
            "limit_units",
        ),
        ({"threshold_type": "percentage", "threshold_value": 101, "units": "%", "limit": 500}, "threshold_value"),
        ({"resource_type": "cpu", "threshold_type": "percentage", "threshold_value": 90, "units": "hours"}, "units"),
        ({"period": "month"}, "period"),
        ({"every": 5}, "every"),
        ({"recurring": True, "threshold_value": 0}, "every"),
        ({"action": "log"}, "notification_channels"),
        ({"notification_channels": ["email"], "callback_url": "https://example.com/in"}, "callback_url"),
        ({"user_id": "*", "instance_id": "instance_abcdef"}, "instance_id"),
    ],
)
def test_what_makes_no_sense_together_names_its_field(changes, field):
    with pytest.raises(Invalid) as refused:
        asked(**changes)
    assert [error.field for error in refused.value.fields] == [field]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"resource_type": "disk"}, "resource_type"),
        ({"threshold_type": "relative"}, "threshold_type"),
        ({"threshold_value": -1}, "threshold_value"),
        ({"threshold_value": "500"}, "threshold_value"),
        ({"threshold_value": True}, "threshold_value"),
        ({"threshold_value": 1e12}, "threshold_value"),
        ({"threshold_value": 0.0000001}, "threshold_value"),
        ({"threshold_value": ...}, "threshold_value"),
        ({"limit": 0}, "limit"),
        ({"every": 0}, "every"),
        ({"action": ""}, "action"),
        ({"action": "Say Something"}, "action"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "a#b"}, "user_id"),
        ({"notification_channels": ["pigeon"]}, "notification_channels"),
        ({"notification_channels": ["email", "email"]}, ""),
        ({"period": "week"}, "period"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_not_even_a_field_of_its_kind_is_refused(changes, field):
    with pytest.raises(ValidationError) as refused:
        asked(**changes)
    assert ".".join(str(part) for part in refused.value.errors()[0]["loc"][:1]) == field


def change(threshold, **given):
    wanted = ThresholdChange.model_validate_json(json.dumps(given))
    fields = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    return changed(threshold, fields, threshold.callback, NOW)


def test_a_change_of_what_is_watched_arms_anew_and_a_change_of_who_is_told_does_not():
    threshold = a_threshold()
    assert change(threshold, threshold_value=600).revision == 2
    assert change(threshold, units="TB").revision == 2
    assert change(threshold, enabled=False).revision == 2
    assert change(threshold, notification_channels=["email"]).revision == 1
    assert change(threshold, action="suspend").revision == 1
    assert change(threshold, threshold_value=500) is threshold


def test_a_change_is_held_against_what_stays():
    with pytest.raises(Invalid) as refused:
        change(a_threshold(), units="hours")
    assert refused.value.fields[0].field == "units"
    recurring = change(a_threshold(), recurring=True)
    assert recurring.every == 500
    assert change(recurring, recurring=False).every is None
    assert change(recurring, threshold_value=600).every == 500


@pytest.mark.parametrize("given", [{}, {"action": None}, {"enabled": None}, {"user_id": "user_1"}, {"units": ""}])
def test_a_change_that_changes_nothing_or_cannot_be_is_refused(given):
    with pytest.raises(ValidationError):
        ThresholdChange.model_validate_json(json.dumps(given))
