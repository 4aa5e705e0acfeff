"""Being told when so much of a budget is used: from the table's stream, once a fraction and month."""

from typing import Any

from gpubroker.ledger.alerts import reached
from gpubroker.ledger.budgets import Budget
from tests.integration.accounts.conftest import ADA, BOB


def rise(key: str, before: int, after: int, month: str = "2026-05", sequence: str = "1") -> dict[str, Any]:
    """A record of the stream: the counter of a budget, in dollars."""
    keys = {"pk": {"S": f"{key}#BUDGET"}, "sk": {"S": month}}

    def image(amount: int) -> dict[str, Any]:
        return {**keys, "used": {"N": str(amount * 1_000_000)}, "spent": {"N": "0"}}

    return {
        "eventID": sequence,
        "eventName": "MODIFY" if before else "INSERT",
        "dynamodb": {
            "SequenceNumber": sequence,
            "Keys": keys,
            "NewImage": image(after),
            **({"OldImage": image(before)} if before else {}),
        },
    }


def watch(*records: dict[str, Any]) -> list[str]:
    from ledger import watch_budgets

    return [
        one["itemIdentifier"] for one in watch_budgets.handler({"Records": list(records)}, None)["batchItemFailures"]
    ]


def told(api):
    return [
        (one["account_id"], one["user_id"], one["month"], one["fraction"], one["used"])
        for one in (event["data"] for event in api.told("BudgetAlert"))
    ]


def test_an_alert_is_told_when_its_fraction_is_reached_and_once_a_month(api):
    api.made("set_budget", "ada", "me", body={"budget": {"limit": 100, "alerts": [0.5, 0.8, 1]}})
    assert watch(rise(ADA, 0, 49), rise(ADA, 49, 50), rise(ADA, 50, 79)) == []
    assert told(api) == [(ADA, None, "2026-05", 0.5, 50)]
    watch(rise(ADA, 49, 50), rise(ADA, 79, 40), rise(ADA, 40, 60))  # told again, fallen, and risen again
    assert told(api) == [(ADA, None, "2026-05", 0.5, 50)]
    watch(rise(ADA, 60, 100))
    assert [fraction for *_, fraction, _ in told(api)] == [0.5, 0.8, 1]
    watch(rise(ADA, 0, 60, month="2026-06"))
    assert told(api)[-1] == (ADA, None, "2026-06", 0.5, 60)


def test_an_organisation_and_its_members_are_told_of_apart(api):
    org_id = api.organization(budget={"limit": 100, "alerts": [0.5]})
    member = {"user_id": BOB, "role": "member", "budget": {"limit": 10, "alerts": [1]}}
    api.made("add_member", "ada", org_id, body=member)
    watch(rise(org_id, 0, 50), rise(f"{org_id}/{BOB}", 0, 10))
    assert sorted(told(api), key=str) == sorted(
        [(org_id, None, "2026-05", 0.5, 50), (org_id, BOB, "2026-05", 1, 10)], key=str
    )


def test_who_asked_for_no_alerts_is_told_nothing(api):
    api.made("set_budget", "ada", "me", body={"budget": {"limit": 100}})
    assert watch(rise(ADA, 0, 100), rise(BOB, 0, 100), rise("org_none", 0, 100), rise(f"org_none/{BOB}", 0, 9)) == []
    assert told(api) == []


def test_the_counter_in_the_stream_is_the_one_that_the_book_keeps(api):
    """The function reads what the book writes: key, period and `used`."""
    api.credit(ADA, 100)
    api.made("set_budget", "ada", "me", body={"budget": {"limit": 10, "alerts": [0.5]}})
    api.made("place_hold", "service", body={"account_id": ADA, "amount": 6})
    (kept,) = [item for item in api.state() if item["pk"] == f"{ADA}#BUDGET" and item["sk"] == "2026-05"]
    assert kept["used"] == 6_000_000


def test_a_fraction_belongs_to_the_rise_that_reaches_it():
    budget = Budget(1_000, (500, 1000))
    assert list(reached(budget, 0, 499)) == []
    assert list(reached(budget, 499, 500)) == [500]
    assert list(reached(budget, 500, 999)) == []
    assert list(reached(budget, 0, 1000)) == [500, 1000]
    assert list(reached(Budget(0, (1000,)), 0, 1)) == []
