"""A bank file as ISO 20022 pain.001.001.09, "customer credit transfer initiation", in USD.

https://www.iso20022.org/catalogue-messages (Payments Initiation). The bytes depend on the file and its entries alone,
so writing them twice is writing them once. Names are cut to what the standard allows; characters outside it become `.`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from gpubroker.kernel.money import MicroUsd
from gpubroker.management.settlement.payouts.bank_file import CENT
from gpubroker.management.settlement.payouts.file import BankFile, Entry
from gpubroker.management.settlement.payouts.payout import BankAccount

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_LATIN = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
_NAME = 140


@dataclass(frozen=True, slots=True)
class Debtor:
    """The house at its bank."""

    name: str
    iban: str
    bic: str


def rendered(file: BankFile, entries: Iterable[Entry], debtor: Debtor) -> bytes:
    """The file's bytes. Raises ValueError where the entries are not those that the file counted."""
    lines = sorted(entries, key=lambda one: one.payout_id)
    total = sum(one.amount for one in lines)
    if (len(lines), total) != (file.entries, file.total):
        raise ValueError(
            f"{file.file_id} counts {file.entries} entries of {file.total}, there are {len(lines)} of {total}"
        )
    return "".join(_document(file, lines, debtor)).encode()


def _document(file: BankFile, entries: list[Entry], debtor: Debtor) -> Iterator[str]:
    counts = f"<NbOfTxs>{file.entries}</NbOfTxs><CtrlSum>{cents(file.total)}</CtrlSum>"
    created = file.opened_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<Document xmlns="{NAMESPACE}"><CstmrCdtTrfInitn>\n'
    yield f"<GrpHdr><MsgId>{bank_id(file.file_id)}</MsgId><CreDtTm>{created}</CreDtTm>{counts}"
    yield f"<InitgPty><Nm>{_text(debtor.name, _NAME)}</Nm></InitgPty></GrpHdr>\n"
    yield f"<PmtInf><PmtInfId>{bank_id(file.file_id)}</PmtInfId><PmtMtd>TRF</PmtMtd>{counts}"
    yield f"<ReqdExctnDt><Dt>{file.opened_at:%Y-%m-%d}</Dt></ReqdExctnDt>"
    yield f"<Dbtr><Nm>{_text(debtor.name, _NAME)}</Nm></Dbtr>"
    yield f"<DbtrAcct><Id><IBAN>{debtor.iban}</IBAN></Id></DbtrAcct>"
    yield f"<DbtrAgt><FinInstnId><BICFI>{debtor.bic}</BICFI></FinInstnId></DbtrAgt>\n"
    for entry in entries:
        yield from _transfer(entry)
    yield "</PmtInf></CstmrCdtTrfInitn></Document>\n"


def _transfer(entry: Entry) -> Iterator[str]:
    payee = entry.bank_account
    payout_id = bank_id(entry.payout_id)
    yield f"<CdtTrfTxInf><PmtId><InstrId>{payout_id}</InstrId><EndToEndId>{payout_id}</EndToEndId></PmtId>"
    yield f'<Amt><InstdAmt Ccy="USD">{cents(entry.amount)}</InstdAmt></Amt>'
    if agent := _agent(payee):
        yield f"<CdtrAgt><FinInstnId>{agent}</FinInstnId></CdtrAgt>"
    yield f"<Cdtr><Nm>{_text(payee.name, _NAME)}</Nm></Cdtr>"
    account = f"<IBAN>{payee.iban}</IBAN>" if payee.iban else f"<Othr><Id>{payee.account_number}</Id></Othr>"
    yield f"<CdtrAcct><Id>{account}</Id></CdtrAcct>"
    yield f"<RmtInf><Ustrd>{_text(f'Transaction {entry.transaction_id}', _NAME)}</Ustrd></RmtInf></CdtTrfTxInf>\n"


def _agent(payee: BankAccount) -> str:
    if payee.bic:
        return f"<BICFI>{payee.bic}</BICFI>"
    if payee.routing_number:
        member = f"<ClrSysId><Cd>USABA</Cd></ClrSysId><MmbId>{payee.routing_number}</MmbId>"
        return f"<ClrSysMmbId>{member}</ClrSysMmbId>"
    return ""


def bank_id(an_id: str) -> str:
    """An id of ours (30 characters, of 35 that there may be) as banks take it: they know no underscore."""
    return an_id.replace("_", "-")


def our_id(told: str) -> str:
    """The id of ours that a bank names; one that is ours already stays."""
    return told.replace("-", "_", 1)


def cents(amount: MicroUsd) -> str:
    """Micro-dollars that are whole cents, as dollars with two places. Raises ValueError for any others."""
    whole, rest = divmod(amount, CENT)
    if rest:
        raise ValueError(f"{amount} micro-dollars are not whole cents")
    return f"{whole // 100}.{whole % 100:02d}"


def _text(text: str, longest: int) -> str:
    return escape(_LATIN.sub(".", text)[:longest])
