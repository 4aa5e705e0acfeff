"""Tickets: how an EventSource, which can send no headers, shows who it is (DESIGN §7).

A ticket is bought with credentials, lives for a minute and is good for one stream. An EventSource comes back to the
same URL again and again, so the first use turns the ticket into a *session*, whose secret stands in the id of every
event; the browser shows it in `Last-Event-ID` when it reconnects. So:

- A URL that leaked (a log, a history) opens nothing: its ticket is used, and the session is not in it.
- An answer that was lost before its client saw an id: while the ticket lives and no reconnect has shown the session,
  the ticket may be used again, and gives another session in place of the first. There is one session at any time.
- A session ends after an hour; then the page buys another ticket. It carries public messages only, so a credential
  that was revoked meanwhile shows nothing that anybody could not see.

    TICKET#<sha-256>    TICKET    who bought it, the digest of its session, until when each is good
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError, UpdateError
from pynamodb.expressions.condition import Condition

from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Unauthenticated, Unavailable
from gpubroker.storage.refusals import lost_condition
from gpubroker.storage.table import Item, Table

TICKET_SECONDS = 60
SESSION_SECONDS = 3600
_TRIES = 3


class TicketItem(Item):
    class Meta(Table):
        env = "DELIVERY_TABLE"

    role = UnicodeAttribute()
    subject = UnicodeAttribute()
    tenant = UnicodeAttribute()
    plan = UnicodeAttribute()
    usable_until = NumberAttribute()
    session = UnicodeAttribute(null=True)
    session_until = NumberAttribute(null=True)
    continued = BooleanAttribute(default=False)


@dataclass(frozen=True, slots=True)
class Session:
    """caller: who bought the ticket; sequence: the last that the client saw, None at the beginning; over: it ended."""

    caller: Caller
    secret: str
    sequence: int | None = None
    over: bool = False


class Tickets:
    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        secret: Callable[[], str] = lambda: secrets.token_urlsafe(18),
    ) -> None:
        self._clock, self._secret = clock, secret

    def sell(self, caller: Caller) -> str:
        """A new ticket for a caller with credentials."""
        ticket = self._secret()
        now = int(self._clock())
        item = TicketItem(
            _key(ticket),
            "TICKET",
            role=caller.role.value,
            subject=caller.subject,
            tenant=caller.tenant,
            plan=caller.plan.value,
            usable_until=now + TICKET_SECONDS,
            version=1,
            expires_at=now + TICKET_SECONDS + SESSION_SECONDS,
        )
        try:
            item.save(TicketItem.pk.does_not_exist())
        except PutError as error:
            raise Unavailable("The ticket could not be made; try again.", retry_after=1) from error
        return ticket

    def session(self, ticket: str, last_event_id: str | None) -> Session:
        """The session of a ticket: the one that `Last-Event-ID` shows, or a new one. Raises Unauthenticated."""
        now = int(self._clock())
        for _ in range(_TRIES):
            try:
                item = TicketItem.get(_key(ticket), "TICKET", consistent_read=True)
            except DoesNotExist:
                raise _refused() from None
            shown = _shown(last_event_id)
            if shown is not None:
                return self._continued(item, *shown, now)
            if item.continued or now >= int(item.usable_until):
                raise _refused()
            fresh = self._secret()
            begun = [
                TicketItem.session.set(_digest(fresh)),
                TicketItem.session_until.set(now + SESSION_SECONDS),
                TicketItem.version.add(1),
            ]
            if _updated(item, begun, TicketItem.version == item.version):
                return Session(_caller(item), fresh)
        raise Unavailable("The ticket is being used by several at once.", retry_after=1)

    def _continued(self, item: TicketItem, secret: str, sequence: int, now: int) -> Session:
        digest = _digest(secret)
        if item.session is None or not secrets.compare_digest(item.session, digest):
            raise _refused()
        if not item.continued and not _updated(
            item, [TicketItem.continued.set(True)], TicketItem.session == digest
        ):  # another took its place a moment ago
            raise _refused()
        return Session(_caller(item), secret, sequence, over=now >= int(item.session_until or 0))


def _updated(item: TicketItem, actions: list, condition: Condition) -> bool:  # type: ignore[type-arg]
    try:
        item.update(actions, condition)
    except UpdateError as error:
        if lost_condition(error):
            return False
        raise
    return True


def _shown(last_event_id: str | None) -> tuple[str, int] | None:
    """Secret and sequence of an event id of a session; None when there is none of ours."""
    secret, dot, number = (last_event_id or "").rpartition(".")
    if not dot or not secret or not number.isascii() or not number.isdigit() or len(number) > 15:
        return None
    return secret, int(number)


def _refused() -> Unauthenticated:
    return Unauthenticated("The ticket is unknown, used or too old; get another one.")


def _caller(item: TicketItem) -> Caller:
    return Caller(Role(item.role), subject=item.subject, tenant=item.tenant, plan=Plan(item.plan))


def _key(ticket: str) -> str:
    return f"TICKET#{_digest(ticket)}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
