"""Runs of a comparison in panels beside or below each other, in one chart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ibmon.figures.figure import Curves, Figure, Heatmap, Histogram, Plane, View
from ibmon.figures.panels import columns_of, owners, panels, rows_of, shown_runs, twin
from ibmon.figures.view import runs_of, shorten

from .axes import Chart, Panel, message
from .canvas import Canvas
from .colourbar import bar_width
from .curves import draw_curves, whole_curves
from .heatmap import draw_heatmap, heatmap_bar
from .histogram import draw_histogram
from .marks import run_mark
from .plane import draw_plane, whole_plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .palette import Palette
    from .scales import Frame

LEAST = (32, 11)
"""Columns and rows of a panel with its heading, below which fewer of them are shown at a time."""
_GAP = 1
"""Columns between panels."""


_Paint = Callable[[Panel, int, int, View], Chart]


@dataclass(frozen=True, slots=True)
class _Places:
    """So many panels beside and below each other, each ``wide`` × ``high`` cells."""

    across: int
    down: int
    wide: int
    high: int


def draw_panels(figure: Figure, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """Every run in a panel headed by its mark and name, all with the same limits and colours, which are explained once.

    Where not all have room there are fewer, that of the cursor among them, and the heading counts them.
    """
    wanted, every = shown_runs(figure, view), runs_of(figure)
    bar, paint = _painter(figure, columns, rows, view, palette, hold)
    extra = max(0, bar - 1 if isinstance(figure, Plane | Curves) else bar)
    places = _places(len(wanted), columns - extra, rows)
    shown = _around(wanted, _run_of_cursor(figure, view), places.across * places.down)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    frames: list[Frame] = []
    for k, run in enumerate(shown):
        across, down = k % places.across, k // places.across
        barred = down == 0 and across == places.across - 1
        width = places.wide + (extra if barred else 0)
        left, top = across * (places.wide + _GAP), down * places.high
        counted = f"  {wanted.index(run) + 1} of {len(wanted)}" if len(shown) < len(wanted) else ""
        heading = shorten(f"{run_mark(every.index(run), palette)} {run}", width - len(counted)) + counted
        canvas.text(left, top, heading, palette.role("strong"), bold=True)
        panel = Panel(run, bar if barred else 0, explains=k == 0 and not bar)
        at = None if view.cursor is None else twin(figure, view.cursor, run)
        chart = paint(panel, width, places.high - 1, replace(view, cursor=at))
        canvas.put(chart.grid, left, top + 1)
        frames.append(chart.frame)
    return Chart(canvas.grid(), frames[0])


def _painter(figure: Figure, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None) -> tuple[int, _Paint]:
    """Columns that the one bar of colours takes, and what draws a panel; what all panels share is worked out once."""
    if isinstance(figure, Plane):
        plane = whole_plane(figure, view, hold)
        bar = bar_width(plane.ramp, columns, rows, palette)
        return bar, lambda panel, wide, high, own: draw_plane(figure, wide, high, own, palette, hold, panel, plane)
    if isinstance(figure, Curves):
        curves = whole_curves(figure, view, palette, hold)
        bar = bar_width(curves.ramp, columns, rows, palette)
        return bar, lambda panel, wide, high, own: draw_curves(figure, wide, high, own, palette, hold, panel, curves)
    parts = panels(figure, view)
    bars = [heatmap_bar(part, columns) for part in parts.values() if isinstance(part, Heatmap)]  # of one range, that of the whole

    def paint(panel: Panel, wide: int, high: int, own: View) -> Chart:
        part, at = parts[panel.run], own.cursor
        if isinstance(figure, Heatmap) and isinstance(part, Heatmap):
            at = at and (rows_of(figure, panel.run).index(at[0]), columns_of(figure, panel.run).tolist().index(at[1]))
            return draw_heatmap(part, wide, high, replace(own, cursor=at), palette, hold, panel)
        if isinstance(figure, Histogram) and isinstance(part, Histogram):
            at = at and (rows_of(figure, panel.run).index(at[0]), at[1])
            return draw_histogram(part, wide, high, replace(own, cursor=at), palette, hold)
        return message(figure.title, wide, high, palette)

    return (bars[0] if bars else 0), paint


def _places(count: int, columns: int, rows: int) -> _Places:
    """As many panels as have room, at most ``count``, and of the ways to lay them out the one with the largest panels."""
    for many in range(count, 0, -1):
        ways = [_laid(across, -(-many // across), columns, rows) for across in range(1, many + 1)]
        fitting = [way for way in ways if (way.wide >= LEAST[0] and way.high >= LEAST[1]) or many == 1]
        if fitting:
            return max(fitting, key=lambda way: min(way.wide, 2 * way.high))
    return _laid(1, 1, columns, rows)


def _laid(across: int, down: int, columns: int, rows: int) -> _Places:
    return _Places(across, down, (columns - _GAP * (across - 1)) // across, rows // down)


def _around(runs: Sequence[str], wanted: str, most: int) -> Sequence[str]:
    """The first of the runs, or those up to the one that is wanted."""
    end = max(most, runs.index(wanted) + 1 if wanted in runs else 0)
    return runs[max(0, min(end, len(runs)) - most) : end]


def _run_of_cursor(figure: Figure, view: View) -> str:
    """The run that is inspected; nothing without a cursor."""
    i = -1 if view.cursor is None else view.cursor[0]
    named = owners(figure)
    return named[i] if 0 <= i < len(named) else ""
