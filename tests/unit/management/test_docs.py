"""docs/management.md says what there is: every route, state, alarm and key."""

import re

import pytest

from gpubroker.management import items
from gpubroker.management.states import OrderStatus, TransactionStatus
from infra.rules.templates import ROOT, load

PAGE = (ROOT / "docs" / "management.md").read_text(encoding="utf-8")
RESOURCES = load(ROOT / "infra" / "management.yaml")["Resources"]


@pytest.mark.parametrize("status", [*OrderStatus, *TransactionStatus])
def test_every_state_is_explained(status: OrderStatus | TransactionStatus) -> None:
    assert re.search(rf"\b{status.value}\b", PAGE)


def test_every_alarm_is_explained() -> None:
    alarms = [name for name, told in RESOURCES.items() if told["Type"] == "AWS::CloudWatch::Alarm"]
    pages = [
        PAGE,
        *((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("settlement", "economics")),
    ]
    explained = set(re.findall(r"^\| (\w+) \||`(\w+)` rings", "\n".join(pages), re.MULTILINE))
    explained = {name for found in explained for name in found}
    assert set(alarms) - {"ServerErrors"} <= explained


def test_every_key_of_the_models_is_explained() -> None:
    for key in re.findall(r"^(\S+#\S*|FEES)  ", items.__doc__ or "", re.MULTILINE):
        assert key.partition("<")[0].rstrip("#") in PAGE, key
