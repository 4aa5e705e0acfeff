"""Facts of rentals into the months of those who pay for them."""

import random
import time
from collections.abc import Callable
from typing import Any

from gpubroker.billing.invoices import charge as rules
from gpubroker.billing.invoices.items import ChargeItem
from gpubroker.billing.invoices.months import Months, Window
from gpubroker.billing.invoices.period import Period
from gpubroker.kernel.errors import Unavailable
from gpubroker.storage.transaction import StaleVersion, transaction

_TRIES = 10
_MOST_MONTHS = 24


class RentalCharges:
    def __init__(
        self,
        *,
        months: Months,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._months, self._sleep, self._jitter = months, sleep, jitter

    def take(self, told: dict[str, Any]) -> None:
        """On RentalEnded and RentalFinalised: an entry in the month that it happened in, or in the next one that no
        invoice has closed. The second delivery changes nothing. Raises NotEnded for a confirmation that came first."""
        detail = told["detail"]
        ending = told["detail-type"] == "RentalEnded"
        rule = rules.ended if ending else rules.finalised
        # Only the end says who pays: what confirms it is looked up by the rental.
        account_id = rules.account_of(detail) if ending else self._months.payer_of(str(detail["rental_id"]))
        if account_id is None:
            raise rules.NotEnded(str(detail["rental_id"]))
        for attempt in range(_TRIES):
            before = self._months.rental_charge(account_id, str(detail["rental_id"]))
            after, entry = rule(before, detail)
            if after is before:
                return
            try:
                with transaction(ChargeItem) as tx:
                    self._months.add_rental_charge(tx, before, after)
                    if entry is not None:
                        month, window = self._open_month(account_id, Period.of(entry.at))
                        self._months.add_charge(tx, account_id, month, window, entry)
                return
            except StaleVersion:
                self._sleep(self._jitter() * min(0.5, 0.02 * 2**attempt))
        raise Unavailable(f"The charges of {account_id} are changing too fast.", retry_after=1)

    def _open_month(self, account_id: str, month: Period) -> tuple[Period, Window]:
        for _ in range(_MOST_MONTHS):
            window = self._months.window(account_id, month)
            if window.closed_by is None:
                return month, window
            month = month.next
        raise Unavailable(f"{account_id} has no month that is open for charges.")
