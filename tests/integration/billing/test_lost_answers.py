"""Each call to AWS of each change fails once, before it took effect or after: the same request again has one effect.

(442, 444, 453)
"""

from collections.abc import Callable, Iterator
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ConnectionClosedError
from pynamodb.exceptions import PynamoDBException

from gpubroker.billing.credits.items import CreditItem
from gpubroker.billing.credits.store import AlreadyConsumed, Credits
from gpubroker.storage.transaction import transaction
from tests.integration.billing.api import ME, Api, serving
from tests.integration.billing.test_credits import DEC, NOV

EGRESS = {"resource": "network_egress_mb", "model": "flat", "unit_price": 0.001}
CHANGES: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "create_plan": ("admin", {"plan_id": "new", "name": "New", "prices": [EGRESS]}, {}),
    "add_plan_version": ("admin", {"prices": [EGRESS]}, {"plan_id": "team"}),
    "set_account_plan": ("admin", {"plan_id": "team"}, {"account_id": ME}),
    "create_promotion": ("admin", {"code": "NEW", "percentage": 5}, {}),
    "redeem_promotion": ("me", {}, {"code": "code"}),
    "give_discount": ("admin", {"name": "Sorry", "percentage": 5}, {"account_id": ME}),
    "grant_credit": ("admin", {"amount": 5}, {"account_id": ME}),
}


class Lost(ConnectionClosedError):
    def __init__(self) -> None:
        super().__init__(endpoint_url="https://dynamodb")


@pytest.fixture
def api(make_table: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for api in serving(make_table, monkeypatch):
        api("create_plan", "admin", body={"plan_id": "team", "name": "Team", "prices": [EGRESS]})
        api("create_promotion", "admin", body={"code": "CODE", "percentage": 5, "max_redemptions": 1})
        yield api


class Breaks:
    """Makes the n-th call to AWS fail, after its effect or instead of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
        self.made = 0
        real = botocore.client.BaseClient._make_api_call

        def breaking(client: Any, operation: str, given: Any) -> Any:
            self.made += 1
            if self.made != number:
                return real(client, operation, given)
            if after:
                real(client, operation, given)
            raise Lost

        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", breaking)


def everything(api: Api) -> dict[str, str]:
    """What is kept, without what remembers requests; ids that are made anew are not compared."""
    kept = {}
    for item in api.table.scan()["Items"]:
        if "#IDEMPOTENCY#" not in item["pk"] and not item["pk"].startswith("OUTBOX#"):
            sk = item["sk"].partition("_")[0] if item["sk"].startswith(("crd_", "dsc_")) else item["sk"]
            assert (item["pk"], sk) not in kept, "an effect twice"
            kept[item["pk"], sk] = str({name: value for name, value in item.items() if isinstance(value, int)})
    return kept


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_whose_answer_was_lost_has_one_effect(
    api: Api, monkeypatch: pytest.MonkeyPatch, name: str, number: int, after: bool
) -> None:
    role, body, path = CHANGES[name]
    with monkeypatch.context() as patch:
        breaks = Breaks(patch, number, after=after)
        first = api(name, role, key="k", body=body or None, **path)
    told = len(api.told())
    if breaks.made < number:
        assert first.status < 300, "the change makes fewer calls"
        return
    again = api(name, role, key="k", body=body or None, **path)
    assert again.status < 300, again.json
    state = everything(api)
    third = api(name, role, key="k", body=body or None, **path)
    assert (third.status, third.json) == (again.status, again.json)
    assert everything(api) == state
    facts = 2 + (0 if name == "redeem_promotion" else 1)
    assert len(api.told()) == facts
    assert told <= facts


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2])
def test_an_invoice_whose_answer_was_lost_burns_once(
    api: Api, monkeypatch: pytest.MonkeyPatch, number: int, after: bool
) -> None:
    """(442)"""
    api("grant_credit", "admin", key="k", body={"amount": 5}, account_id=ME)
    store = Credits()

    def consume() -> None:
        with transaction(CreditItem) as tx:
            store.add_consume(tx, ME, "inv_1", 3_000_000, since=NOV, until=DEC)

    with monkeypatch.context() as patch:
        Breaks(patch, number, after=after)
        with pytest.raises(PynamoDBException):
            consume()
    taken = store.consumption_of(ME, "inv_1")
    if taken is None:
        consume()
    else:
        with pytest.raises(AlreadyConsumed):
            consume()
    (credit,) = api("list_credits", "me", account_id=ME).json["credits"]
    assert credit["balance_micros"] == 2_000_000
