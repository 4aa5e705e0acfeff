"""What notifications need of identity (delivery/notifications/ports.py), and their use cases."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.delivery.notifications.ports import Address, Push
    from gpubroker.delivery.notifications.telling import Teller
    from gpubroker.delivery.notifications.use_cases import NotificationDesk


@cache
def notification_desk() -> "NotificationDesk":
    """Touches DynamoDB only, so it may stand inside the VPC."""
    from gpubroker.delivery.notifications.inbox import Inbox
    from gpubroker.delivery.notifications.use_cases import NotificationDesk
    from gpubroker.kernel.time import utc_now

    return NotificationDesk(inbox=Inbox(), addresses=_Addresses(), clock=utc_now)


@cache
def teller() -> "Teller":
    """Tells by mail and push: outside the VPC."""
    from gpubroker.delivery.notifications.inbox import Inbox
    from gpubroker.delivery.notifications.telling import Teller
    from gpubroker.kernel.time import utc_now
    from gpubroker.messaging.mail import ses

    return Teller(inbox=Inbox(), addresses=_Addresses(), mail=ses(), push=push(), clock=utc_now)


def push() -> "Push":
    from gpubroker.delivery.notifications.sns import sns

    return sns()


class _Addresses:
    """delivery.notifications.ports.Addresses over identity's profiles."""

    def address_of(self, user_id: str) -> "Address | None":
        from gpubroker.delivery.notifications.ports import Address
        from gpubroker.identity.store.users import profile_of

        profile = profile_of(user_id)
        return None if profile is None else Address(profile.email, profile.email_verified)
