"""What an hour is made of: pieces, which are runs of events of one organisation, by columns.

    [org or "", received_at or a list, starts, length or lengths, stamp or stamps, ids or null, [8 columns or null]]

Starts are counted in milliseconds from the hour. What is the same for all events of a piece is one value.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from gpubroker.usage.event import METRICS, Usage

Columns = list[list[int | None] | None]
Piece = list[Any]

_WORTH = 700  # bytes of a piece, below which it is not compressed
_PLAIN = 0x5B  # "["


def packed_piece(piece: Piece) -> bytes:
    plain = orjson.dumps(piece)
    return plain if len(plain) < _WORTH else zlib.compress(plain, 1)


def unpacked_piece(packed: bytes) -> Piece:
    piece: Piece = orjson.loads(packed if packed[0] == _PLAIN else zlib.decompress(packed))
    return piece


def spread(value: Any, count: int) -> list[int]:
    """A column whose value may be one for all."""
    return value if isinstance(value, list) else [value] * count


def events_of(piece: Piece, hour_ms: int, lengths: list[int]) -> Iterator[Usage]:
    """The events of a piece; instance and user, which it does not hold, are left empty."""
    org, _, starts, _, stamps, ids, columns = piece
    for row, start in enumerate(starts):
        yield Usage(
            "",
            "",
            org or None,
            hour_ms + start,
            lengths[row],
            stamps[row] if isinstance(stamps, list) else stamps,
            ids[row] if ids else None,
            tuple([None if column is None else column[row] for column in columns]),
        )


def rows_of(piece: Piece, keep: list[int]) -> Piece:
    """The same piece of these rows only."""

    def of(value: Any) -> Any:
        return [value[row] for row in keep] if isinstance(value, list) else value

    return [piece[0], *(of(value) for value in piece[1:6]), [of(column) for column in piece[6]]]


def as_one(pieces: Iterable[bytes]) -> list[bytes]:
    """One piece an organisation, by time."""
    by_org: dict[str, list[Piece]] = {}
    for packed in pieces:
        piece = unpacked_piece(packed)
        by_org.setdefault(piece[0], []).append(piece)
    return [packed_piece(_joined(org, some)) for org, some in by_org.items()]


def _joined(org: str, pieces: list[Piece]) -> Piece:
    counts = [len(piece[2]) for piece in pieces]
    total = sum(counts)

    def column(of: Iterable[Any]) -> list[Any]:
        return [value for part, count in zip(of, counts, strict=True) for value in spread(part, count)]

    starts = column(piece[2] for piece in pieces)
    order = sorted(range(total), key=starts.__getitem__)

    def sorted_column(of: list[Any]) -> Any:
        values = column(of)
        first = values[0]
        if not isinstance(first, list) and values.count(first) == total:
            return first
        return [values[row] for row in order]

    ids = None if all(piece[5] is None for piece in pieces) else sorted_column([piece[5] for piece in pieces])
    metrics: Columns = []
    for number in range(len(METRICS)):
        if all(piece[6][number] is None for piece in pieces):
            metrics.append(None)
        else:
            values = column(piece[6][number] for piece in pieces)
            metrics.append([values[row] for row in order])
    return [
        org,
        sorted_column([piece[1] for piece in pieces]),
        [starts[row] for row in order],
        sorted_column([piece[3] for piece in pieces]),
        sorted_column([piece[4] for piece in pieces]),
        ids if isinstance(ids, list) or ids is None else [ids] * total,
        metrics,
    ]
