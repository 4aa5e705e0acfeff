"""The inbox of a user: what they were told, the newest first, for ninety days.

A notification is unread while its item in UNREAD is there; so the count is exact, whatever the clock did, and reading
all is deleting those. What is over its retention is not shown even if it is still stored.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pynamodb.exceptions import DoesNotExist

from gpubroker.delivery.notifications.items import NoticeItem, ToldItem, UnreadItem
from gpubroker.delivery.notifications.marks import KEPT_SECONDS as MARKS_KEPT_SECONDS
from gpubroker.delivery.notifications.marks import mark_of
from gpubroker.delivery.notifications.notice import Channel, Notice
from gpubroker.kernel.errors import NotFound
from gpubroker.kernel.ids import new_id
from gpubroker.kernel.time import iso
from gpubroker.storage.transaction import AlreadyDone, transaction

RETENTION = timedelta(days=90)
MOST_COUNTED = 1000
"""A count of unread notifications reads them; there it ends."""


class NotificationNotFound(NotFound):
    code = "notification-not-found"
    title = "There is no such notification"


@dataclass(frozen=True, slots=True)
class Notification:
    notification_id: str
    event_id: str
    kind: str
    title: str
    text: str
    subject: dict[str, Any]
    created_at: str
    read: bool


class Inbox:
    def add(self, notice: Notice, *, now: datetime) -> bool:
        """Put a notice in its user's inbox, unread, once for ever; False when it was there before. One transaction."""
        notification_id = new_id("ntf", now_ms=lambda: int(now.timestamp() * 1000))
        until = int((now + RETENTION).timestamp())
        mark = mark_of(notice.user_id, notice.event_id, Channel.INBOX)
        mark.state, mark.reference = "sent", notification_id
        mark.expires_at = int(now.timestamp()) + MARKS_KEPT_SECONDS
        try:
            with transaction(NoticeItem) as tx:
                tx.put(mark, condition=ToldItem.pk.does_not_exist(), lost=AlreadyDone)
                tx.put(
                    NoticeItem(
                        _inbox(notice.user_id),
                        notification_id,
                        event_id=notice.event_id,
                        kind=notice.kind.value,
                        title=notice.title,
                        text=notice.text,
                        subject=notice.subject,
                        created_at=iso(now),
                        expires_at=until,
                    ),
                    condition=NoticeItem.pk.does_not_exist(),
                )
                tx.put(UnreadItem(_unread(notice.user_id), notification_id, expires_at=until))
        except AlreadyDone:
            return False
        return True

    def newest_of(self, user_id: str, limit: int, *, now: datetime, before: str | None = None) -> list[Notification]:
        """Notifications, the newest first, from before the notification id `before` on. Two calls."""
        kept_since = _oldest(now)
        condition = NoticeItem.sk.between(kept_since, before) if before else NoticeItem.sk >= kept_since
        more = 1 if before else 0  # `before` itself, which BETWEEN includes
        items = [
            item
            for item in NoticeItem.query(
                _inbox(user_id),
                condition,
                scan_index_forward=False,
                limit=limit + more,
                page_size=limit + more,
                consistent_read=True,
            )
            if item.sk != before
        ]
        unread = {item.sk for item in UnreadItem.batch_get([(_unread(user_id), item.sk) for item in items])}
        return [_notification(item, item.sk not in unread) for item in items[:limit]]

    def unread(self, user_id: str, *, now: datetime) -> int:
        """How many are unread; MOST_COUNTED at most."""
        return UnreadItem.count(_unread(user_id), UnreadItem.sk >= _oldest(now), limit=MOST_COUNTED)

    def read(self, user_id: str, notification_id: str, *, now: datetime) -> Notification:
        """Mark one as read; the second time changes nothing. Raises NotificationNotFound."""
        try:
            item = NoticeItem.get(_inbox(user_id), notification_id, consistent_read=True)
        except DoesNotExist:
            item = None
        if item is None or item.sk < _oldest(now):
            raise NotificationNotFound(f"There is no notification {notification_id}.")
        UnreadItem(_unread(user_id), notification_id).delete()
        return _notification(item, True)

    def read_all(self, user_id: str) -> int:
        """Mark all as read that are there now; how many were not."""
        marked = 0
        with UnreadItem.batch_write() as batch:
            for item in UnreadItem.query(_unread(user_id), consistent_read=True, attributes_to_get=["pk", "sk"]):
                batch.delete(item)
                marked += 1
        return marked


def _notification(item: NoticeItem, read: bool) -> Notification:
    return Notification(
        notification_id=item.sk,
        event_id=item.event_id,
        kind=item.kind,
        title=item.title,
        text=item.text,
        subject=item.subject,
        created_at=item.created_at,
        read=read,
    )


def _oldest(now: datetime) -> str:
    """The smallest id that a notification within the retention can have."""
    since = int((now - RETENTION).timestamp() * 1000)
    return new_id("ntf", now_ms=lambda: since, randomness=bytes)


def _inbox(user_id: str) -> str:
    return f"{user_id}#INBOX"


def _unread(user_id: str) -> str:
    return f"{user_id}#UNREAD"
