"""Where charts lie on the screen: one large at the left and the others beside it, or one at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from textual.geometry import Offset, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement

if TYPE_CHECKING:
    from textual.widget import Widget

SMALLEST_TILE = (52, 11)
SMALLEST_ASIDE = 9
"""Rows of a chart beside a large one."""


def capacity(width: int, height: int) -> int:
    """How many charts have room at the same time."""
    columns, rows = min(2, width // SMALLEST_TILE[0]), min(3, height // SMALLEST_TILE[1])
    return max(1, columns * rows)


def tiles(count: int, width: int, height: int) -> list[Region]:
    """The places of ``count`` charts, the most important first; together they cover everything."""
    if count <= 0:
        return []
    if width < 2 * SMALLEST_TILE[0]:
        return _column(count, 0, width, height)
    right = min(count - 1, 3, max(1, height // SMALLEST_ASIDE))
    left = count - right
    split = width if not right else round(width * (0.6 if left == 1 and right > 1 else 0.5))
    return _column(left, 0, split, height) + _column(right, split, width - split, height)


def _column(count: int, x: int, width: int, height: int) -> list[Region]:
    edges = [round(height * k / count) for k in range(count + 1)] if count else []
    return [Region(x, a, width, b - a) for a, b in pairwise(edges)]


class Tiles(Layout):
    """Lays the visible children out as ``tiles``, in the order of their ``place``."""

    name = "tiles"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        places = tiles(len(children), size.width, size.height)
        ordered = sorted(children, key=lambda child: getattr(child, "place", 0))
        return [WidgetPlacement(place, Offset(0, 0), Spacing(), child) for place, child in zip(places, ordered, strict=True)]
