"""What one fact adds to the metrics of its day. Pure.

Sources, each for what it alone knows:

    TransactionSettled    what was traded, and both fees
    TransactionReversed   what of it was taken back
    TransferPosted        money that came in, went out and was spent, by the kinds of accounts that it moved between
    RentalEnded           the time that was used

Amounts are integer micro-dollars, times are integer seconds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import parse_iso

MONEY = (
    "gross_volume",
    "seller_net",
    "buyer_fees",
    "seller_fees",
    "refunds",
    "buyer_fees_returned",
    "seller_fees_returned",
    "deposits",
    "deposits_returned",
    "withdrawals",
    "withdrawals_returned",
    "payouts",
    "payouts_returned",
    "credits_granted",
    "credits_taken_back",
    "spending",
    "spending_returned",
    "rental_charges",
)
COUNTS = ("settlements", "reversals", "transfers", "rentals_ended", "instance_seconds", "gpu_seconds")
METRICS = MONEY + COUNTS

SOURCES = {
    "TransactionSettled": "gpubroker.management",
    "TransactionReversed": "gpubroker.management",
    "TransferPosted": "gpubroker.ledger",
    "RentalEnded": "gpubroker.rentals",
}

_OUTSIDE, _CREDITS = "house:clearing", "house:credits"


@dataclass(frozen=True, slots=True)
class Measured:
    """event_id: the fact counts once by it. payers: the accounts that spent something."""

    event_id: str
    day: date
    amounts: Mapping[str, int]
    payers: frozenset[str] = frozenset()


def measured(event: Mapping[str, Any]) -> Measured | None:
    """What an event of the bus adds; None for one that adds nothing, or that comes from somebody else.

    Raises KeyError, TypeError or ValueError for a fact that is not what its schema says.
    """
    kind, detail = event["detail-type"], event["detail"]
    if SOURCES.get(kind) != event["source"]:
        return None
    payers: frozenset[str] = frozenset()
    match kind:
        case "TransactionSettled":
            amounts, at = _settled(detail), detail["at"]
        case "TransactionReversed":
            amounts, at = _reversed(detail), detail["at"]
        case "TransferPosted":
            amounts, payers = _posted(detail)
            at = detail["at"]
        case _:
            amounts, at = _ended(detail["data"]), detail["data"]["ended_at"]
    found = {name: amount for name, amount in amounts.items() if amount}
    return Measured(str(detail["event_id"]), day_of(parse_iso(at)), found, payers)


def day_of(moment: datetime) -> date:
    """Days are those of UTC."""
    return moment.astimezone(UTC).date()


def _settled(detail: Mapping[str, Any]) -> dict[str, int]:
    buyer_fee, seller_fee = _micros(detail["buyer_fee_micros"]), _micros(detail["seller_fee_micros"])
    return {
        "settlements": 1,
        "gross_volume": _micros(detail["amount_micros"]) + buyer_fee,
        "seller_net": _micros(detail["net_micros"]),
        "buyer_fees": buyer_fee,
        "seller_fees": seller_fee,
    }


def _reversed(detail: Mapping[str, Any]) -> dict[str, int]:
    return {
        "reversals": 1,
        "refunds": _micros(detail["refund_micros"]),
        "buyer_fees_returned": _micros(detail["buyer_fee_micros"]),
        "seller_fees_returned": _micros(detail["seller_fee_micros"]),
    }


def _posted(detail: Mapping[str, Any]) -> tuple[dict[str, int], frozenset[str]]:
    """A transfer that takes back another one moves the other way: what it moves was returned, not earned or spent."""
    back = detail.get("reverses") is not None
    found: Counter[str] = Counter({"transfers": 1})
    payers = set()
    for leg in detail["legs"]:
        debit, credit, amount = str(leg["debit"]), str(leg["credit"]), _micros(leg["amount_micros"])
        name = _moved(credit, debit, back=True) if back else _moved(debit, credit, back=False)
        if name is not None:
            found[name] += amount
        if name == "spending":
            payers.add(debit)
    return dict(found), frozenset(payers)


def _moved(debit: str, credit: str, *, back: bool) -> str | None:
    """Under what an amount between two accounts counts; None for the house's own business.

    back: the amount moves from `credit` to `debit`, being the reversal of such a movement.
    """
    source, target = _side(debit), _side(credit)
    match source, target:
        case "outside", "payer":
            name = "deposits"
        case "payer", "outside":
            name = "withdrawals"
        case "seller", "outside":
            name = "payouts"
        case "outside", "seller":  # a bank sends it back by a transfer of its own
            return "payouts" if back else "payouts_returned"
        case "credits", "payer":
            name = "credits_granted"
        case "payer", "credits":
            return "credits_granted" if back else "credits_taken_back"
        case "payer", "escrow" | "seller" | "house":
            name = "spending"
        case "escrow" | "seller" | "house", "payer":
            return "spending" if back else "spending_returned"
        case _:
            return None
    if back:
        return "credits_taken_back" if name == "credits_granted" else f"{name}_returned"
    return name


def _side(account: str) -> str:
    if account.startswith(("usr_", "org_")):
        return "payer"
    house = account.partition("/")[0]
    if house == _OUTSIDE:
        return "outside"
    if house == _CREDITS:
        return "credits"
    prefix = account.partition(":")[0]
    return prefix if prefix in ("seller", "escrow", "house") else "payer"


def _ended(data: Mapping[str, Any]) -> dict[str, int]:
    """Seconds are counted whole; the provider's bill of a customer's own key is none of ours."""
    lines = data.get("lines") or []
    ours = data.get("billed_by", "gpubroker") == "gpubroker"
    return {
        "rentals_ended": 1,
        "instance_seconds": sum(_seconds(line["seconds"]) for line in lines),
        "gpu_seconds": sum(_seconds(line["seconds"]) * int(line.get("gpu_count") or 0) for line in lines),
        "rental_charges": _micros(data["final_cost_micros"]) if ours else 0,
    }


def _micros(value: Any) -> MicroUsd:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no amount in micro-dollars")
    if value < 0:
        raise ValueError(f"{value} is negative")
    return value


def _seconds(value: Any) -> int:
    return int(Decimal(str(value)).to_integral_value())
