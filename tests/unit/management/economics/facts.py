"""Facts of the bus that the economic metrics are made of, as their contexts publish them."""

from typing import Any

ADA, BOB = "usr_ada", "usr_bob"
SELLER = "seller:vastai"
AT = "2026-07-15T10:00:00.000Z"


def event(kind: str, source: str, event_id: str, /, **detail: Any) -> dict[str, Any]:
    told = {"event_id": event_id, "occurred_at": AT, "traceparent": None, "correlation_id": None}
    return {"source": f"gpubroker.{source}", "detail-type": kind, "detail": detail | told}


def settled(
    event_id: str = "evt_s", *, amount: int = 995_025, fees: tuple[int, int] = (4_975, 4_975), at: str = AT
) -> Any:
    names = {"settlement_id": "set_1", "transaction_id": "txn_1", "order_id": "ord_1", "buyer": ADA, "seller": SELLER}
    money = {"amount_micros": amount, "buyer_fee_micros": fees[0], "seller_fee_micros": fees[1]}
    return event("TransactionSettled", "management", event_id, **names, **money, net_micros=amount - fees[1], at=at)


def reversed_(event_id: str = "evt_r", *, refund: int = 500_000, fees: tuple[int, int] = (2_000, 2_000)) -> Any:
    names = {"settlement_id": "set_1", "transaction_id": "txn_1", "order_id": "ord_1", "buyer": ADA, "seller": SELLER}
    money = {"refund_micros": refund, "buyer_fee_micros": fees[0], "seller_fee_micros": fees[1]}
    rest = {
        "reversal_id": "rev_1",
        "from_seller_micros": refund,
        "owed_micros": 0,
        "whole": False,
        "reason": "",
        "by": "",
    }
    return event("TransactionReversed", "management", event_id, **names, **money, **rest, at=AT)


def posted(*legs: tuple[str, str, int], event_id: str = "evt_t", at: str = AT, **more: Any) -> Any:
    told = [{"debit": debit, "credit": credit, "amount_micros": amount} for debit, credit, amount in legs]
    return event(
        "TransferPosted", "ledger", event_id, transfer_id="trf_1", kind="x", legs=told, reference={}, at=at, **more
    )


def ended(event_id: str = "evt_e", *, seconds: tuple[int, ...] = (1800,), gpus: int = 2, **more: Any) -> Any:
    lines = [{"member_id": f"m{number}", "seconds": one, "gpu_count": gpus} for number, one in enumerate(seconds)]
    known = {"ended_at": AT, "billed_by": "gpubroker", "lines": lines, "final_cost_micros": 1_000_000}
    return event(
        "RentalEnded", "rentals", event_id, rental_id="ren_1", user_id=ADA, event_type="RentalEnded", data=known | more
    )
