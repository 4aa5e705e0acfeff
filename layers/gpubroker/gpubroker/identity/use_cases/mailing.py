"""From a fact on the bus to a mail: outside every request, and once per fact."""

from datetime import datetime
from typing import Any

from gpubroker.identity.mail import LETTERS, written
from gpubroker.identity.signing import SigningKeys
from gpubroker.identity.store import mails, users
from gpubroker.kernel.time import parse_iso
from gpubroker.messaging.mail import Outbound


def send_mail(event: dict[str, Any], *, outbound: Outbound, keys: SigningKeys, now: datetime) -> dict[str, str]:
    """Send the mail that an event asks for. Gives what became of it: `sent`, `sent-before` or `superseded`.

    The bus delivers at least once: what was sent is written down, and looked up first. A process that dies between
    sending and writing sends the same mail again, with the same token, since both come from the same fact.
    """
    detail = event["detail"]
    letter = LETTERS[event["detail-type"]]
    if mails.was_sent(detail["event_id"]):
        return {"outcome": "sent-before"}
    profile = users.profile_of(detail["user_id"])
    if profile is None:
        return {"outcome": "superseded"}
    token = ""
    if letter.audience is not None:
        if getattr(profile, letter.challenge) != detail["challenge"]:
            return {"outcome": "superseded"}  # used already, or a newer one was asked for
        token = keys.signer(now.timestamp()).sign(
            letter.audience,
            {"sub": profile.user_id, "jti": detail["challenge"]},
            at=int(parse_iso(detail["occurred_at"]).timestamp()),
            seconds=letter.seconds,
        )
    message_id = outbound.send(written(letter, to=profile.email, token=token))
    mails.remember(detail["event_id"], message_id=message_id, kind=event["detail-type"], now=now)
    return {"outcome": "sent", "message_id": message_id}
