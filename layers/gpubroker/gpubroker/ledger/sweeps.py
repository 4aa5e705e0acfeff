"""Each minute: holds that are past their end are released. They held nothing any more (I6); now the sums say so too."""

from dataclasses import dataclass, field

from gpubroker.kernel import deadline
from gpubroker.kernel.time import Clock
from gpubroker.ledger.book import Book
from gpubroker.ledger.items import HoldItem

A_PAGE = 200
MARGIN_S = 5.0


@dataclass(slots=True)
class Swept:
    """How many holds were released, and what failed by the hold's id."""

    released: int = 0
    errors: dict[str, str] = field(default_factory=dict)


def release_expired(book: Book, clock: Clock) -> Swept:
    """One hold's trouble never costs the others: it is told, stays due, and comes again with the next minute.

    Goes on by pages until nothing is due, or the time of the invocation is nearly up.
    """
    swept = Swept()
    while True:
        before = swept.released
        for pk, hold_id in HoldItem.due_by(clock(), limit=A_PAGE):
            if deadline.left() < MARGIN_S:
                return swept
            if hold_id in swept.errors:
                continue
            try:
                swept.released += book.expire(hold_id, pk.removesuffix("#HOLD"))
            except Exception as error:
                swept.errors[hold_id] = f"{type(error).__name__}: {error}"
        if swept.released == before:
            return swept
