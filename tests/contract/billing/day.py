"""A day of billing's plans, discounts and credits: each function once, successfully."""

from typing import TYPE_CHECKING

from tests.contract.market import OFFER_IDS

if TYPE_CHECKING:
    from tests.contract.test_each_function import Day


def price_a_day(day: "Day", account_id: str) -> None:
    """account_id: the account of the caller `free`."""
    egress = {"resource": "network_egress_mb", "model": "flat", "unit_price": 0.001}
    for name in ("team", "nobodys"):
        day.ask("create_plan", "admin", {"plan_id": name, "name": name, "prices": [egress]})
    later = {"prices": [egress], "effective_from": "2199-01-01T00:00:00Z"}
    day.ask("add_plan_version", "admin", later, plan_id="team")
    day.ask("add_plan_version", "admin", {"prices": [egress]}, plan_id="standard")
    day.ask("remove_plan_version", "admin", None, "?reason=no", plan_id="team", version="2")
    day.ask("remove_plan", "admin", plan_id="nobodys")
    day.ask("list_plans", "free", None, "?limit=1")
    day.ask("list_plans", "free")
    day.ask("get_plan", "free", plan_id="team")
    day.ask("estimate_plan", "free", {"usage": {"network_egress_mb": 5}}, plan_id="team")
    day.ask("set_account_plan", "admin", {"plan_id": "team"}, account_id=account_id)
    day.ask("get_account_plan", "free", account_id=account_id)

    day.ask("create_promotion", "admin", {"code": "DAY-1", "amount": 5, "max_redemptions": 2})
    day.ask("list_promotions", "admin")
    day.ask("redeem_promotion", "free", code="day-1")
    day.ask("close_promotion", "admin", code="day-1")
    given = day.ask("give_discount", "admin", {"name": "Sorry", "percentage": 5}, account_id=account_id).json()
    day.ask("list_discounts", "free", account_id=account_id)
    day.ask("end_discount", "admin", account_id=account_id, discount_id=given["discount_id"])

    credit = day.ask("grant_credit", "admin", {"amount": 5}, account_id=account_id).json()
    day.ask("list_credits", "free", account_id=account_id)
    day.ask("void_credit", "admin", account_id=account_id, credit_id=credit["credit_id"])
    day.ask("get_offer_pricing", "service", offer_id=OFFER_IDS[0])
