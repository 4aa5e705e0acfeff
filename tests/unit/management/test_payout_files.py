"""Bank files: what may get in, and what they look like. # ISO 20022 pain.001.001.09, ISO 13616, ISO 9362, ABA"""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gpubroker.management.settlement.payouts import file as files
from gpubroker.management.settlement.payouts import numbers, pain001
from gpubroker.management.settlement.payouts.account import AccountRail
from gpubroker.management.settlement.payouts.bank_file import CENT, BankFileRail
from gpubroker.management.settlement.payouts.file import BankFile, Entry, FileClosed, FileState
from gpubroker.management.settlement.payouts.pain001 import Debtor, cents, rendered
from gpubroker.management.settlement.payouts.payout import BankAccount, PayoutState
from gpubroker.management.settlement.payouts.port import Payee
from gpubroker.management.settlement.requests import PayeeRequest
from tests.unit.management.settlements import BANK, NOW, USD

HOUSE = Debtor("GPUBROKER", "GB33BUKB20201555555555", "BUKBGB22")
FILE_ID = "pof_01KSCN0000000000000000000A"
AMERICAN = BankAccount("Bits & <Bolts> Łódź", account_number="000123456789", routing_number="021000021")


def filled(*entries: Entry) -> BankFile:
    file = files.opened(FILE_ID, NOW)
    for entry in entries:
        file = files.with_entry(file, entry)
    return file


ENTRIES = (
    Entry("pay_2", "txn-2", 12_340_000, AMERICAN),
    Entry("pay_1", "txn-1", 995 * USD, BANK),
)


def test_a_file_says_who_pays_whom_how_much_and_its_sums() -> None:
    root = ET.fromstring(rendered(filled(*ENTRIES), ENTRIES, HOUSE))  # noqa: S314 - our own bytes
    name = {"p": pain001.NAMESPACE}

    def texts(path: str) -> list[str | None]:
        return [one.text for one in root.findall(path, name)]

    assert texts(".//p:GrpHdr/p:MsgId") == [FILE_ID.replace("_", "-")]
    assert texts(".//p:NbOfTxs") == ["2", "2"]
    assert texts(".//p:CtrlSum") == ["1007.34", "1007.34"]
    assert texts(".//p:EndToEndId") == ["pay-1", "pay-2"]
    assert texts(".//p:InstdAmt") == ["995.00", "12.34"]
    assert {one.get("Ccy") for one in root.findall(".//p:InstdAmt", name)} == {"USD"}
    assert texts(".//p:CdtrAcct/p:Id/p:IBAN") == [BANK.iban]
    assert texts(".//p:CdtrAcct/p:Id/p:Othr/p:Id") == [AMERICAN.account_number]
    assert texts(".//p:CdtrAgt//p:MmbId") == [AMERICAN.routing_number]
    assert texts(".//p:Cdtr/p:Nm") == ["Acme GPU Ltd", "Bits . .Bolts. .ódź".replace("ó", ".").replace("ź", ".")]
    assert texts(".//p:DbtrAcct/p:Id/p:IBAN") == [HOUSE.iban]


def test_the_same_entries_are_the_same_bytes_in_whatever_order_they_are_read() -> None:
    file = filled(*ENTRIES)
    assert rendered(file, ENTRIES, HOUSE) == rendered(file, reversed(ENTRIES), HOUSE)


def test_a_file_that_does_not_hold_what_it_counted_is_not_written() -> None:
    with pytest.raises(ValueError, match="counts 2 entries"):
        rendered(filled(*ENTRIES), ENTRIES[:1], HOUSE)
    with pytest.raises(ValueError, match="counts"):
        rendered(filled(*ENTRIES), (ENTRIES[0], replace(ENTRIES[1], amount=CENT)), HOUSE)


@given(st.integers(1, 10**14))
def test_cents_are_exact(amount: int) -> None:
    dollars, rest = cents(amount * CENT).split(".")
    assert int(dollars) * 100 + int(rest) == amount
    with pytest.raises(ValueError, match="not whole cents"):
        cents(amount * CENT + 1)


@given(st.integers(1, 10**14))
def test_a_bank_carries_cents_and_the_rest_stays(amount: int) -> None:
    payee = Payee("seller:acme", "bank_file", BANK)
    prepared = BankFileRail().prepare(payee, amount)
    if amount < CENT:
        assert prepared == AccountRail().prepare(payee, amount)
        return
    assert prepared.state is PayoutState.INSTRUCTED
    assert 0 <= amount - prepared.amount < CENT
    assert prepared.amount % CENT == 0
    assert sum(leg.amount for leg in prepared.legs) == prepared.amount


def test_a_closed_file_takes_nothing_more_and_an_empty_one_is_never_written() -> None:
    closed = files.closed(filled(*ENTRIES))
    with pytest.raises(FileClosed):
        files.with_entry(closed, ENTRIES[0])
    full = replace(files.opened(FILE_ID, NOW), entries=files.MOST_ENTRIES)
    with pytest.raises(FileClosed):
        files.with_entry(full, ENTRIES[0])
    empty = files.closed(files.opened(FILE_ID, NOW))
    assert (empty.state, empty.due_at) == (FileState.EMPTY, None)
    assert files.written(empty, key="k", sha256="s", now=NOW) is empty
    written = files.written(closed, key="k", sha256="s", now=NOW)
    assert files.written(written, key="other", sha256="s", now=NOW) is written
    assert written.due_at == NOW + files.CONFIRM_WITHIN


@pytest.mark.parametrize(
    ("iban", "valid"),
    [
        ("GB33BUKB20201555555555", True),
        ("DE89370400440532013000", True),
        ("FR1420041010050500013M02606", True),
        ("GB34BUKB20201555555555", False),
        ("DE8937040044053201300", False),
        ("de89370400440532013000", False),
        ("", False),
    ],
)
def test_an_iban_has_right_check_digits(iban: str, valid: bool) -> None:  # examples of the IBAN registry
    assert numbers.is_iban(iban) is valid


@pytest.mark.parametrize(
    ("number", "valid"), [("021000021", True), ("011401533", True), ("021000022", False), ("02100002", False)]
)
def test_a_routing_number_has_a_right_checksum(number: str, valid: bool) -> None:
    assert numbers.is_routing_number(number) is valid


@pytest.mark.parametrize(
    "body",
    [
        '{"method": "bank_file"}',
        '{"method": "account", "bankAccount": {"name": "A", "iban": "DE89370400440532013000"}}',
        '{"method": "bank_file", "bankAccount": {"name": "A"}}',
        '{"method": "bank_file", "bankAccount": {"name": "A", "iban": "DE00370400440532013000"}}',
        '{"method": "bank_file", "bankAccount": {"name": "A", "iban": "DE89370400440532013000", "bic": "X"}}',
        '{"method": "bank_file", "bankAccount": {"name": "A", "accountNumber": "1"}}',
        '{"method": "bank_file", "bankAccount": {"name": "A", "accountNumber": "<1>", "routingNumber": "021000021"}}',
        '{"method": "cheque"}',
    ],
)
def test_a_payee_that_no_bank_could_pay_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        PayeeRequest.model_validate_json(body)


def test_a_bank_account_is_shown_by_its_end() -> None:
    assert (BANK.masked, AMERICAN.masked) == ("****3000", "****6789")
