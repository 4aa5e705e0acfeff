"""Which rows of an index are the same thing, which of them stands for all, and how a result shows each thing once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gpubroker.offers.merging import groups
from gpubroker.offers.offer import Availability
from gpubroker.offers.parts import Columns


@dataclass(frozen=True, slots=True)
class Places:
    """Of one order: the positions of all rows that stand behind another of their group, and for each of them the
    positions of those that it stands behind."""

    behind: int
    betters: list[tuple[int, list[int]]]


@dataclass(slots=True)
class Merged:
    """groups: for each row that is the same thing as another, all rows of it, the best way to have it first."""

    groups: dict[int, list[int]]
    _places: dict[str, Places] = field(default_factory=dict)

    @classmethod
    def of(cls, columns: Columns, providers: Sequence[str], live: Sequence[int]) -> "Merged":
        """What can be had stands before what cannot, then the cheaper one, then the offer id."""
        machine, price, ids, availability = columns.machine, columns.price, columns.offer_id, columns.availability
        found: dict[int, list[int]] = {}
        for rows in groups([(row, machine[row]) for row in live if machine[row]], providers):
            ways = [(availability[row] == Availability.UNAVAILABLE, price[row], ids[row], row) for row in rows]
            ways.sort()
            best_first = [way[3] for way in ways]
            for row in rows:
                found[row] = best_first
        return cls(found)

    def others(self, row: int) -> list[int]:
        """The other rows of the same thing, the best first."""
        return [other for other in self.groups.get(row, ()) if other != row]

    def places(self, order: str, rows: Sequence[int]) -> Places:
        """Of the order with these rows; made once."""
        made = self._places.get(order)
        if made is None:
            made = self._places[order] = self._placed(rows)
        return made

    def _placed(self, rows: Sequence[int]) -> Places:
        groups = self.groups
        of_row = {row: position for position, row in enumerate(rows) if row in groups}
        betters = []
        for row, position in of_row.items():
            ways = groups[row]
            if ways[0] != row:
                betters.append((position, [of_row[better] for better in ways[: ways.index(row)]]))
        mask = bytearray(len(rows) // 8 + 1)
        for position, _ in betters:
            mask[position >> 3] |= 1 << (position & 7)
        return Places(int.from_bytes(mask, "little"), betters)

    def once(self, found: int, order: str, rows: Sequence[int], *, whole: bool) -> int:
        """The positions of `found` without those of rows that stand behind another one in it.

        whole: whether `found` holds all rows of a group or none, as after filters on what its rows have in common.
        """
        if not self.groups:
            return found
        places = self.places(order, rows)
        if whole or not found & places.behind:
            return found & ~places.behind
        # By bytes: a shift of the whole set for each question would cost a microsecond.
        members = found.to_bytes(len(rows) // 8 + 1, "little")
        hidden = bytearray(len(members))
        for position, betters in places.betters:
            if members[position >> 3] >> (position & 7) & 1:
                for better in betters:
                    if members[better >> 3] >> (better & 7) & 1:
                        hidden[position >> 3] |= 1 << (position & 7)
                        break
        return found & ~int.from_bytes(hidden, "little")
