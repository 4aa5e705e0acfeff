"""docs/ledger.md says what the code does."""

from pathlib import Path

import pytest

from gpubroker.ledger.accounts import HOUSE_ACCOUNTS, HOUSE_SHARDS, State
from gpubroker.ledger.holds import HoldState
from gpubroker.ledger.items import REGISTER, REGISTER_SHARDS, HoldItem
from gpubroker.ledger.transfers import MOST_LEGS
from gpubroker.storage.due import SHARDS
from gpubroker.storage.transaction import PATIENT
from infra.rules.templates import ROOT, resources

PAGE = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()


def test_the_page_names_every_state_and_house_account() -> None:
    for state in (*State, *HoldState):
        assert str(state) in PAGE
    for account in HOUSE_ACCOUNTS:
        assert f"`{account}`" in PAGE


def test_the_keys_and_bounds_in_the_page_are_those_of_the_code() -> None:
    assert f"`{REGISTER}#<0..{REGISTER_SHARDS - 1}>`" in PAGE
    assert f"`{HoldItem.due_name}#<0..{SHARDS - 1}>`" in PAGE
    assert f"`/{HOUSE_SHARDS - 1}`" in PAGE
    assert f"at most {MOST_LEGS} legs" in PAGE
    assert PATIENT.tries == 20
    assert "twenty tries, some seven seconds" in PAGE
    assert sum(PATIENT.ceiling(number) for number in range(PATIENT.tries - 1)) / 2 == pytest.approx(7.1, abs=0.5)


def test_the_page_says_what_to_do_when_an_alarm_of_the_books_rings() -> None:
    for alarm in resources(ROOT / "infra" / "ledger.yaml", "AWS::CloudWatch::Alarm"):
        if alarm.startswith(("Books", "Holds", "Events")):
            assert f"- **{alarm}**" in PAGE
