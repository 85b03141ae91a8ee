"""Graphs in cells: nodes as marks with their names, edges as arcs of dots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.figure import Axis
from ibmon.figures.graphs import MARKS, arc, edges_of, group_numbers, groups_of, places, short_names, shown_nodes
from ibmon.figures.view import number, shorten

from .axes import EMPTY, Chart, Header, draw_across, message
from .canvas import Canvas, clean
from .scales import Frame, fit_limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibmon.figures.figure import Graph, View
    from ibmon.figures.graphs import Edges, Places

    from .palette import Palette

ASCII_MARKS = "*#^x"
_LEAST = 0.25
"""Strength of the weakest edge."""


def draw_graph(figure: Graph, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """Nodes at their levels, in the colour and with the mark of their group; edges in that of the node they come from.

    Edges that lead on bend upwards, those that lead back downwards, with gaps. Around a cursor only the edges of its node
    have colours. Names that have no room beside their mark are left out, those with the strongest edges last.
    """
    nodes, edges, at = shown_nodes(figure, view), edges_of(figure, view), places(figure)
    if not nodes:
        return message(EMPTY, columns, rows, palette)
    frame = _frame(figure, at, columns, rows, view, hold)
    focus = view.cursor[0] if view.cursor is not None and view.cursor[0] in nodes else None
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    groups = group_numbers(figure)
    _draw_edges(canvas, frame, at, edges, groups, focus, palette)
    header = Header()
    _explain(header, figure, nodes, edges, len(figure.nodes) - int(np.isfinite(at.y).sum()), palette)
    draw_across(canvas, frame, figure.x, palette)
    header.draw(canvas, 1)
    _draw_nodes(canvas, frame, at, _by_strength(nodes, edges, focus), figure, focus, palette)
    return Chart(canvas.grid(), frame)


def mark_of(group: int, palette: Palette) -> str:
    """The mark of a group's nodes."""
    return (ASCII_MARKS if palette.ascii else MARKS)[group % len(MARKS)]


def _frame(figure: Graph, at: Places, columns: int, rows: int, view: View, hold: Frame | None) -> Frame:
    """Levels across, and rows of nodes upwards, which no axis says."""
    across = fit_limits(at.x, figure.x, "linear", hold=hold.x_limits if hold else None, zoom=view.x_limits)
    up = fit_limits(at.y, Axis(limits=(0.0, 1.0)), "linear", zoom=view.y_limits)
    return Frame(across, up, "linear", "linear", left=1, top=1, width=max(1, columns - 2), height=max(1, rows - 3))


def _draw_edges(
    canvas: Canvas, frame: Frame, at: Places, edges: Edges, groups: list[int], focus: int | None, palette: Palette
) -> None:
    """The weakest first; where a node is inspected its own edges at last."""
    own = np.ones(len(edges.weight), np.bool_) if focus is None else edges.of(focus)
    x, y = frame.dots_x(at.x), frame.dots_y(at.y)
    paths = arc(x[edges.source], y[edges.source], x[edges.target], y[edges.target])
    strength = _LEAST + (1 - _LEAST) * edges.part
    for bright in (False, True):
        layer = canvas.dots(frame.box)
        for k in np.flatnonzero(own == bright).tolist():
            hue = groups[int(edges.source[k])]
            colour = palette.series(hue, float(strength[k])) if bright else palette.role("grid")
            layer.polyline(paths[0][k], paths[1][k], colour, thin=bool(edges.back[k]))
        canvas.stamp(layer)


def _by_strength(nodes: list[int], edges: Edges, focus: int | None) -> list[int]:
    """The node that is inspected, those it has edges with, and then all others, by the strength of their edges."""
    strength = np.zeros(max(nodes) + 1)
    np.add.at(strength, edges.source, edges.part)
    np.add.at(strength, edges.target, edges.part)
    beside = set[int]() if focus is None else {*edges.source[edges.of(focus)].tolist(), *edges.target[edges.of(focus)].tolist()}
    return sorted(nodes, key=lambda i: (i != focus, i not in beside, -strength[i], i))


def _draw_nodes(
    canvas: Canvas, frame: Frame, at: Places, nodes: Iterable[int], figure: Graph, focus: int | None, palette: Palette
) -> None:
    """All marks, and then names, beside them as long as nothing else is there."""
    groups, names = group_numbers(figure), short_names(figure)
    taken = np.zeros((canvas.rows, canvas.columns), np.bool_)
    cells = {i: cell for i in nodes if (cell := frame.cell(float(at.x[i]), float(at.y[i]))) is not None}
    for i, (column, row) in reversed(cells.items()):
        canvas.text(column, row, mark_of(groups[i], palette), palette.series(groups[i]), bold=True)
        taken[row, column] = True
    for i, (column, row) in cells.items():
        text = clean(names[i], palette.ascii)
        for start in (column + 1, column - len(text)):
            if start < 0 or start + len(text) > canvas.columns or taken[row, start : start + len(text)].any():
                continue
            taken[row, max(0, start - 1) : start + len(text) + 1] = True
            if i == focus:
                ground = None if palette.depth == "none" else palette.role("strong")
                canvas.text(start, row, text, palette.role("ground"), ground, bold=True)
            else:
                canvas.text(start, row, text, palette.role("text"))
            break
    if focus in cells:
        column, row = cells[focus]
        ground = None if palette.depth == "none" else palette.role("strong")
        canvas.text(column, row, mark_of(groups[focus], palette), palette.role("ground"), ground, bold=True)


def _explain(header: Header, figure: Graph, nodes: list[int], edges: Edges, left: int, palette: Palette) -> None:
    """What marks mean, how strong edges are, and what is not drawn."""
    numbers, names = group_numbers(figure), groups_of(figure)
    shown = {numbers[i]: names[i] for i in nodes}
    if left:
        header.add((f"{left} without a level", palette.role("warn")))
    if len(shown) > 1:
        for group, name in sorted(shown.items()):
            header.add((f"{mark_of(group, palette)} {shorten(name, 14)}", palette.series(group)))
    if len(edges.weight):
        low, high = number(float(edges.weight[0]), 2), number(float(edges.weight[-1]), 2)
        header.add(
            (f"{figure.weight_label or 'weight'} {low} to {high}", palette.role("text")),
            short=[(f"{low} to {high}", palette.role("text"))],
        )
    if edges.back.any():
        header.add((f"{'- -' if palette.ascii else '╌╌'} back", palette.role("text")))
