"""Burning grants down: which of them pay what, in the order of docs/billing.md. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gpubroker.billing.credits.grant import Grant
from gpubroker.kernel.money import MicroUsd


@dataclass(frozen=True, slots=True)
class Burnt:
    """What one grant pays of one resource's charges; micro-USD, over 0."""

    grant_id: str
    resource: str
    amount: MicroUsd


def burn(
    grants: Iterable[Grant], balances: Mapping[str, MicroUsd], charges: Mapping[str, MicroUsd]
) -> tuple[list[Burnt], dict[str, MicroUsd]]:
    """What the grants pay of the charges, and what of each charge they leave.

    The first grant pays the charges in the order given, as far as it may and lasts; then the next. Balances are not
    changed; a grant without one has nothing. Charges of nothing, or less, are left as they are.
    """
    left = dict(charges)
    burnt: list[Burnt] = []
    for grant in sorted(grants, key=lambda one: one.order):
        balance = balances.get(grant.grant_id, 0)
        for resource, amount in left.items():
            if balance <= 0:
                break
            if amount > 0 and grant.pays(resource):
                paid = min(balance, amount)
                burnt.append(Burnt(grant.grant_id, resource, paid))
                left[resource] = amount - paid
                balance -= paid
    return burnt, left
