"""What is known of watched instances and sums, and how a crossing is told: the state that says so, the record of the
crossing and the fact are one transaction, under the version of the threshold that was crossed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from pynamodb.exceptions import DoesNotExist, PutError
from pynamodb.expressions.condition import Condition

from gpubroker.kernel.errors import Conflict
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, Writes, lost_condition, transaction
from gpubroker.usage.thresholds import facts
from gpubroker.usage.thresholds.items import (
    CrossedItem,
    NewestItem,
    SumItem,
    ThresholdItem,
    instance_sk,
    watched_pk,
)
from gpubroker.usage.thresholds.rules import Crossing, Newest
from gpubroker.usage.thresholds.threshold import Span, Threshold

KEPT_AFTER_READING = timedelta(days=35)
"""An instance that has said nothing for so long is forgotten: usage that old is taken no more."""
KEPT_AFTER_PERIOD = timedelta(days=62)
CROSSINGS_KEPT = timedelta(days=90)
MOST_AT_ONCE = 30
"""Crossings of one transaction of a hundred items: a record, a fact and a check each, and the state."""


class ThresholdChanged(Conflict):
    """The threshold is not what it was when it was read."""


class ToldBefore(Conflict):
    """The fact was written before."""


Instance = tuple[str, str]
"""User and instance."""


class States:
    def newest_of(self, instances: Iterable[Instance]) -> dict[Instance, Newest]:
        """What is known of each, strongly consistent; nothing of one that is new. A hundred a call."""
        wanted = {(watched_pk(user), instance_sk(instance)): (user, instance) for user, instance in instances}
        found = {instance: Newest() for instance in wanted.values()}
        for item in NewestItem.batch_get(list(wanted), consistent_read=True):
            found[wanted[item.pk, item.sk]] = item.value()
        return found

    def keep(
        self, instance: Instance, before: Newest, after: Newest, crossings: Sequence[Crossing], *, now: datetime
    ) -> None:
        """Write what is known of an instance now, and tell what was crossed, or neither.

        Raises StaleVersion when another writer was first, ThresholdChanged, ToldBefore. At most MOST_AT_ONCE crossings.
        """
        at = after.at
        assert at is not None  # noqa: S101  it was looked at
        after = Newest(at, after.metrics, after.seen, before.version + 1)
        until = int((at + KEPT_AFTER_READING).timestamp())
        item = NewestItem.of(*instance, after, expires_at=until)
        same: Condition = NewestItem.version == before.version if before.version else NewestItem.pk.does_not_exist()
        if not crossings:
            try:
                item.save(condition=same)
            except PutError as error:
                if not lost_condition(error):
                    raise
                raise StaleVersion from error
            return
        with transaction(NewestItem) as tx:
            tx.put(item, condition=same)
            _tell(tx, crossings, now)

    def tell(self, crossing: Crossing, *, now: datetime) -> bool:
        """Tell one crossing by itself; False when it was told before. Raises ThresholdChanged."""
        try:
            with transaction(NewestItem) as tx:
                _tell(tx, [crossing], now)
        except ToldBefore:
            return False
        return True

    def told_at(self, user_id: str, threshold: Threshold, span: Span) -> Decimal | None:
        """The sum at which a threshold was told last in a period; None when it was not, as it is now."""
        try:
            item = SumItem.get(*SumItem.key(user_id, threshold, span), consistent_read=True)
        except DoesNotExist:
            return None
        return Decimal(item.total) if item.revision == threshold.revision else None

    def tell_sum(self, crossing: Crossing, told: Decimal | None, *, now: datetime) -> None:
        """Tell that a sum went over a threshold, and that it was told. Raises StaleVersion, ThresholdChanged."""
        threshold, span = crossing.threshold, crossing.span
        assert span is not None  # noqa: S101  it is a sum
        key = SumItem.key(crossing.user_id, threshold, span)
        until = int((span.end + KEPT_AFTER_PERIOD).timestamp())
        item = SumItem(*key, total=str(crossing.value), revision=threshold.revision, expires_at=until)
        if told is None:
            same: Condition = SumItem.pk.does_not_exist() | (SumItem.revision < threshold.revision)
        else:
            same = (SumItem.total == str(told)) & (SumItem.revision == threshold.revision)
        with transaction(SumItem) as tx:
            tx.put(item, condition=same)
            _tell(tx, [crossing], now, lost=StaleVersion)


def _tell(tx: Writes, crossings: Sequence[Crossing], now: datetime, lost: type[Exception] = ToldBefore) -> None:
    thresholds: Mapping[str, Threshold] = {one.threshold.threshold_id: one.threshold for one in crossings}
    for threshold in thresholds.values():
        tx.check(ThresholdItem.key(threshold), ThresholdItem.version == threshold.version, lost=ThresholdChanged)
    until = int((now + CROSSINGS_KEPT).timestamp())
    for crossing in crossings:
        fact = facts.crossed(crossing, now=now)
        entry = outbox_item(NewestItem, fact, source=facts.SOURCE)
        tx.put(entry, condition=type(entry).pk.does_not_exist(), lost=lost)
        tx.put(CrossedItem.of(crossing.threshold.threshold_id, fact.id, fact.data, expires_at=until))
