"""The facts that identity publishes: each has a sample and a schema, and what the code makes is what they say."""

import inspect
import json
from datetime import UTC, datetime

import jsonschema
import pytest

from gpubroker.identity import events
from gpubroker.identity.mail import LETTERS
from gpubroker.kernel.events import Event
from gpubroker.kernel.ids import new_id
from tests.contract.events import Facts

FACTS = Facts("identity")
FOLDER = FACTS.folder
schema_of, published = FACTS.schema_of, FACTS.published
TYPES = sorted(path.name.removesuffix(".v1.json") for path in FOLDER.glob("*.v1.json"))
USER, ADMIN, NOW = new_id("usr"), new_id("usr"), datetime(2026, 5, 24, 10, tzinfo=UTC)
KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

MADE: list[Event] = [
    events.user_registered(USER, plan="free", at=NOW),
    events.email_verification_requested(USER, new_id("chl")),
    events.email_verified(USER),
    events.registration_repeated(USER),
    events.password_reset_requested(USER, new_id("chl")),
    events.password_changed(USER, reason="reset"),
    events.sessions_ended(USER, [new_id("ses")], reason="logout"),
    events.plan_changed(USER, old="free", new="pro", changed_by=ADMIN),
    events.user_status_changed(USER, status="disabled", changed_by=ADMIN),
    events.api_key_created(USER, new_id("key"), scopes=["offers:read"]),
    events.api_key_revoked(USER, new_id("key")),
    events.service_account_created("kpi", kind="service", owner_id=None, scopes=["internal:*"], created_by=ADMIN),
    events.service_secret_rotated("kpi", tokens_revoked=True, changed_by=ADMIN),
    events.service_account_revoked("kpi", changed_by=ADMIN),
    events.signing_keys_rotated(1, kids=[KID, KID], reason="first"),
]


@pytest.mark.parametrize("kind", TYPES)
def test_each_sample_is_what_its_schema_says(kind):
    sample = json.loads((FOLDER / f"{kind}.v1.json").read_text())
    assert (sample["detail-type"], sample["source"]) == (kind, "gpubroker.identity")
    jsonschema.validate(sample["detail"], schema_of(kind))


@pytest.mark.parametrize("event", MADE, ids=lambda event: event.type)
def test_what_the_code_publishes_is_what_the_schema_says(event, monkeypatch):
    entry = published(event, monkeypatch)
    assert (entry["Source"], entry["DetailType"]) == ("gpubroker.identity", event.type)
    jsonschema.validate(json.loads(entry["Detail"]), schema_of(event.type))


def test_every_fact_that_the_code_can_make_is_in_this_test_and_has_its_files():
    makers = [
        maker for _, maker in inspect.getmembers(events, inspect.isfunction) if maker.__module__ == events.__name__
    ]
    assert len(makers) == len(MADE) == len(TYPES)
    assert sorted(event.type for event in MADE) == TYPES


def test_no_fact_has_room_for_an_address_or_a_secret():
    for kind in TYPES:
        assert not {"email", "password", "token", "secret", "api_key", "hash"} & set(schema_of(kind)["properties"])


def test_the_rule_of_the_mail_function_names_the_letters_that_exist():
    template = (FOLDER.parents[1] / "infra" / "identity.yaml").read_text()
    line = next(line for line in template.splitlines() if "detail-type:" in line)
    assert {name.strip() for name in line.partition("[")[2].rstrip("]").split(",")} == set(LETTERS)
    assert set(LETTERS) <= set(TYPES)


@pytest.mark.parametrize("kind", sorted(LETTERS))
def test_each_letter_can_be_written(kind):
    from gpubroker.identity.mail import written

    mail = written(LETTERS[kind], to="ada@example.com", token="the.mailed.token")
    assert mail.subject.startswith("GPUBROKER: ")
    assert ("the.mailed.token" in mail.text) == (LETTERS[kind].audience is not None)
    assert "{token}" not in mail.text
