"""Which rows of an index are the same thing, which of them stands for all, and how a result shows each thing once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gpubroker.offers import bitmaps
from gpubroker.offers.merging import groups
from gpubroker.offers.offer import Availability
from gpubroker.offers.parts import Columns


@dataclass(frozen=True, slots=True)
class Places:
    """Of one order: the positions of all rows that stand behind another of their group, and of every grouped row."""

    behind: int
    of_row: dict[int, int]


@dataclass(slots=True)
class Merged:
    """groups: for each row that is the same thing as another, all rows of it, the best way to have it first."""

    groups: dict[int, tuple[int, ...]]
    _places: dict[str, Places] = field(default_factory=dict)

    @classmethod
    def of(cls, columns: Columns, providers: Sequence[str], live: Sequence[int]) -> "Merged":
        """What can be had stands before what cannot, then the cheaper one, then the offer id."""
        machine, price, ids, availability = columns.machine, columns.price, columns.offer_id, columns.availability
        found: dict[int, tuple[int, ...]] = {}
        for rows in groups(((row, machine[row]) for row in live if machine[row]), providers):
            rows.sort(key=lambda row: (availability[row] == Availability.UNAVAILABLE, price[row], ids[row]))
            found |= dict.fromkeys(rows, tuple(rows))
        return cls(found)

    def others(self, row: int) -> list[int]:
        """The other rows of the same thing, the best first."""
        return [other for other in self.groups.get(row, ()) if other != row]

    def places(self, order: str, rows: Sequence[int]) -> Places:
        """Of the order with these rows; made once."""
        made = self._places.get(order)
        if made is None:
            groups = self.groups
            of_row = {row: position for position, row in enumerate(rows) if row in groups}
            behind = bitmaps.of_positions(position for row, position in of_row.items() if groups[row][0] != row)
            made = self._places[order] = Places(behind, of_row)
        return made

    def once(self, found: int, order: str, rows: Sequence[int], *, whole: bool) -> int:
        """The positions of `found` without those of rows that stand behind another one in it.

        whole: whether `found` holds all rows of a group or none, as after filters on what its rows have in common.
        """
        if not self.groups:
            return found
        places = self.places(order, rows)
        behind = found & places.behind
        if whole or not behind:
            return found & ~behind
        hidden = 0
        for position in bitmaps.first(behind, 0, behind.bit_count()):
            row = rows[position]
            for better in self.groups[row]:
                if better == row:
                    break
                if found >> places.of_row[better] & 1:
                    hidden |= 1 << position
                    break
        return found & ~hidden
