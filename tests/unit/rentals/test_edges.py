"""What comes in and goes out: requests, labels, callback tokens, failures, views, waiting."""

import dataclasses
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gpubroker.edge.underway import underway, wait_seconds
from gpubroker.rentals import callbacks, failures, labels
from gpubroker.rentals.items import RentalItem
from gpubroker.rentals.looks import delay_before
from gpubroker.rentals.nobodys_key import nobodys_key
from gpubroker.rentals.rental import Launch
from gpubroker.rentals.requests import RentalRequest, ScaleRequest, seconds_of
from gpubroker.rentals.views import RentalView
from tests.unit.rentals.lives import NOW, RENTAL_ID, asked, ready

LEAST = {"offer_id": "vastai-abc", "duration_hours": 1}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@home"


def test_the_seeds_smallest_request_is_enough() -> None:  # (274)
    wanted = RentalRequest.model_validate_json(json.dumps(LEAST), strict=True)
    assert (wanted.count, wanted.auto_renew, wanted.max_total_price) == (1, False, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("duration_hours", 0),
        ("duration_hours", -1),
        ("duration_hours", 2161),
        ("duration_hours", "1"),
        ("max_total_price", 0),
        ("max_total_price", "2.5"),
        ("max_total_price", 1e7),
        ("count", 0),
        ("count", 17),
        ("count", 1.5),
        ("auto_renew", "yes"),
        ("disk_gb", 0),
        ("image", "not an image"),
        ("image", ""),
        ("ssh_public_key", "ssh-ed25519 short"),
        ("ssh_public_key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ("ssh_public_key", KEY + "\nssh-rsa AAAA"),
        ("env", {"1BAD": "x"}),
        ("env", {"GPUBROKER_CALLBACK_URL": "http://evil"}),
        ("env", {f"N{number}": "" for number in range(65)}),
        ("env", {"A": "x" * 5000}),
        ("start_script", ""),
        ("offer_id", "a b"),
        ("price", 3),
    ],
)
def test_a_request_that_is_wrong_is_refused(field: str, value: object) -> None:
    body = json.dumps({**LEAST, field: value})
    with pytest.raises(ValidationError) as refused:
        RentalRequest.model_validate_json(body, strict=True)
    assert field in str(refused.value.errors()[0]["loc"])


def test_a_full_request_is_taken_whole() -> None:
    body = LEAST | {
        "max_total_price": 2.5,
        "ssh_public_key": KEY,
        "image": "nvidia/cuda:12.4.1-devel-ubuntu22.04",
        "disk_gb": 100,
        "env": {"HF_TOKEN": "secret"},
        "start_script": "echo hello",
        "auto_renew": True,
        "count": 4,
    }
    wanted = RentalRequest.model_validate_json(json.dumps(body), strict=True)
    assert wanted.launch() == Launch(KEY, str(body["image"]), 100, {"HF_TOKEN": "secret"}, "echo hello")


def test_scaling_takes_add_and_remove_only() -> None:
    assert ScaleRequest(action="add", count=1).count == 1
    with pytest.raises(ValidationError):
        ScaleRequest.model_validate({"action": "double", "count": 1})


def test_hours_become_whole_seconds() -> None:
    assert [seconds_of(Decimal(hours)) for hours in ("1", "0.5", "0.0001", "0.00001")] == [3600, 1800, 1, 1]


def test_labels_fit_every_provider_and_lead_back() -> None:
    label = labels.label("abcdefgh", RENTAL_ID, "m12")
    assert len(label) <= 60
    assert label == label.lower()
    assert labels.parse(label, deployment="abcdefgh") == labels.Label(RENTAL_ID, "m12")
    assert labels.parse(label, deployment="hgfedcba") is None


@given(st.text(max_size=80))
def test_other_peoples_names_are_no_labels(text: str) -> None:
    assert labels.parse(text, deployment="abcdefgh") is None


def test_two_deployments_differ() -> None:
    assert labels.deployment_of("prod-rentals") != labels.deployment_of("test-rentals")


def test_a_callback_token_leads_to_its_member_and_nothing_else() -> None:
    token = callbacks.token_of("usr_1", RENTAL_ID, "m1")
    assert callbacks.read(token) == ("usr_1", RENTAL_ID, "m1")
    assert callbacks.token_of("usr_1", RENTAL_ID, "m2") != token


@given(st.text(max_size=600))
def test_a_forged_callback_token_is_unknown(token: str) -> None:
    with pytest.raises(callbacks.UnknownCallback):
        callbacks.read(token)


def test_the_callback_address_is_the_apis_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_ID", "abc")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert callbacks.url_of("t", RENTAL_ID, "m1").startswith(
        "https://abc.execute-api.eu-west-1.amazonaws.com/api/v2/rentals/callbacks/"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566/")
    assert callbacks.url_of("t", RENTAL_ID, "m1").startswith("http://127.0.0.1:4566/_aws/execute-api/abc/$default/api")


def test_our_own_refusals_are_told_word_for_word_and_the_providers_are_not() -> None:
    cause = json.dumps({"errorType": "PriceOverLimit", "errorMessage": "The price is $3."})
    assert failures.of_task({"Error": "PriceOverLimit", "Cause": cause}).detail == "The price is $3."
    provider = failures.of_task({"Error": "BadCredentials", "Cause": '{"errorMessage": "key sk-123 is wrong"}'})
    assert "sk-123" not in provider.detail
    assert failures.of_task({"Error": "KeyError", "Cause": "x"}).code == "internal-error"
    assert failures.of_task({"Error": "PriceOverLimit", "Cause": "not json"}).detail == "not json"


def test_a_waiting_state_is_told_the_reason_by_the_name_that_leads_back_to_it() -> None:
    dear = failures.Failure("price-over-limit", "The provider bills $3.")
    assert failures.of_task({"Error": failures.error_of(dear), "Cause": dear.detail}) == dear
    broken = failures.Failure("instance-failed", "Exited.")
    assert failures.of_task({"Error": failures.error_of(broken), "Cause": broken.detail}).code == broken.code


def test_a_bid_that_was_too_low_is_said_to_be_that() -> None:
    told = failures.of_task({"Error": "BidTooLow", "Cause": '{"errorMessage": "gpb-x needs a higher bid"}'})
    assert told.code == "bid-too-low"
    assert "gpb-x" not in told.detail


def test_looks_come_fast_at_first_and_then_every_fifteen_seconds() -> None:
    delays = [delay_before(turn) for turn in range(40)]
    assert delays[0] == 2
    assert delays == sorted(delays)
    assert delays[-1] == 15


def test_a_view_shows_no_secret_of_a_rental() -> None:
    launch = Launch(KEY, "image", 10, {"TOKEN": "very-secret"}, "echo very-secret")
    rental = ready(launch=launch)
    rental = rental.with_member(dataclasses.replace(rental.members[0], task_token="task-secret"))
    text = RentalView.of(rental, NOW).model_dump_json()
    assert "very-secret" not in text
    assert "task-secret" not in text
    assert rental.members[0].label not in text


def test_a_view_shows_how_to_connect_while_it_is_ready() -> None:  # (274), (286)
    view = RentalView.of(ready(), NOW)
    assert view.connection is not None
    assert view.connection.ssh is not None
    assert view.connection.ssh.command == "ssh -p 2222 root@203.0.113.7"
    assert RentalView.of(asked(), NOW).connection is None


def test_money_has_its_exact_twin_everywhere() -> None:
    shown = RentalView.of(ready(), NOW).model_dump()
    for name in ("price_per_hour", "cost", "final_cost", "max_total_price"):
        assert f"{name}_micros" in shown
    assert shown["price_per_hour"] == 2.0


def test_a_rental_survives_its_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENTALS_TABLE", "rentals")
    for rental in (asked(), ready(count=2), ready(launch=Launch(KEY, env={"A": "b"}))):
        assert RentalItem.of(rental).value() == rental


def test_an_open_rental_is_in_the_index_and_one_that_is_over_is_not() -> None:
    from gpubroker.rentals import endings

    assert RentalItem.of(ready()).gsi1sk == f"2026-05-24T11:00:00.000Z#{RENTAL_ID}"
    over = endings.conclude_end(endings.end(asked(), at=NOW, now=NOW, reason="x")[0], NOW)[0]
    assert RentalItem.of(over).gsi1pk is None


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [(None, 0), ("wait=20", 20), ("respond-async, wait=5", 5), ("wait=900", 25), ("wait=x", 0), ("await=3", 0),
     ('wait="7"; x', 7), ("return=minimal", 0)],
)  # fmt: skip
def test_prefer_wait_is_read_as_rfc_7240_says(prefer: str | None, seconds: int) -> None:
    assert wait_seconds(prefer) == seconds


def test_work_that_goes_on_is_202_with_where_and_when() -> None:
    answer = underway({}, location="/x", done=False, waited=3)
    assert (answer.status, answer.headers) == (
        202,
        {"location": "/x", "preference-applied": "wait=3", "retry-after": "2"},
    )
    assert underway({}, location="/x", done=True).status == 200


def test_nobodys_key_is_a_key_that_follows_from_a_sentence() -> None:
    assert nobodys_key() == nobodys_key()
    RentalRequest.model_validate(LEAST | {"ssh_public_key": nobodys_key()})
