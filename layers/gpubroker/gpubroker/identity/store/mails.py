"""Which facts have become mail."""

from datetime import datetime

from gpubroker.identity.store.items import Identity, MailItem, found
from gpubroker.storage.transaction import transaction

_KEPT_SECONDS = 30 * 24 * 3600


def was_sent(event_id: str) -> bool:
    return found(MailItem, f"MAIL#{event_id}", "SENT") is not None


def remember(event_id: str, *, message_id: str, kind: str, now: datetime) -> None:
    """Note that a mail left; noting it twice changes nothing but the carrier's id of it."""
    with transaction(Identity) as tx:
        tx.put(
            MailItem(
                f"MAIL#{event_id}",
                "SENT",
                message_id=message_id,
                kind=kind,
                expires_at=int(now.timestamp()) + _KEPT_SECONDS,
            )
        )
