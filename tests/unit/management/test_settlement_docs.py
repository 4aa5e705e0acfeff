"""docs/settlement.md says what there is: every state, route, alarm, key and step."""

import re

import pytest

from gpubroker.management.settlement import items
from gpubroker.management.settlement.payouts.file import FileState
from gpubroker.management.settlement.payouts.payout import PayoutState
from gpubroker.management.settlement.settlement import State
from infra.rules.templates import ROOT, load

PAGE = (ROOT / "docs" / "settlement.md").read_text(encoding="utf-8")
RESOURCES = load(ROOT / "infra" / "management.yaml")["Resources"]


@pytest.mark.parametrize("state", [*State, *PayoutState, *FileState])
def test_every_state_is_explained(state: State | PayoutState | FileState) -> None:
    assert re.search(rf"\b{state.value}\b", PAGE)


def test_every_alarm_of_settlement_is_explained() -> None:
    alarms = {
        name
        for name, told in RESOURCES.items()
        if told["Type"] == "AWS::CloudWatch::Alarm" and name.startswith(("Settlement", "Payout"))
    }
    assert alarms
    assert alarms == set(re.findall(r"^\| (\w+) \| [a-z]", PAGE, re.MULTILINE)) & set(RESOURCES)


def test_every_key_of_the_models_is_explained() -> None:
    keys = re.findall(r"^(\S+(?: id>)?)  ", items.__doc__ or "", re.MULTILINE)
    assert len(keys) > 6
    for key in keys:
        assert key.partition("<order")[0] in PAGE, key
