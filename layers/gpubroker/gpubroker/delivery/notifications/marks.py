"""Once per fact, user and channel: marks of what was told.

The inbox writes its mark with its entry, in one transaction: exactly once. Mail and push leave the house, so they are
claimed before, sent, and marked after: a second delivery finds the mark, and one beside it finds the claim and waits. A
process that dies between sending and marking leaves a claim that ends by itself, and then the same is sent again:
at least once, and twice only then.
"""

from pynamodb.exceptions import PutError

from gpubroker.delivery.notifications.items import ToldItem
from gpubroker.delivery.notifications.notice import Channel
from gpubroker.storage.refusals import lost_condition

KEPT_SECONDS = 30 * 24 * 3600
CLAIM_SECONDS = 60
"""Longer than a function lives that sends (30 s)."""


class SentElsewhere(Exception):
    """Somebody else is sending this at this moment; look again when they have had their time."""


def mark_of(user_id: str, event_id: str, channel: Channel) -> ToldItem:
    """The bare key."""
    return ToldItem(f"{user_id}#TOLD#{event_id}", channel.value)


def claim(user_id: str, event_id: str, channel: Channel, *, now: float) -> ToldItem | None:
    """The right to send; None when it was sent before. Raises SentElsewhere."""
    mark = mark_of(user_id, event_id, channel)
    mark.state, mark.until, mark.expires_at = "sending", int(now) + CLAIM_SECONDS, int(now) + KEPT_SECONDS
    # A claim that ends later than any can that was made by now is a clock's error, and holds nobody up.
    over = (ToldItem.until < int(now)) | (ToldItem.until > int(now) + CLAIM_SECONDS)
    try:
        mark.save(ToldItem.pk.does_not_exist() | ((ToldItem.state == "sending") & over))
    except PutError as error:
        if not lost_condition(error):
            raise
        if ToldItem.get(mark.pk, mark.sk, consistent_read=True).state == "sending":
            raise SentElsewhere(f"{channel.value} of {event_id}") from error
        return None
    return mark


def done(mark: ToldItem, *, reference: str | None) -> None:
    """It was sent, under the carrier's `reference`; or, with none, there was nowhere to send it."""
    mark.state, mark.reference, mark.until = "nowhere" if reference is None else "sent", reference, None
    mark.save()


def release(mark: ToldItem) -> None:
    """The carrier refused: nothing was sent, so the next delivery need not wait."""
    mark.until = 0
    mark.save()
