"""A writer of PDF 1.4 (ISO 32000-1), as much of it as an invoice needs: text in two standard fonts, rectangles, lines.

Ours and not a library's by measurement (docs/decisions.md): 10,000 lines in a tenth of a second of CPU, no
dependency, no import of fonts. Each page is compressed when it is finished, so that what is kept is small however many
there are; what stands on every page and needs their number (a footer) is written at the end, as a stream of its own.

Units are points (1/72 inch) from the upper left corner. Text outside Windows-1252 is shown as `?`.
"""

import zlib
from collections.abc import Callable
from typing import Literal, TypeAlias

from gpubroker.billing.invoices.font_widths import HELVETICA, HELVETICA_BOLD

WIDTH = 595.28
HEIGHT = 841.89
"""A4."""

Font: TypeAlias = Literal["F1", "F2"]
REGULAR: Font = "F1"
BOLD: Font = "F2"
Colour: TypeAlias = tuple[float, float, float]
"""Red, green, blue, from 0 to 1."""

_WIDTHS: dict[str, tuple[int, ...]] = {REGULAR: (0,) * 32 + HELVETICA, BOLD: (0,) * 32 + HELVETICA_BOLD}
_LEVEL = 6


def encoded(text: str) -> bytes:
    """Text as the fonts know it, control characters left out."""
    return text.encode("cp1252", "replace").translate(None, bytes(range(32)))


def width_of(text: bytes, font: Font, size: float) -> float:
    """Points that encoded text takes."""
    return sum(map(_WIDTHS[font].__getitem__, text)) * size / 1000


def fitted(text: str, font: Font, size: float, most: float) -> bytes:
    """Encoded text that takes at most so many points, with an ellipsis where something had to go."""
    whole = encoded(text)
    if width_of(whole, font, size) <= most:
        return whole
    dots = b"\x85"
    low, high = 0, len(whole)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(whole[:middle] + dots, font, size) <= most:
            low = middle
        else:
            high = middle - 1
    return whole[:low].rstrip() + dots


def _escaped(text: bytes) -> bytes:
    if b"\\" in text or b"(" in text or b")" in text:
        return text.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return text


class Page:
    """What is drawn on one page, in the order of drawing."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._fill: Colour | None = None

    def text(self, x: float, y: float, text: bytes, *, font: Font = REGULAR, size: float = 9, colour: Colour) -> None:
        """Encoded text with its baseline at y."""
        self._colour(colour)
        self._parts.append(
            b"BT /%s %s Tf %s %s Td (%s) Tj ET" % (font.encode(), _n(size), _n(x), _n(HEIGHT - y), _escaped(text))
        )

    def right(self, x: float, y: float, text: bytes, *, font: Font = REGULAR, size: float = 9, colour: Colour) -> None:
        """The same, ending at x."""
        self.text(x - width_of(text, font, size), y, text, font=font, size=size, colour=colour)

    def box(self, x: float, y: float, width: float, height: float, *, colour: Colour) -> None:
        """A filled rectangle whose upper left corner is at (x, y)."""
        self._colour(colour)
        self._parts.append(b"%s %s %s %s re f" % (_n(x), _n(HEIGHT - y - height), _n(width), _n(height)))

    def line(self, x: float, y: float, width: float, *, colour: Colour, thickness: float = 0.6) -> None:
        """A horizontal line."""
        self.box(x, y, width, thickness, colour=colour)

    def stream(self) -> bytes:
        return b"\n".join(self._parts)

    def _colour(self, colour: Colour) -> None:
        if colour != self._fill:
            self._fill = colour
            self._parts.append(b"%s %s %s rg" % (_n(colour[0]), _n(colour[1]), _n(colour[2])))


class Document:
    """Pages, one after the other, and the file that they make."""

    def __init__(self, title: str, *, author: str) -> None:
        self._title, self._author = title, author
        self._bodies: list[bytes] = []

    @property
    def pages(self) -> int:
        return len(self._bodies)

    def add(self, page: Page) -> None:
        """A finished page."""
        self._bodies.append(zlib.compress(page.stream(), _LEVEL))

    def file(self, *, footer: Callable[[Page, int, int], None], created: str) -> bytes:
        """The file. footer: draws on a page, given its number and how many there are. created: `20261101090000Z`."""
        out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
        offsets: list[int] = []

        def put(body: bytes) -> int:
            offsets.append(len(out))
            out.extend(b"%d 0 obj\n%s\nendobj\n" % (len(offsets), body))
            return len(offsets)

        put(b"<< /Type /Catalog /Pages 2 0 R /Lang (en) /ViewerPreferences << /DisplayDocTitle true >> >>")
        count = len(self._bodies)
        first = 6  # after catalogue, tree, two fonts, information
        kids = b" ".join(b"%d 0 R" % (first + 3 * number) for number in range(count))
        put(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count, kids))
        for name in (b"Helvetica", b"Helvetica-Bold"):
            put(b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name)
        put(
            b"<< /Title (%s) /Author (%s) /Producer (GPUBROKER) /CreationDate (D:%s) >>"
            % (_escaped(encoded(self._title)), _escaped(encoded(self._author)), created.encode())
        )
        for number, body in enumerate(self._bodies, 1):
            page = Page()
            footer(page, number, count)
            at = len(offsets) + 1
            put(
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %s %s] /Contents [%d 0 R %d 0 R]"
                b" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>" % (_n(WIDTH), _n(HEIGHT), at + 1, at + 2)
            )
            put(_stream(body, compressed=True))
            put(_stream(page.stream(), compressed=False))
        start = len(out)
        out.extend(b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1))
        out.extend(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
        out.extend(b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\n" % (len(offsets) + 1))
        out.extend(b"startxref\n%d\n%%%%EOF\n" % start)
        return bytes(out)


def _stream(body: bytes, *, compressed: bool) -> bytes:
    how = b" /Filter /FlateDecode" if compressed else b""
    return b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(body), how, body)


def _n(value: float) -> bytes:
    """A number as short as two places make it."""
    return (f"{value:.2f}".rstrip("0").rstrip(".") or "0").encode()
