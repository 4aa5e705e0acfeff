"""Notices in words."""

import pytest

from gpubroker.delivery.notifications.notice import Channel, Kind
from gpubroker.delivery.notifications.wording import dollars, notice_of


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1.4, "$1.40"), (0.000001, "$0.000001"), (1234.5, "$1,234.50"), (2, "$2.00"), (0.1234, "$0.1234"), (0, "$0.00")],
)
def test_amounts_are_written_as_people_do_and_lose_nothing(amount: float, text: str) -> None:
    assert dollars(amount) == text


def requested(kind: Kind, about: dict) -> dict:
    detail = {"event_id": "evt_1", "user_id": "usr_ada", "kind": kind.value, "about": about}
    return {"detail-type": "NotificationRequested", "detail": detail}


def test_what_a_service_says_of_an_offer_wins_over_what_the_alert_says() -> None:
    offer = {
        "offer_id": "x",
        "provider": "vastai",
        "price": 1.25,
        "gpu_type": "A100",
        "spot": True,
        "region": "us-east",
    }
    about = {"alert_config": {"gpu_type": "any A", "max_price": 1.5}, "triggered_offer": offer}
    notice = notice_of(requested(Kind.PRICE_ALERT, about))
    assert notice.title == "A100 at $1.25 per GPU-hour"
    assert "A100 (spot) at vastai in us-east costs $1.25" in notice.text


def test_channels_that_are_of_others_are_left_to_them() -> None:
    offer = {"offer_id": "x", "provider": "vastai", "price": 1}
    config = {"gpu_type": "A100", "max_price": 1.5, "channels": ["websocket", "inbox"]}
    notice = notice_of(requested(Kind.PRICE_ALERT, {"alert_config": config, "triggered_offer": offer}))
    assert notice.channels == {Channel.INBOX}


def test_braces_in_what_others_say_are_no_places_to_fill() -> None:
    change = {"to": "{secret}", "detail": "{0} {} {user}"}
    notice = notice_of(requested(Kind.RENTAL_STATUS, {"rental_id": "ren_1", "status_change": change}))
    assert "{secret}" in notice.title
    detail = {
        "event_id": "e",
        "user_id": "u",
        "rental_id": "r",
        "event_type": "RentalFailed",
        "data": {"detail": "{x}"},
    }
    assert notice_of({"detail-type": "RentalFailed", "detail": detail}).text.endswith("{x}")


def test_a_fact_without_words_is_an_error_and_not_silence() -> None:
    detail = {"event_id": "e", "user_id": "u", "rental_id": "r", "event_type": "RentalPainted", "data": {}}
    with pytest.raises(KeyError):
        notice_of({"detail-type": "RentalPainted", "detail": detail})
