"""Invoices as DynamoDB items, in the table of billing.

<account>#INVOICE                <period>#<invoice id>            the header; gsi1 while somebody must look at it
INVOICE#<invoice id>             OWNER                            the account and period of an invoice
<account>#LINES#<invoice id>     <build>#<first line, 6 digits>   a page of lines, packed
<account>#BILLED#<period>        MONTH                            what was billed of a month, and by which invoices
<account>#BILLED#<period>        PAGE#<part>#<build>#<instance>   what instances had of it, packed
<account>#PERIOD                 <period>                         open for charges? gsi1 while it is
<account>#USAGEMONTH             <month>                          there was usage; gsi1 for ever after
<account>#CHARGES#<period>       <rental id>[#ADJUSTMENT]         a rental for that month's invoice
<account>#RENTALCHARGE           <rental id>                      what is known of a rental's cost
RENTAL#<rental id>               OWNER                            the account that was charged for a rental
<account>#NOTES#<invoice id>     <note id>                        a credit note
HOUSE#INVOICENUMBER              <year>                           the last number of a year
"""

import zlib
from collections.abc import Iterator
from functools import cache

from pydantic import TypeAdapter
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from gpubroker.billing.invoices.charge import Entry, RentalCharge
from gpubroker.billing.invoices.credit_note import CreditNote
from gpubroker.billing.invoices.invoice import Invoice
from gpubroker.billing.invoices.period import Period
from gpubroker.storage.due import SHARDS, DueIndex, DueItem
from gpubroker.storage.table import Item, Table

MONTH = "MONTH"
PAGE = "PAGE#"


@cache
def _invoices() -> TypeAdapter[Invoice]:
    return TypeAdapter(Invoice)


@cache
def _entries() -> TypeAdapter[Entry]:
    return TypeAdapter(Entry)


@cache
def _rental_charges() -> TypeAdapter[RentalCharge]:
    return TypeAdapter(RentalCharge)


@cache
def _notes() -> TypeAdapter[CreditNote]:
    return TypeAdapter(CreditNote)


def invoices_pk(account_id: str) -> str:
    return f"{account_id}#INVOICE"


def header_sk(period: str, invoice_id: str) -> str:
    return f"{period}#{invoice_id}"


class InvoiceItem(DueItem):
    """Due while it is not settled, when somebody must look at it next."""

    class Meta(Table):
        env = "BILLING_TABLE"

    due_name = "INVOICEDUE"
    due = DueIndex()
    invoice = UnicodeAttribute()

    @classmethod
    def of(cls, invoice: Invoice) -> "InvoiceItem":
        sk = header_sk(invoice.period, invoice.invoice_id)
        item = cls(
            pk=invoices_pk(invoice.account_id),
            sk=sk,
            version=invoice.version,
            invoice=_invoices().dump_json(invoice, exclude_none=True).decode(),
        )
        if invoice.next_at is not None:
            item.gsi1pk, item.gsi1sk = cls.due_key(sk, invoice.next_at)
        return item

    def value(self) -> Invoice:
        return _invoices().validate_json(self.invoice)


class InvoiceOwnerItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    account = UnicodeAttribute()
    period = UnicodeAttribute()

    @classmethod
    def of(cls, invoice: Invoice) -> "InvoiceOwnerItem":
        return cls(pk=f"INVOICE#{invoice.invoice_id}", sk="OWNER", account=invoice.account_id, period=invoice.period)


class PageItem(Item):
    """A page of lines, or of what was billed."""

    class Meta(Table):
        env = "BILLING_TABLE"

    page = BinaryAttribute(legacy_encoding=False)


class MonthItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    billed = UnicodeAttribute()


class PeriodItem(Item):
    """Open for charges until an invoice closes it; while it is open it stands in an index by month."""

    class Meta(Table):
        env = "BILLING_TABLE"

    index = DueIndex()
    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)
    closed_by = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, account_id: str, period: Period, *, version: int, closed_by: str | None = None) -> "PeriodItem":
        item = cls(pk=f"{account_id}#PERIOD", sk=str(period), version=version, closed_by=closed_by)
        if closed_by is None:
            shard = zlib.crc32(account_id.encode()) % SHARDS
            item.gsi1pk, item.gsi1sk = f"BILLABLE#{period}#{shard}", account_id
        return item

    @classmethod
    def open_accounts(cls, period: Period) -> Iterator[str]:
        """Accounts with charges of a month that no invoice has closed, by the index (which may lag a moment)."""
        for shard in range(SHARDS):
            for item in cls.index.query(f"BILLABLE#{period}#{shard}"):
                yield item.pk.rpartition("#")[0]


class UsageMonthItem(Item):
    """That an account had usage, or late usage came in, in a month: stands in an index by month."""

    class Meta(Table):
        env = "BILLING_TABLE"

    index = DueIndex()
    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)

    @classmethod
    def of(cls, account_id: str, month: Period) -> "UsageMonthItem":
        shard = zlib.crc32(account_id.encode()) % SHARDS
        return cls(pk=f"{account_id}#USAGEMONTH", sk=str(month), gsi1pk=f"USED#{month}#{shard}", gsi1sk=account_id)

    @classmethod
    def accounts(cls, month: Period) -> Iterator[str]:
        for shard in range(SHARDS):
            for item in cls.index.query(f"USED#{month}#{shard}"):
                yield item.pk.rpartition("#")[0]


class ChargeItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    entry = UnicodeAttribute()

    @classmethod
    def of(cls, account_id: str, period: Period, entry: Entry) -> "ChargeItem":
        suffix = "#ADJUSTMENT" if entry.kind == "rental_adjustment" else ""
        return cls(
            pk=f"{account_id}#CHARGES#{period}",
            sk=f"{entry.rental_id}{suffix}",
            entry=_entries().dump_json(entry).decode(),
        )

    def value(self) -> Entry:
        return _entries().validate_json(self.entry)


class RentalChargeItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    charge = UnicodeAttribute()

    @classmethod
    def of(cls, charge: RentalCharge) -> "RentalChargeItem":
        return cls(
            pk=f"{charge.account_id}#RENTALCHARGE",
            sk=charge.rental_id,
            version=charge.version,
            charge=_rental_charges().dump_json(charge, exclude_none=True).decode(),
        )

    def value(self) -> RentalCharge:
        return _rental_charges().validate_json(self.charge)


class RentalOwnerItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    account = UnicodeAttribute()

    @classmethod
    def of(cls, charge: RentalCharge) -> "RentalOwnerItem":
        return cls(pk=f"RENTAL#{charge.rental_id}", sk="OWNER", account=charge.account_id)


class NumberItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    last = NumberAttribute(default=0)

    @classmethod
    def of(cls, year: int, last: int = 0) -> "NumberItem":
        return cls(pk="HOUSE#INVOICENUMBER", sk=str(year), last=last)


class NoteItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    note = UnicodeAttribute()

    @classmethod
    def of(cls, note: CreditNote) -> "NoteItem":
        return cls(
            pk=f"{note.account_id}#NOTES#{note.invoice_id}",
            sk=note.note_id,
            note=_notes().dump_json(note).decode(),
        )

    def value(self) -> CreditNote:
        return _notes().validate_json(self.note)
