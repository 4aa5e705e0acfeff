"""An order and a transaction by the processing tier's bodies, settled over the API: money moves once. # 34-38"""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from gpubroker.kernel.ids import named_id
from gpubroker.ledger.book import Book, Leg, Transfer
from gpubroker.storage import table as storage_table
from infra.local import aws
from tests.e2e.callers import cheapest, client, eventually, look, ready, rented

BASE = "/api/management/integration"
USD = 1_000_000
OVER = ("settled", "refused", "undone", "reversed")


@pytest.fixture(scope="module")
def book(cloud):
    """The ledger itself: who looks at balances here asks nobody who could be wrong with the API."""
    environment = cloud.environment
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.variables(environment["aws_endpoint_url"]).items():
            patch.setenv(name, value)
        patch.setenv("LEDGER_TABLE", environment["stack"]["outputs"]["LedgerTableName"])
        storage_table._shared.cache_clear()
        yield Book()
        storage_table._shared.cache_clear()


@pytest.fixture(scope="module")
def tier(cloud):
    """The processing tier, with a service token."""
    with client(cloud.environment, "service") as http:
        yield http


@pytest.fixture(scope="module")
def admin(cloud):
    with client(cloud.environment, "admin") as http:
        yield http


class Sale:
    """A buyer with money, a seller, an order and a completed transaction of $1000."""

    def __init__(self, book, tier, *, funds):
        name = uuid.uuid4().hex[:12]
        self.book, self.tier = book, tier
        self.buyer, self.seller, self.order, self.transaction = (
            f"usr_{name}",
            f"seller:{name}",
            f"ord-{name}",
            f"txn-{name}",
        )
        book.open(self.buyer)
        self.credit(funds)
        order = {"orderId": self.order, "userId": self.buyer, "status": "completed", "amount": 1000}
        self.post("orders/update", order | {"sellerId": self.seller})
        self.trade = {**order, "transactionId": self.transaction, "status": "pending", "fees": 10}
        self.post("transactions/update", self.trade)

    def credit(self, amount):
        name = f"deposit-{uuid.uuid4().hex}"
        self.book.transfer(Transfer(name, "deposit", (Leg("house:clearing", self.buyer, amount),)))

    def post(self, path, body):
        answer = self.tier.post(f"{BASE}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def complete(self):
        self.post("transactions/update", self.trade | {"status": "completed"})

    def execute(self):
        return self.tier.post(f"{BASE}/settlement/execute", json={"transactionId": self.transaction})

    def look(self):
        answer = self.tier.get(f"{BASE}/settlement/{self.transaction}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def over(self):
        return eventually(self.look, lambda seen: seen["state"] in OVER, seconds=60)

    def balances(self):
        found = [self.book.balance(self.buyer)]
        return [one.posted for one in found] + [one.held for one in found]


def test_a_transaction_is_settled_once_and_given_back(cloud, book, tier, admin):
    sale = Sale(book, tier, funds=2000 * USD)
    refused = sale.execute()
    assert (refused.status_code, refused.json()["success"]) == (409, False)  # it is open
    assert tier.post(f"{BASE}/settlement/execute", json={"transactionId": "txn-nobody"}).status_code == 404
    sale.complete()
    fees = book.balance("house:fees").posted
    for _ in range(2):  # 37
        assert sale.execute().json() == {"success": True, "message": "Settlement instruction received"}  # 36
    settled = sale.over()
    assert [one["state"] for one in settled["states"]] == [
        "received",
        "checked",
        "held",
        "captured",
        "shared",
        "paid_out",
        "settled",
    ]
    assert sale.execute().json()["success"] is True
    assert sale.balances() == [2000 * USD - 1005 * USD, 0]
    assert book.balance(sale.seller).posted == 995 * USD
    assert book.balance(f"escrow:{sale.order}").posted == 0
    assert book.balance("house:fees").posted - fees == 10 * USD
    kinds = {one["kind"]: one["total_micros"] for one in settled["receipts"]}
    assert kinds == {"payment": 1005 * USD, "proceeds": 995 * USD}
    assert tier.get(f"{BASE}/transactions/{sale.transaction}").json()["status"] == "settled"

    back = {"amount": 201, "reason": "a day of it was not delivered"}
    address, key = f"{BASE}/settlement/{sale.transaction}/reverse", {"Idempotency-Key": uuid.uuid4().hex}
    assert tier.post(address, json=back, headers=key).status_code == 403
    assert admin.post(address, json=back).status_code == 400  # money moves: a key is required
    for _ in range(2):
        answer = admin.post(address, json=back, headers=key)
        assert (answer.status_code, answer.json()["refunded_micros"]) == (200, 201 * USD), answer.text
    assert admin.post(address, json=back | {"amount": 5}, headers=key).status_code == 400  # another body
    assert sale.balances() == [2000 * USD - 1005 * USD + 201 * USD, 0]
    too_much = {"amount": 805, "reason": "more than is left"}
    answer = admin.post(address, json=too_much, headers={"Idempotency-Key": uuid.uuid4().hex})
    assert answer.status_code == 400
    assert "amount" in answer.json()["error"]
    rest = admin.post(address, json={"reason": "all of it"}, headers={"Idempotency-Key": uuid.uuid4().hex})
    assert rest.json()["state"] == "reversed", rest.text
    assert sale.balances() == [2000 * USD, 0]
    assert book.balance(sale.seller).posted == 0
    assert sale.execute().status_code == 409  # 37
    with client(cloud.environment, "free") as stranger:
        assert stranger.get(f"{BASE}/settlement/{sale.transaction}").status_code == 404


def test_without_money_it_is_refused_and_settles_when_there_is_some(book, tier):
    sale = Sale(book, tier, funds=1000 * USD)  # the fee is missing
    sale.complete()
    assert sale.execute().status_code == 200
    refused = sale.over()
    assert (refused["state"], refused["reason"]) == ("refused", "insufficient-funds")
    assert sale.balances() == [1000 * USD, 0]
    sale.credit(5 * USD)
    assert sale.execute().status_code == 200
    eventually(sale.look, lambda seen: seen["state"] == "settled", seconds=60)
    assert sale.balances() == [0, 0]


def test_a_seller_is_paid_by_a_bank_file(cloud, book, tier, admin):
    sale = Sale(book, tier, funds=2000 * USD)
    account = {"name": "Acme GPU Ltd", "iban": "DE89370400440532013000"}
    payee = admin.put(f"{BASE}/payees/{sale.seller}", json={"method": "bank_file", "bankAccount": account})
    assert (payee.status_code, payee.json()["bankAccount"]) == (200, "****3000"), payee.text
    sale.complete()
    sale.execute()
    payout = sale.over()["payout"]
    assert (payout["state"], payout["amount"]) == ("instructed", 995)
    assert book.balance(sale.seller).posted == 0
    outputs, endpoint = cloud.environment["stack"]["outputs"], cloud.environment["aws_endpoint_url"]
    run = aws.client("lambda", endpoint).invoke(FunctionName=outputs["FilePayoutsFunctionName"], Payload=b"{}")
    assert "FunctionError" not in run, run["Payload"].read()
    filed = sale.look()["payout"]
    assert filed["state"] == "filed"
    file = admin.get(f"{BASE}/payouts/files/{filed['fileId']}").json()
    assert file["state"] == "written"
    body = aws.client("s3", endpoint).get_object(Bucket=outputs["PayoutFilesName"], Key=file["key"])["Body"].read()
    named = filed["payoutId"].replace("_", "-")  # banks know no underscore
    assert body.count(f"<EndToEndId>{named}</EndToEndId>".encode()) == 1
    told = {"status": "returned", "reason": "AC04 closed account"}
    for _ in range(2):
        answer = tier.post(f"{BASE}/payouts/{named}/result", json=told)
        assert (answer.status_code, answer.json()["state"]) == (200, "returned"), answer.text
    assert book.balance(sale.seller).posted == 995 * USD


def test_a_rental_is_settled_by_itself_with_its_provider(cloud, book, tier):
    with client(cloud.environment, "pro") as pro:
        with rented(pro, offer_id=cheapest(pro, "vastai")) as asked:
            begun = datetime.fromisoformat(ready(pro, asked)["ready_at"])
            eventually(lambda: datetime.now(UTC) - begun, lambda span: span > timedelta(seconds=2), seconds=10)
        ended = look(pro, asked)
    cost = ended["final_cost_micros"]
    assert cost > 0
    path = f"{BASE}/settlement/{named_id('txn', ended['rental_id'])}"
    answer = eventually(
        lambda: tier.get(path), lambda told: told.status_code == 200 and told.json()["state"] in OVER, seconds=60
    )
    settled = answer.json()
    assert (settled["state"], settled["seller"]) == ("settled", "seller:vastai"), settled
    assert settled["buyerPays_micros"] == cost  # all-in
    assert settled["sellerReceives_micros"] + settled["buyerFee_micros"] + settled["sellerFee_micros"] == cost
    assert book.balance(f"escrow:{ended['rental_id']}").posted == 0
