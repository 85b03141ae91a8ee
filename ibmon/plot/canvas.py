"""Cells of a terminal as arrays: what a chart is drawn on."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

DEFAULT = -1
"""The terminal's own colour."""

BRAILLE = 0x2800
# Bits of a braille cell by (row, column) of its 4 × 2 dots.
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
_ASCII = str.maketrans(
    {"…": "~", "×": "x", "−": "-", "–": "-", "—": "-", "→": ">", "∘": "o", "•": "*", "·": ".", "µ": "u", "β": "b", "σ": "s"}
    | {"●": "*", "○": "+", "▲": "^", "△": "v"}
)


def _ascii_dots() -> np.ndarray:
    """The ASCII character nearest in shape to each of the 256 braille patterns."""
    table = np.full(256, ord(" "), np.uint32)
    for bits in range(1, 256):
        rows = [row for row in range(4) if bits & int(_BITS[row, 0] | _BITS[row, 1])]
        if rows == [0]:
            mark = "'"
        elif rows[0] >= 1 and rows[-1] <= 2:
            mark = "-"
        elif rows[0] >= 2:
            mark = "."
        elif len(rows) == 4:
            mark = "|"
        else:
            mark = ":" if rows[-1] == 3 else "'"
        table[bits] = ord(mark)
    return table


_ASCII_DOTS = _ascii_dots()


@lru_cache(4096)
def clean(text: str, ascii_only: bool = False) -> str:
    """Text in which every character takes exactly one cell: others, and control characters, become ``?``."""
    if ascii_only:
        text = text.translate(_ASCII)
        return "".join(c if " " <= c <= "~" else "?" for c in text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _single(c) else "?" for c in text)


def _single(character: str) -> bool:
    marks = unicodedata.category(character)[0] == "M"
    return character.isprintable() and not marks and unicodedata.east_asian_width(character) not in "WF"


@dataclass(frozen=True, slots=True, eq=False)
class CellGrid:
    """A drawn rectangle of cells, all arrays ``(rows, columns)``.

    ``ch`` holds code points, ``fg`` and ``bg`` packed 0xRRGGBB or -1 for the terminal's default, ``bold`` the weight.
    """

    ch: np.ndarray
    fg: np.ndarray
    bg: np.ndarray
    bold: np.ndarray

    def lines(self) -> list[str]:
        """The characters alone, a string a row."""
        return [row.astype("<u4").tobytes().decode("utf-32-le") for row in self.ch]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of cells."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column that is not inside any more."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row that is not inside any more."""
        return self.top + self.height


class Dots:
    """A layer of braille dots over a canvas, clipped to ``box``; later dots own the colour of their cell.

    Coordinates are dots from the canvas' upper left corner, as floats; a point that is not finite is left out, and a line
    is broken there.
    """

    def __init__(self, columns: int, rows: int, box: Box) -> None:
        self.columns, self.rows, self.box = columns, rows, box
        self.bits = np.zeros(columns * rows, np.uint8)
        self.fg = np.full(columns * rows, DEFAULT, np.int32)

    def points(self, x: np.ndarray, y: np.ndarray, colour: int | np.ndarray) -> None:
        """One dot each; ``colour`` is one for all or one a point."""
        box = self.box
        with np.errstate(invalid="ignore"):
            px, py = np.rint(x), np.rint(y)
            inside = (px >= 2 * box.left) & (px < 2 * box.right) & (py >= 4 * box.top) & (py < 4 * box.bottom)
        px, py = px[inside].astype(np.intp), py[inside].astype(np.intp)
        cell = (py >> 2) * self.columns + (px >> 1)
        np.bitwise_or.at(self.bits, cell, _BITS[py & 3, px & 1])
        self.fg[cell] = colour if isinstance(colour, int) else colour[inside]

    def polyline(self, x: np.ndarray, y: np.ndarray, colour: int | np.ndarray, *, thin: bool = False) -> None:
        """A line through the points, in steps of one dot; ``thin`` leaves out every other two of them.

        ``colour`` is one for all or one a point, for the part of the line that starts there.
        """
        self.points(x, y, colour)
        if len(x) < 2:
            return
        x0, y0, x1, y1, start = self._clip(x, y)
        if not len(x0):
            return
        steps = np.maximum(np.ceil(np.maximum(np.abs(x1 - x0), np.abs(y1 - y0))), 1).astype(np.intp)
        ends = np.cumsum(steps)
        segment = np.repeat(np.arange(len(steps)), steps)
        order = np.arange(int(ends[-1]))
        part = (order - np.repeat(ends - steps, steps)) / steps[segment]
        if thin:
            kept = order % 4 < 2
            segment, part = segment[kept], part[kept]
        self.points(
            x0[segment] + (x1 - x0)[segment] * part,
            y0[segment] + (y1 - y0)[segment] * part,
            colour if isinstance(colour, int) else colour[start][segment],
        )

    def _clip(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        """The parts of the line's finite segments that lie in the box (Liang and Barsky), and the points where these start."""
        finite = np.isfinite(x) & np.isfinite(y)
        whole = finite[:-1] & finite[1:]
        x0, y0, x1, y1 = x[:-1][whole], y[:-1][whole], x[1:][whole], y[1:][whole]
        dx, dy = x1 - x0, y1 - y0
        enter, leave = np.zeros(len(x0)), np.ones(len(x0))
        box = self.box
        edges = (
            (-dx, x0 - 2 * box.left + 0.5),
            (dx, 2 * box.right - 0.5 - x0),
            (-dy, y0 - 4 * box.top + 0.5),
            (dy, 4 * box.bottom - 0.5 - y0),
        )
        for slope, room in edges:
            with np.errstate(divide="ignore", invalid="ignore"):
                cut = room / slope
            enter = np.where(slope < 0, np.maximum(enter, cut), enter)
            leave = np.where(slope > 0, np.minimum(leave, cut), leave)
            leave = np.where((slope == 0) & (room < 0), -1.0, leave)
        kept = enter <= leave
        x0, y0, dx, dy, enter, leave = (a[kept] for a in (x0, y0, dx, dy, enter, leave))
        return x0 + dx * enter, y0 + dy * enter, x0 + dx * leave, y0 + dy * leave, np.flatnonzero(whole)[kept]


class Canvas:
    """Cells to draw on: text and layers of dots, in the order they are put down."""

    def __init__(self, columns: int, rows: int, *, ascii_only: bool = False) -> None:
        self.columns, self.rows, self.ascii_only = columns, rows, ascii_only
        self.ch = np.full((rows, columns), ord(" "), np.uint32)
        self.fg = np.full((rows, columns), DEFAULT, np.int32)
        self.bg = np.full((rows, columns), DEFAULT, np.int32)
        self.bold = np.zeros((rows, columns), np.bool_)

    @property
    def box(self) -> Box:
        """All of it."""
        return Box(0, 0, self.columns, self.rows)

    def text(self, column: int, row: int, text: str, fg: int = DEFAULT, bg: int | None = None, *, bold: bool = False) -> None:
        """Writes over what is there; what does not fit is cut off without a sign."""
        if not 0 <= row < self.rows:
            return
        text = clean(text, self.ascii_only)[max(0, -column) : max(0, self.columns - column)]
        if not text:
            return
        at = slice(max(0, column), max(0, column) + len(text))
        self.ch[row, at] = np.frombuffer(text.encode("utf-32-le"), "<u4")
        self.fg[row, at] = fg
        self.bold[row, at] = bold
        if bg is not None:
            self.bg[row, at] = bg

    def under(self, cells: np.ndarray, character: str, fg: int) -> None:
        """Puts a character into those of the marked ``cells`` that are still blank."""
        blank = cells & (self.ch == ord(" "))
        self.ch[blank] = ord(clean(character, self.ascii_only))
        self.fg[blank] = fg

    def stamp(self, dots: Dots, mark: str | None = None) -> None:
        """Puts a layer of dots over what is there, or ``mark`` into every cell that has one."""
        bits, fg = dots.bits.reshape(self.rows, self.columns), dots.fg.reshape(self.rows, self.columns)
        drawn = bits > 0
        if mark is not None:
            self.ch[drawn] = ord(clean(mark, self.ascii_only))
        elif self.ascii_only:
            self.ch[drawn] = _ASCII_DOTS[bits[drawn]]
        else:
            self.ch[drawn] = BRAILLE + bits[drawn].astype(np.uint32)
        self.fg[drawn] = fg[drawn]
        self.bold[drawn] = False

    def put(self, grid: CellGrid, left: int, top: int) -> None:
        """Puts a drawn rectangle of cells over what is there; it must lie within the canvas."""
        at = slice(top, top + grid.ch.shape[0]), slice(left, left + grid.ch.shape[1])
        self.ch[at], self.fg[at], self.bg[at], self.bold[at] = grid.ch, grid.fg, grid.bg, grid.bold

    def dots(self, box: Box | None = None) -> Dots:
        """A new layer of this size, to be stamped later."""
        return Dots(self.columns, self.rows, box or self.box)

    def grid(self) -> CellGrid:
        """What was drawn."""
        return CellGrid(ch=self.ch, fg=self.fg, bg=self.bg, bold=self.bold)
