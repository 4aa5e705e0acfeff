"""Which kinds of notices a user wants by which channels. Everything, unless they say otherwise."""

from pynamodb.exceptions import DoesNotExist

from gpubroker.delivery.notifications.items import PreferencesItem
from gpubroker.delivery.notifications.notice import Channel, Kind

Preferences = dict[Kind, frozenset[Channel]]


def everything() -> Preferences:
    return {kind: frozenset(Channel) for kind in Kind}


def preferences_of(user_id: str) -> Preferences:
    """One read. A kind that came into being after the user chose goes by every channel."""
    try:
        item = PreferencesItem.get(f"{user_id}#TELLING", "PREFERENCES", consistent_read=True)
    except DoesNotExist:
        return everything()
    return everything() | {Kind(kind): frozenset(map(Channel, channels)) for kind, channels in item.channels.items()}


def save(user_id: str, wanted: Preferences) -> None:
    """Replace a user's preferences; doing so twice is the same, so no condition and no key are needed."""
    channels = {kind.value: sorted(channels) for kind, channels in wanted.items()}
    PreferencesItem(f"{user_id}#TELLING", "PREFERENCES", channels=channels).save()
