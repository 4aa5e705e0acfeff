"""Sets of positions as integers: bit i is set when position i is in the set.

CPython's `int` is a fine bitmap: `&`, `|` and `bit_count` run over 30 bits at a time in C, so 100,000 positions cost
less than a microsecond an operation. Nothing here knows what stands at a position.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WINDOW = 512  # bits looked at first: a page of a dense result lies in here
_LEAF = 32  # bits that are counted out one by one when looking for the n-th
_CHUNK = 256  # bytes looked at in one step of a sparse result
_ZEROS = bytes(_CHUNK)
_ONES = tuple(b"0" * code + b"1" + b"0" * (255 - code) for code in range(256))
_BITS = tuple((b"0" * (1 << bit) + b"1" * (1 << bit)) * (128 >> bit) for bit in range(8))


def of_code(backwards: bytes, code: int) -> int:
    """The positions whose code is `code`; `backwards` holds one code a position, the last position first."""
    return int(backwards.translate(_ONES[code]), 2)


def of_positions(positions: Iterable[int]) -> int:
    bits = 0
    for position in positions:
        bits |= 1 << position
    return bits


def span(start: int, end: int) -> int:
    """The positions start, ..., end - 1."""
    return (1 << end) - (1 << start) if end > start else 0


def first(bits: int, start: int, limit: int) -> list[int]:
    """The first `limit` positions of the set that are at least `start`, ascending."""
    rest = bits >> start
    found = _of_word(rest & ((1 << _WINDOW) - 1), start, limit)
    if len(found) == limit:
        return found
    rest >>= _WINDOW
    start += _WINDOW
    raw = rest.to_bytes((rest.bit_length() + 7) // 8, "little")
    for at in range(0, len(raw), _CHUNK):
        chunk = raw[at : at + _CHUNK]
        if chunk != _ZEROS:
            found += _of_word(int.from_bytes(chunk, "little"), start + 8 * at, limit - len(found))
            if len(found) == limit:
                break
    return found


def _of_word(word: int, base: int, limit: int) -> list[int]:
    found: list[int] = []
    base -= 1
    while word and len(found) < limit:
        lowest = word & -word
        found.append(base + lowest.bit_length())
        word ^= lowest
    return found


def select(bits: int, rank: int) -> int:
    """The position of the member that `rank` members stand before. It must have one: 0 <= rank < bit_count."""
    base, left, width = 0, bits.bit_count(), bits.bit_length()
    while width > _LEAF:
        half = width // 2
        high = bits >> half
        below = left - high.bit_count()
        if rank < below:
            bits &= (1 << half) - 1
            left, width = below, half
        else:
            bits, rank, left, base = high, rank - below, left - below, base + half
            width -= half
    return _of_word(bits, base, rank + 1)[-1]


@dataclass(frozen=True, slots=True)
class Slices:
    """A bit-sliced column (O'Neil & Quass 1997): set k holds the positions whose value has bit k.

    Comparing all positions with a constant takes one operation a bit. Values are integers of at least 0.
    """

    sets: tuple[int, ...]

    @classmethod
    def of(cls, values: Sequence[int]) -> "Slices":
        highest = max(values, default=0).bit_length()
        raw = array("Q", values)
        raw.reverse()  # as in `of_code`: the last position comes first
        planes = [raw.tobytes()[byte::8] for byte in range((highest + 7) // 8)]
        return cls(tuple(int(planes[bit >> 3].translate(_BITS[bit & 7]), 2) for bit in range(highest)))

    def at_least(self, value: int, everything: int) -> int:
        if value <= 0:
            return everything
        if value.bit_length() > len(self.sets):
            return 0
        found = everything
        for bit, ones in enumerate(self.sets):
            found = found & ones if value >> bit & 1 else found | ones
        return found

    def at_most(self, value: int, everything: int) -> int:
        return everything & ~self.at_least(value + 1, everything) if value >= 0 else 0

    def with_value(self, position: int, value: int) -> "Slices":
        """With one more position, at which no set has a bit yet."""
        sets = list(self.sets) + [0] * (value.bit_length() - len(self.sets))
        for bit in range(value.bit_length()):
            if value >> bit & 1:
                sets[bit] |= 1 << position
        return Slices(tuple(sets))

    def moved(self, move: "Move") -> "Slices":
        return Slices(tuple(move.apply(ones) for ones in self.sets))


@dataclass(frozen=True, slots=True)
class Move:
    """Positions renumbered after some were taken out and others put in, for all bitmaps of one order alike.

    Between two such places all positions move by the same distance, and few distances occur, so a bitmap is
    renumbered by one shift and one mask a distance.
    """

    by_distance: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, size: int, removed: Sequence[int], inserted: Sequence[int]) -> "Move":
        """removed: ascending positions before; inserted: ascending positions after; size: positions before."""
        masks: dict[int, int] = {}
        before = after = gone = come = 0
        while before < size:
            if gone < len(removed) and removed[gone] == before:
                before, gone = before + 1, gone + 1
            elif come < len(inserted) and inserted[come] == after:
                after, come = after + 1, come + 1
            else:
                run = size - before
                if gone < len(removed):
                    run = min(run, removed[gone] - before)
                if come < len(inserted):
                    run = min(run, inserted[come] - after)
                masks[after - before] = masks.get(after - before, 0) | span(after, after + run)
                before, after = before + run, after + run
        return cls(tuple(masks.items()))

    def apply(self, bits: int) -> int:
        moved = 0
        for distance, mask in self.by_distance:
            moved |= (bits << distance if distance >= 0 else bits >> -distance) & mask
        return moved
