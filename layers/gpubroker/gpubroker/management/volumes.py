"""What accounts have settled, by day: the volume that fees go by.

One counter per account, side and day (UTC). Settlement moves it in its own transaction, so a trade counts once. The
volume of the last 30 days is today and the 29 days before: one Query of at most 30 items.
"""

from datetime import UTC, datetime, timedelta

from gpubroker.kernel.money import MicroUsd
from gpubroker.management.fees import Side
from gpubroker.management.items import VolumeItem
from gpubroker.storage.transaction import Writes

DAYS = 30
_KEPT_DAYS = 400  # for reports; the window is what fees go by


class Volumes:
    def of(self, account_id: str, side: Side, *, now: datetime) -> MicroUsd:
        """What the account has settled as one side in the last 30 days."""
        first, last = _day(now - timedelta(days=DAYS - 1)), _day(now)
        found = VolumeItem.query(_pk(account_id, side), VolumeItem.sk.between(first, last), consistent_read=True)
        return sum(int(item.micros) for item in found)

    def add(self, tx: Writes, account_id: str, side: Side, amount: MicroUsd, *, at: datetime) -> None:
        """Count a trade in the transaction that settles it; a negative amount takes a reversed one back.

        at: the moment of the settlement, for a reversal too, so that both move the same day's counter.
        """
        item = VolumeItem(pk=_pk(account_id, side), sk=_day(at))
        ends = int((at + timedelta(days=_KEPT_DAYS)).timestamp())
        trades = 1 if amount >= 0 else -1
        tx.update(
            item,
            actions=[VolumeItem.micros.add(amount), VolumeItem.trades.add(trades), VolumeItem.expires_at.set(ends)],
        )


def _pk(account_id: str, side: Side) -> str:
    return f"{account_id}#VOLUME#{side.upper()}"


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()
