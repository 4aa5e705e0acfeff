"""Virtual machines at a simulated provider of plain REST: made, looked at, listed, ended; and its SSH keys."""

from collections.abc import Mapping
from typing import Any

from infra.local.providers.service import Call
from infra.local.providers.world import Rented, Shape, chance


def shape_of(call: Call, slug: str, name: object, region: object) -> Shape | None:
    """What is sold under this name in this region."""
    return call.world.shapes[slug].get(f"{name}/{region}")


def rent(call: Call, slug: str, shape: Shape, wanted: Mapping[str, Any], *, label: str, uuid: bool = False) -> Rented:
    """A new machine; its id is a number, or a UUID."""
    serial = call.world.next_serial()
    return call.world.rent(
        slug,
        call.account,
        shape,
        instance_id=uuid_of(slug, serial) if uuid else str(50_000_000 + serial),
        label=label,
        usd_per_hour=shape.hourly(),
        request=dict(wanted),
    )


def mine(call: Call, slug: str) -> Rented | None:
    """The caller's machine that the path names, while it is not ended: an ended one is gone."""
    found = call.world.instance(slug, call.account, call.request.path_params["id"])
    return found if found is not None and found.ended_at is None else None


def uuid_of(*parts: object) -> str:
    text = "".join(f"{int(chance(*parts, index) * 2**52):013x}" for index in range(3))[:32]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


def keys_of(call: Call, slug: str) -> dict[str, str]:
    """The account's SSH keys: id or name to OpenSSH line."""
    return call.world.keys.setdefault((slug, call.account), {})


def is_key(text: object) -> bool:
    return isinstance(text, str) and text.startswith(("ssh-", "ecdsa-"))
