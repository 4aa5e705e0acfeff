"""Where the months of an account are kept: charges that wait for their invoice, and what was billed."""

from collections.abc import Iterable
from dataclasses import dataclass

from pynamodb.exceptions import DoesNotExist

from gpubroker.billing.invoices.charge import Entry, RentalCharge
from gpubroker.billing.invoices.items import (
    MONTH,
    PAGE,
    ChargeItem,
    MonthItem,
    PageItem,
    PeriodItem,
    RentalChargeItem,
    RentalOwnerItem,
)
from gpubroker.billing.invoices.memory import BilledInstance, BilledMonth, Part, pages, read_pages
from gpubroker.billing.invoices.period import Period
from gpubroker.storage.transaction import StaleVersion, Writes


@dataclass(frozen=True, slots=True)
class Window:
    """An account's month: how often it was written, and the invoice that closed it."""

    version: int
    closed_by: str | None


class Months:
    # ------------------------------------------------------------ charges of rentals

    @staticmethod
    def window(account_id: str, period: Period) -> Window:
        try:
            item = PeriodItem.get(f"{account_id}#PERIOD", str(period), consistent_read=True)
        except DoesNotExist:
            return Window(0, None)
        return Window(int(item.version or 0), item.closed_by)

    @staticmethod
    def add_charge(tx: Writes, account_id: str, period: Period, window: Window, entry: Entry) -> None:
        """Put an entry in an open month. The month counts it, so that no invoice closes it over an unread one."""
        tx.put(ChargeItem.of(account_id, period, entry), condition=ChargeItem.pk.does_not_exist())
        tx.put(PeriodItem.of(account_id, period, version=window.version + 1), condition=_unmoved(window))

    @staticmethod
    def add_close(tx: Writes, account_id: str, period: Period, window: Window, invoice_id: str) -> None:
        """Close a month: what comes later goes to the next one. Losing means StaleVersion: something came meanwhile."""
        item = PeriodItem.of(account_id, period, version=window.version + 1, closed_by=invoice_id)
        tx.put(item, condition=_unmoved(window), lost=StaleVersion)

    @staticmethod
    def charges(account_id: str, period: Period) -> list[Entry]:
        found = ChargeItem.query(f"{account_id}#CHARGES#{period}", consistent_read=True)
        return sorted((item.value() for item in found), key=lambda one: (one.at, one.rental_id, one.kind))

    @staticmethod
    def open_accounts(period: Period) -> Iterable[str]:
        return PeriodItem.open_accounts(period)

    @staticmethod
    def rental_charge(account_id: str, rental_id: str) -> RentalCharge:
        try:
            return RentalChargeItem.get(f"{account_id}#RENTALCHARGE", rental_id, consistent_read=True).value()
        except DoesNotExist:
            return RentalCharge(rental_id, account_id)

    @staticmethod
    def payer_of(rental_id: str) -> str | None:
        """Who was charged for a rental; None while it is not known to have ended."""
        try:
            return str(RentalOwnerItem.get(f"RENTAL#{rental_id}", "OWNER", consistent_read=True).account)
        except DoesNotExist:
            return None

    @staticmethod
    def add_rental_charge(tx: Writes, before: RentalCharge, after: RentalCharge) -> None:
        unmoved = RentalChargeItem.version == before.version
        tx.put(
            RentalChargeItem.of(after),
            condition=unmoved if before.version else RentalChargeItem.pk.does_not_exist(),
            lost=StaleVersion,
        )
        if not before.version:
            tx.put(RentalOwnerItem.of(after), condition=RentalOwnerItem.pk.does_not_exist(), lost=StaleVersion)

    # ------------------------------------------------------------ what was billed

    @staticmethod
    def billed(account_id: str, period: Period) -> BilledMonth:
        try:
            item = MonthItem.get(_billed_pk(account_id, period), MONTH, consistent_read=True)
        except DoesNotExist:
            return BilledMonth()
        return BilledMonth.of_json(item.billed, int(item.version or 0))

    @staticmethod
    def instances(account_id: str, period: Period, billed: BilledMonth) -> dict[str, BilledInstance]:
        """Every instance as the last invoice that had something of it left it."""
        found: dict[str, BilledInstance] = {}
        for part in billed.parts:
            prefix = f"{PAGE}{part.period}#{part.build}#"
            items = PageItem.query(
                _billed_pk(account_id, period), PageItem.sk.startswith(prefix), consistent_read=True, page_size=4
            )
            found |= read_pages(item.page for item in items)
        return found

    @staticmethod
    def instance(account_id: str, period: Period, part: Part, instance_id: str) -> BilledInstance | None:
        """One instance as one invoice left it; None where it had nothing of it. One Query of one item."""
        prefix = f"{PAGE}{part.period}#{part.build}#"
        items = PageItem.query(
            _billed_pk(account_id, period),
            PageItem.sk.between(prefix, prefix + instance_id),
            scan_index_forward=False,
            limit=1,
            page_size=1,
        )
        return next((read_pages([item.page]).get(instance_id) for item in items), None)

    @staticmethod
    def put_instances(account_id: str, period: Period, part: Part, instances: dict[str, BilledInstance]) -> None:
        with PageItem.batch_write() as batch:
            for first, page in pages(instances):
                sk = f"{PAGE}{part.period}#{part.build}#{first}"
                batch.save(PageItem(pk=_billed_pk(account_id, period), sk=sk, page=page))

    @staticmethod
    def drop_other_builds(account_id: str, period: Period, part: Part) -> None:
        """Pages of builds of this part that lost."""
        prefix = f"{PAGE}{part.period}#"
        keys = PageItem.query(
            _billed_pk(account_id, period), PageItem.sk.startswith(prefix), attributes_to_get=["pk", "sk"]
        )
        others = [item for item in keys if not item.sk.startswith(f"{prefix}{part.build}#")]
        with PageItem.batch_write() as batch:
            for item in others:
                batch.delete(item)

    @staticmethod
    def add_billed(tx: Writes, account_id: str, period: Period, before: BilledMonth, after: BilledMonth) -> None:
        item = MonthItem(
            pk=_billed_pk(account_id, period), sk=MONTH, billed=after.to_json(), version=before.version + 1
        )
        unmoved = MonthItem.version == before.version
        tx.put(item, condition=unmoved if before.version else MonthItem.pk.does_not_exist(), lost=StaleVersion)


def _billed_pk(account_id: str, period: Period) -> str:
    return f"{account_id}#BILLED#{period}"


def _unmoved(window: Window):  # type: ignore[no-untyped-def]  # pynamodb's condition
    if window.version:
        return PeriodItem.version == window.version
    return PeriodItem.pk.does_not_exist()
