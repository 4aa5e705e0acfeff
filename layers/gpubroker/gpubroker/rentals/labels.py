"""Labels name our instances at a provider: `gpb-<deployment>-<rental id>-<member id>`, at most 60 of [a-z0-9-], which
every provider takes; the rental's id stands in it in lower case and without its prefix.

The deployment part keeps two installations that share a provider account from ending each other's instances.
"""

import re
from dataclasses import dataclass

from gpubroker.kernel.ids import stable_id
from gpubroker.rentals.rental import Rental

_LABEL = re.compile(r"^gpb-([a-z2-7]{8})-([0-9a-z]{26})-(m[0-9]{1,4})$")


@dataclass(frozen=True, slots=True)
class Label:
    rental_id: str
    member_id: str


def deployment_of(table_name: str) -> str:
    """Eight characters that tell this installation from others; the table's name is unique in an account."""
    return stable_id("rentals deployment", table_name)[:8]


def label(deployment: str, rental_id: str, member_id: str) -> str:
    return f"gpb-{deployment}-{rental_id.removeprefix('ren_').lower()}-{member_id}"


def common_label(rental: Rental) -> str:
    """What the labels of all its members begin with, those that it may yet get included."""
    first = rental.members[0]
    return first.label.removesuffix(first.member_id)


def parse(text: str, *, deployment: str) -> Label | None:
    """What a label names; None for one that is not ours, or another installation's."""
    match = _LABEL.match(text)
    if match is None or match[1] != deployment:
        return None
    return Label(f"ren_{match[2].upper()}", match[3])
