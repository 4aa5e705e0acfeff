"""Telling a notice: by each channel that its fact allows and its user wants, once."""

from collections.abc import Callable
from datetime import datetime

from gpubroker.delivery.notifications import marks, preferences
from gpubroker.delivery.notifications.inbox import Inbox
from gpubroker.delivery.notifications.notice import Channel, Notice
from gpubroker.delivery.notifications.ports import Addresses, Push
from gpubroker.delivery.notifications.wording import notice_of
from gpubroker.kernel.time import Clock, iso
from gpubroker.messaging.log import logger
from gpubroker.messaging.mail import Mail, Outbound

SENT, BEFORE, NOWHERE = "sent", "sent-before", "nowhere"


class NotTold(Exception):
    """Some channels did not take the notice now; the others did, and will not be asked again."""


class Teller:
    def __init__(self, *, inbox: Inbox, addresses: Addresses, mail: Outbound, push: Push, clock: Clock):
        self._inbox, self._addresses, self._mail, self._push, self._clock = inbox, addresses, mail, push, clock

    def on_event(self, event: dict[str, object]) -> dict[str, str]:
        return self.tell(notice_of(event))

    def tell(self, notice: Notice) -> dict[str, str]:
        """What became of each channel: `sent`, `sent-before` or `nowhere` (no verified address, no device).

        Raises NotTold after all channels were tried, when one of them failed.
        """
        wanted = notice.channels & preferences.preferences_of(notice.user_id)[notice.kind]
        outcomes: dict[str, str] = {}
        failed = []
        for channel in Channel:
            if channel in wanted:
                try:
                    outcomes[channel.value] = self._by(channel, notice)
                except Exception as error:
                    told = {"event_id": notice.event_id, "channel": channel.value, "error": repr(error)}
                    logger().error("notice not told", extra=told)
                    failed.append(channel.value)
        if failed:
            raise NotTold(f"{notice.event_id} by {', '.join(failed)}")
        return outcomes

    def _by(self, channel: Channel, notice: Notice) -> str:
        now = self._clock()
        if channel is Channel.INBOX:
            return SENT if self._inbox.add(notice, now=now) else BEFORE
        send = self._send_mail if channel is Channel.EMAIL else self._send_push
        return _once(channel, notice, now, lambda: send(notice, now))

    def _send_mail(self, notice: Notice, now: datetime) -> str | None:
        """To a verified address: whoever registers somebody else's must not be able to mail them through us."""
        address = self._addresses.address_of(notice.user_id)
        if address is None or not address.verified:
            return None
        footer = "How you are told is yours to say: /api/v2/notifications/preferences."
        return self._mail.send(Mail(address.email, f"GPUBROKER: {notice.title}", f"{notice.text}\n\n{footer}\n"))

    def _send_push(self, notice: Notice, now: datetime) -> str | None:
        payload: dict[str, object] = {
            "event_id": notice.event_id,
            "kind": notice.kind.value,
            "title": notice.title,
            "text": notice.text,
            "subject": notice.subject,
            "at": iso(now),
        }
        return self._push.publish(notice.user_id, notice.title, notice.text, payload)


def _once(channel: Channel, notice: Notice, now: datetime, send: Callable[[], str | None]) -> str:
    mark = marks.claim(notice.user_id, notice.event_id, channel, now=now.timestamp())
    if mark is None:
        return BEFORE
    try:
        reference = send()
    except Exception:
        marks.release(mark)
        raise
    marks.done(mark, reference=reference)
    return NOWHERE if reference is None else SENT
