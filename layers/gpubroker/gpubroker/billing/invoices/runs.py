"""The monthly run: which accounts have something to bill, page by page, and the workflow that makes their invoices."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

import orjson

from gpubroker.billing.invoices.items import UsageMonthItem
from gpubroker.billing.invoices.months import Months
from gpubroker.billing.invoices.period import Period
from gpubroker.kernel.ids import stable_id
from gpubroker.kernel.time import Clock
from gpubroker.storage.transaction import lost_condition

PAGE = 500
"""Accounts of one page: far below the 256 KB that a workflow passes on."""
_SEEN_MOST = 20_000


class Plan:
    """Which accounts a run looks at. Having looked at one that has nothing costs a few reads and makes nothing."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def page(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """{"period"?, "account_id"?, "after"?} -> {"period", "work": [{"account_id", "period"}], "after", "more"}.

        Without a period it is the month before this one. A month that was never closed, because charges came when its
        run was over, has its own invoice in the next run.
        """
        told = event.get("period")
        period = Period.parse(str(told)) if told else Period.of(self._clock()).previous
        account_id, after = event.get("account_id"), event.get("after")
        if account_id:
            return _page(period, [(str(account_id), period)], None)
        accounts = self._accounts(period)
        rest = [one for one in accounts if after is None or [one[0], str(one[1])] > after]
        page = rest[:PAGE]
        onward = [page[-1][0], str(page[-1][1])] if len(rest) > PAGE else None
        return _page(period, page, onward)

    @staticmethod
    def _accounts(period: Period) -> list[tuple[str, Period]]:
        found = {(one, period.previous) for one in Months.open_accounts(period.previous)}
        found |= {(one, period) for one in Months.open_accounts(period)}
        found |= {(one, period) for one in UsageMonthItem.accounts(period)}
        return sorted(found)


def _page(period: Period, work: Iterable[tuple[str, Period]], after: list[str] | None) -> dict[str, Any]:
    return {
        "period": str(period),
        "work": [{"account_id": account_id, "period": str(month)} for account_id, month in work],
        "after": after,
        "more": after is not None,
    }


@cache
def _step_functions() -> Any:
    import boto3

    return boto3.client("stepfunctions")


def start(event: Mapping[str, Any]) -> str:
    """Start the workflow, on the schedule's event or on InvoiceRunRequested. An event starts it once: the execution is
    named after it. Returns the execution's name."""
    detail = event.get("detail") if event.get("detail-type") == "InvoiceRunRequested" else None
    wanted = {name: detail[name] for name in ("period", "account_id") if detail.get(name)} if detail else {}
    name = f"invoices-{stable_id(detail['event_id'] if detail else event.get('id', ''))}"
    client = _step_functions()
    with suppress(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(
            stateMachineArn=os.environ["PERIOD_TO_INVOICES_STATE_MACHINE"],
            name=name,
            input=orjson.dumps(wanted).decode(),
        )
    return name


class UsageMonths:
    """Notes that accounts have usage, from the stream of usage events: what the plan of a run is made of.

    Noted for the month of the usage and for the month in which it came, whose invoice bills it when it is late. One
    conditional write for an account and a month in the life of a process; the item itself makes it once for ever.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._seen: set[tuple[str, Period]] = set()

    def note(self, used: Iterable[tuple[str, datetime]]) -> int:
        """used: (account, a moment of its usage). Returns how many writes it took."""
        written, now = 0, Period.of(self._clock())
        months = {(account_id, month) for account_id, at in used for month in (Period.of(at), now)}
        for found in sorted(months - self._seen):
            if len(self._seen) >= _SEEN_MOST:
                self._seen.clear()
            written += self._write(*found)
            self._seen.add(found)
        return written

    @staticmethod
    def _write(account_id: str, month: Period) -> int:
        from pynamodb.exceptions import PutError

        try:
            UsageMonthItem.of(account_id, month).save(condition=UsageMonthItem.pk.does_not_exist())
        except PutError as error:
            if not lost_condition(error):
                raise
        return 1
