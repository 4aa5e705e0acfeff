"""What of its payer's money is held for a rental: always enough for the bill, whenever the end comes. Pure.

The hold is placed in the transaction that writes the rental, follows it in every transaction that changes what it may
cost (a dearer agreement, more members, another term), and is captured, by exactly the final cost, in the transaction
that ends it. So there is no rental without its hold, and no hold without its rental.
"""

from fractions import Fraction
from math import ceil

from gpubroker.kernel.money import MicroUsd
from gpubroker.rentals.cost import committed
from gpubroker.rentals.rental import Phase, Rental

_HOUR = 3600


def needed(rental: Rental) -> MicroUsd:
    """Micro-USD that cover whatever the rental can cost until its term is over.

    Charges that are closed count as they are; a wanted member counts for one whole term at its price, since its open
    charge began at the start of the term or later. Nothing where the provider bills the customer itself, nothing for
    what is being undone, nothing once it is over.
    """
    if rental.integration is not None or rental.phase.over or rental.phase is Phase.UNDOING:
        return 0
    seconds = int(rental.duration.total_seconds())
    total = 0
    for member in rental.members:
        if member.void:
            continue
        closed = sum(
            Fraction(charge.price_micros) * int((charge.until - charge.since).total_seconds())
            for charge in member.charges
            if charge.until is not None
        )
        total += ceil(closed / _HOUR)
        if member.live:
            total += committed(member.price_micros, seconds, 1)
    return total
