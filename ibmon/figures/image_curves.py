"""Pictures of curves: bands, companions, and the name of each line at its end or in a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .image_parts import (
    COLOURS,
    GREY,
    RUN_DASHES,
    RUN_SHAPES,
    colour_of,
    compared,
    draw_bar,
    draw_legend,
    draw_references,
    drawable,
    kept_series,
    plain,
    position_scale,
    run_numbers,
    run_samples,
    say_empty,
    set_axis,
    set_scales,
    told_apart,
    whole_positions,
)
from .view import common_hues, meaning, shown_length, smoothed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure as Drawing

    from .figure import Curves, Line, View

_COMPANION: Any = (0, (3, 1.4))
_End = tuple[str, float, np.ndarray]


def draw_curves(drawing: Drawing, panels: Sequence[tuple[Axes, Curves]], view: View, ramp: Colormap) -> None:
    """Curves beside each other, with the same limits and the same meaning of colour."""
    every, figures = [axes for axes, _ in panels], [figure for _, figure in panels]
    first, means = figures[0], meaning(figures[0], view)
    scales = set_scales(every, first, view)
    places = position_scale(figures) if means == "position" else None
    hues = common_hues([figure.lines for figure in figures])
    points: list[list[tuple[np.ndarray, np.ndarray]]] = []
    ends: list[list[_End]] = []
    for (axes, figure), numbers in zip(panels, hues, strict=True):
        runs, told, companions = run_numbers(figure), told_apart(figure, view), any(line.dashed for line in figure.lines)
        points.append([])
        ends.append([])
        for i in kept_series(figure, view):
            line = figure.lines[i]
            own = colour_of(line, numbers[i], runs[i], means, places, ramp)
            x, y = _draw_line(
                axes, line, view, scales, own, _style(line, runs[i], shaped=compared(figure), companions=companions)
            )
            if len(x):
                points[-1].append((x, y))
                ends[-1].append(("" if line.unnamed or told[i] else line.label, float(y[-1]), own))
        if not points[-1]:
            say_empty(axes)
        axes.margins(x=0.01)
    if places is not None and first.positions is not None:
        draw_bar(drawing, every, places, ramp, first.positions.label, whole=whole_positions(figures))
    _legend(drawing, figures, hues, view)
    references = [reference for figure in figures for reference in figure.references]
    set_axis(every, "x", first.x, scales[0], view.x_limits, references)
    set_axis(every, "y", first.y, scales[1], view.y_limits, references)
    for (axes, figure), each in zip(panels, points, strict=True):
        draw_references(axes, figure.references, [x for x, _ in each], [y for _, y in each])
    if len(panels) == 1:
        _end_labels(drawing, every[0], [end for end in ends[0] if end[0]])


def curve_remarks(figures: Sequence[Curves], view: View) -> list[str]:
    """What a note must say of what is not drawn."""
    lost = 0
    for figure in figures:
        scales = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
        for i in kept_series(figure, view):
            line = figure.lines[i]
            end = shown_length(line, view)
            x, y = drawable(line.x[:end], scales[0]), drawable(line.y[:end], scales[1])
            lost += int((~(np.isfinite(x) & np.isfinite(y)) & np.isfinite(line.x[:end])).sum())
    return [f"{lost} values not drawn" if lost else ""]


def _style(line: Line, run: int, *, shaped: bool, companions: bool) -> dict[str, Any]:
    """Dashes tell runs apart; points do where dashes are what companions of lines have."""
    style: dict[str, Any] = {"lw": 0.8 if line.dashed else 1.1, "ls": _COMPANION if line.dashed else "-"}
    if shaped and not companions:
        style["ls"] = RUN_DASHES[run]
    elif shaped:
        shape, hollow = RUN_SHAPES[run]
        style |= {"marker": shape, "ms": 3, "mew": 0.7, "markevery": (0.03 + 0.03 * run, 0.14)}
        style |= {"mfc": "white"} if hollow else {}
    return style


def _draw_line(
    axes: Axes, line: Line, view: View, scales: tuple[str, str], own: np.ndarray, style: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a line with its band, single points between gaps as dots; gives the points that can be seen."""
    end = shown_length(line, view)
    x = drawable(line.x[:end], scales[0])
    y = drawable(smoothed(line.y, view.smooth)[:end], scales[1])
    alone = np.isfinite(y) & ~np.isfinite(np.r_[np.nan, y[:-1]]) & ~np.isfinite(np.r_[y[1:], np.nan])
    known = np.isfinite(x) & np.isfinite(y)
    if known.any():  # matplotlib fails where there is no place for a marker
        axes.plot(x, y, color=own, **style)
    axes.plot(x[alone], y[alone], ".", ms=2, color=own)
    if line.lower is not None and line.upper is not None:
        low = drawable(smoothed(line.lower, view.smooth)[:end], scales[1])
        high = drawable(smoothed(line.upper, view.smooth)[:end], scales[1])
        axes.fill_between(x, low, high, color=own, alpha=0.16, lw=0)
    return x[known], y[known]


def _legend(drawing: Drawing, figures: Sequence[Curves], hues: Sequence[Sequence[int]], view: View) -> None:
    """Of a comparison: series by their colours, runs by their dashes or points."""
    first, means, series = figures[0], meaning(figures[0], view), dict[str, dict[str, Any]]()
    if not compared(first) and len(figures) == 1:
        return
    for figure, numbers in zip(figures, hues, strict=True):
        told = told_apart(figure, view)
        for i in kept_series(figure, view):
            line = figure.lines[i]
            if not line.unnamed and (means == "series" or (len(figures) > 1 and not told[i])):
                colour = COLOURS[numbers[i] % len(COLOURS)] if means == "series" else GREY
                series.setdefault(line.label, {"color": colour, "ls": _COMPANION if line.dashed else "-"})
    companions = any(line.dashed for line in first.lines)
    runs = run_samples(first, by_run=means == "run", points=companions, lines=True) if compared(first) else {}
    draw_legend(drawing, series if len(series) > 1 or means != "series" else {}, runs)


def _end_labels(drawing: Drawing, axes: Axes, ends: Sequence[_End]) -> None:
    """Names right of the lines' ends and apart from each other; in as many columns as there is no room for."""
    texts = [
        axes.text(1.02, 0.5, plain(label), transform=axes.transAxes, color=colour, fontsize=7, va="center")
        for label, _, colour in ends
    ]
    drawing.draw_without_rendering()
    height = axes.get_window_extent().height
    apart = 8.2 * drawing.dpi / 72 / max(height, 1.0)
    if apart * len(ends) > 1.05:
        apart = 1.0 / len(ends)
        for text in texts:
            text.set_fontsize(max(3.0, 7.0 * apart * height / (8.2 * drawing.dpi / 72)))
    at = axes.transData.transform([(1.0, y) for _, y, _ in ends]) if ends else np.zeros((0, 2))
    wanted = np.clip(np.nan_to_num(axes.transAxes.inverted().transform(at)[:, 1] if len(at) else at[:, 1]), 0.0, 1.0)
    for k, y in zip(range(len(ends)), _apart(wanted, apart), strict=True):
        texts[k].set_y(y)


def _apart(wanted: np.ndarray, least: float) -> list[float]:
    """Heights at least ``least`` apart and as near to the wanted ones as their order allows."""
    order = np.argsort(wanted, kind="stable")
    slack = wanted[order] - least * np.arange(len(wanted))
    # The nearest rising sequence (isotonic regression by pooling neighbours).
    blocks: list[list[float]] = []
    for value in slack.tolist():
        blocks.append([value, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2], blocks[-1]
            blocks[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    fitted = np.concatenate([np.zeros(0), *(np.full(int(n), v) for v, n in blocks)])
    fitted = np.clip(fitted, 0.0, max(0.0, 1.0 - least * (len(wanted) - 1))) + least * np.arange(len(wanted))
    heights = np.empty(len(wanted))
    heights[order] = fitted
    return heights.tolist()
