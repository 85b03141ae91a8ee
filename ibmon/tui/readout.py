"""What the cursor of a chart points at, in words: value, bounds, all else that the estimate says. Pure functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.figure import Axis, Curves, Figure, Graph, Heatmap, Histogram, Image, Passage, Plane, Table, View
from ibmon.figures.graphs import edges_of, groups_of, levels_of
from ibmon.figures.graphs import values_of as node_values
from ibmon.figures.panels import apart, owners, rows_of, shown_runs, twin
from ibmon.figures.passages import row_names, values_of, words_of
from ibmon.figures.table import pictures
from ibmon.figures.view import number

from .looking import series_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibmon.figures.figure import Line, Trajectory

    from .look import Role

_DETAIL_WORDS = {"error": "±", "null": "null", "p_value": "p", "raw": "raw", "limit": "at most"}
Words = list[tuple[str, "Role"]]


def readout(figure: Figure, view: View, epoch: float | None = None) -> list[Words]:
    """What is under the cursor, line by line. ``epoch`` is that of the point, where the figure does not know it."""
    if view.cursor is None or view.cursor[0] not in series_of(figure, view):
        return [[("nothing to inspect in this chart", "dim")]]
    i, k = view.cursor
    others = _of_others(figure, view) if apart(figure, view) else []
    if isinstance(figure, Plane):
        *values, origin = _of_plane(figure, i, k)
        return [*values, *others, origin]
    if isinstance(figure, Curves):
        *values, origin = _of_curves(figure, i, k, epoch)
        return [*values, *others, origin]
    if isinstance(figure, Heatmap):
        *values, origin = _of_heatmap(figure, i, k)
        return [*values, *others, origin]
    if isinstance(figure, Histogram):
        return _of_histogram(figure, i, k)
    if isinstance(figure, Table):
        pairs = [(name, cell) for name, cell in zip(figure.columns, figure.rows[i], strict=False) if cell]
        row: Words = []
        for name, cell in pairs:
            row.extend(((f"{name} ", "dim"), (f"{cell}  ", "strong")))
        return [row, [(f"row {i + 1} of {len(figure.rows)}", "dim")], _origin(figure.note, ())]
    if isinstance(figure, Image):
        return _of_image(figure, i)
    if isinstance(figure, Passage):
        return _of_passage(figure, i, k)
    if isinstance(figure, Graph):
        return _of_graph(figure, view, i)
    return [[("nothing to inspect in this chart", "dim")]]


def _of_others(figure: Figure, view: View) -> list[Words]:
    """What the same place says in the panels of the other runs, a line each."""
    lines: list[Words] = []
    named = owners(figure)
    for run in shown_runs(figure, view):
        at = None if view.cursor is None or named[view.cursor[0]] == run else twin(figure, view.cursor, run)
        if at is None:
            continue
        i, k = at
        words: Words = [(f"{run}   ", "accent")]
        if isinstance(figure, Plane):
            t = figure.trajectories[i]
            values = [(figure.x, float(t.x[k])), (figure.y, float(t.y[k]))]
            words.extend((("epoch ", "dim"), (f"{number(float(t.epoch[k]), 6)}   ", "text")))
        elif isinstance(figure, Curves):
            line = figure.lines[i]
            values = [(figure.x, float(line.x[k])), (figure.y, float(line.y[k]))]
        elif isinstance(figure, Heatmap):
            values = [(Axis(label=figure.value_label or "value"), float(np.atleast_2d(figure.values)[i, k]))]
        else:
            continue
        for axis, value in values:
            words.extend([*_value(axis, value, math.nan, math.nan, words=""), ("   ", "text")])
        lines.append(words[:-1])
    return lines


def _of_plane(figure: Plane, i: int, k: int) -> list[Words]:
    t = figure.trajectories[i]
    flags = t.flags[k] if k < len(t.flags) else ()
    if t.hollow is not None and bool(t.hollow[k]) and not flags:
        flags = ("saturated",)
    return [
        _point(figure, t, len(t.x), k, float(t.epoch[k]), int(t.step[k])),
        [*_value(figure.x, float(t.x[k]), _at(t.x_lower, k), _at(t.x_upper, k)), *_beside(t.x_details, k, float(t.x[k]))],
        [*_value(figure.y, float(t.y[k]), _at(t.y_lower, k), _at(t.y_upper, k)), *_beside(t.y_details, k, float(t.y[k]))],
        _origin(figure.note, flags, t.estimator),
    ]


def _of_curves(figure: Curves, i: int, k: int, epoch: float | None) -> list[Words]:
    line = figure.lines[i]
    step = None if line.step is None else int(line.step[k])
    band = _at(line.lower, k), _at(line.upper, k)
    unit = _name(figure.x)[0]
    at: Words = [("   ", "text"), (f"{unit or 'x'} {number(float(line.x[k]), 6)}", "text")]
    known = float(line.x[k]) if unit.startswith("epoch") else epoch
    return [
        _point(figure, line, len(line.x), k, known, step) + (at if not unit.startswith(("epoch", "step")) else []),
        [*_value(figure.y, float(line.y[k]), *band, words="band"), *_beside(line.details, k, float(line.y[k]))],
        _origin(figure.note, line.flags[k] if k < len(line.flags) else (), line.estimator),
    ]


def _of_heatmap(figure: Heatmap, i: int, k: int) -> list[Words]:
    """The value with its row and column; of counts also their share of both."""
    values = np.atleast_2d(np.asarray(figure.values, np.float64))
    row = figure.row_labels[i] if i < len(figure.row_labels) else str(i)
    column = figure.column_labels[k] if k < len(figure.column_labels) else str(k)
    where: Words = [(f"{figure.row_runs[i]}   ", "accent")] if figure.row_runs else []
    where.append((f"{figure.y.label or 'row'} {row}   {figure.x.label or 'column'} {column}", "strong"))
    if figure.steps is not None and k < len(figure.steps):
        where.extend((("   step ", "dim"), (str(int(figure.steps[k])), "text")))
    value = float(values[i, k])
    if figure.row_runs:
        values, i = values[rows_of(figure, figure.row_runs[i])], rows_of(figure, figure.row_runs[i]).index(i)
    said: Words = [(f"{figure.value_label or 'value'} ", "dim"), (number(value), "strong")]
    finite = values[np.isfinite(values)]
    if finite.size and (finite >= 0).all() and (finite == np.rint(finite)).all() and math.isfinite(value):
        for name, total in (("row", float(np.nansum(values[i]))), ("column", float(np.nansum(values[:, k])))):
            said.extend(((f"   of its {name} ", "dim"), (f"{100 * value / total:.1f} %" if total else "–", "text")))
    return [where, said, _origin(figure.note, ())]


def _of_histogram(figure: Histogram, i: int, k: int) -> list[Words]:
    counts = np.atleast_2d(np.asarray(figure.counts, np.float64))
    name = figure.labels[i] if i < len(figure.labels) else figure.x.label or "bin"
    low, high = (number(float(edge)) for edge in (figure.edges[k], figure.edges[k + 1]))
    total = float(counts[i].sum())
    share = f"{100 * float(counts[i, k]) / total:.1f} %" if total else "–"
    return [
        [(name, "strong"), (f"   from {low} to {high}", "text"), (f"   bin {k + 1} of {counts.shape[1]}", "dim")],
        [
            (f"{figure.y.label or 'count'} ", "dim"),
            (number(float(counts[i, k])), "strong"),
            ("   of all ", "dim"),
            (share, "text"),
        ],
        _origin(figure.note, ()),
    ]


def _of_image(figure: Image, i: int) -> list[Words]:
    picture = pictures(figure)[i]
    kept = picture[np.isfinite(picture)]
    name = figure.labels[i] if i < len(figure.labels) else f"picture {i + 1}"
    if not kept.size:
        return [[(name, "strong")], [("no value is finite", "warn")]]
    said: Words = []
    for what, value in (("least", kept.min()), ("mean", kept.mean()), ("largest", kept.max())):
        said.extend(((f"{what} ", "dim"), (f"{number(float(value))}   ", "text")))
    return [[(name, "strong")], said]


def _of_passage(figure: Passage, i: int, k: int) -> list[Words]:
    """The word and its value in every row, the one under the cursor most plainly."""
    said: Words = [(figure.value_label or "value", "dim")]
    values, names = values_of(figure)[:, k].tolist(), row_names(figure)
    for row, value in enumerate(values):
        said.append((f"   {names[row]} " if names else " ", "dim"))
        said.append((number(value), "strong" if row == i else "text"))
    where: Words = [(words_of(figure)[k], "strong"), (f"   word {k + 1} of {len(figure.words)}", "dim")]
    return [where, said, [(figure.note, "dim")]]


def _of_graph(figure: Graph, view: View, i: int) -> list[Words]:
    """A node with its group and level, and the strongest edge out of it and into it."""
    group, values = groups_of(figure)[i], node_values(figure)
    where: Words = [(figure.nodes[i], "strong")]
    if group and group != figure.nodes[i]:
        where.append((f"   {group}", "text"))
    where.extend(((f"   {figure.x.label or 'level'} ", "dim"), (number(float(levels_of(figure)[i])), "text")))
    if values is not None:
        where.extend(((f"   {figure.value_label or 'value'} ", "dim"), (number(float(values[i])), "text")))
    edges, said = edges_of(figure, view), list[tuple[str, "Role"]]()
    for word, ends, others in (("to", edges.source, edges.target), ("from", edges.target, edges.source)):
        found = np.flatnonzero(ends == i)
        if not len(found):
            said.append((f"nothing {word} others   ", "dim"))
            continue
        k = int(found[-1])
        more = f"  strongest of {len(found)}" if len(found) > 1 else ""
        said.extend(((f"{word} ", "dim"), (f"{figure.nodes[int(others[k])]} ", "strong")))
        said.extend(((number(float(edges.weight[k]), 3), "text"), (f"{more}   ", "dim")))
    if len(edges.weight):
        said.append((figure.weight_label, "dim"))
    return [where, said, [(figure.note, "dim")]]


def _point(figure: Plane | Curves, one: Line | Trajectory, count: int, k: int, epoch: float | None, step: int | None) -> Words:
    words: Words = [(f"{one.run}   ", "accent")] if one.run else []
    words.append((one.label or "point", "strong"))
    if one.position is not None and figure.positions is not None:
        words.extend(((f"   {_name(figure.positions)[0]} ", "dim"), (number(one.position, 6), "text")))
    if epoch is not None and math.isfinite(epoch):
        words.extend((("   epoch ", "dim"), (number(epoch, 6), "text")))
    if step is not None:
        words.extend((("   step ", "dim"), (str(step), "text")))
    return [*words, (f"   point {k + 1} of {count}", "dim")]


def _value(axis: Axis, value: float, low: float, high: float, words: str = "bounds") -> Words:
    name, unit = _name(axis)
    said: Words = [(f"{name or 'value'} ", "dim"), (f"{number(value)}{' ' + unit if unit else ''}", "strong")]
    if math.isfinite(low) or math.isfinite(high):
        return [*said, (f"  {words} ", "dim"), (f"{number(low)} to {number(high)}", "text")]
    return [*said, ("  no bounds", "dim")] if words == "bounds" else said


def _beside(details: Mapping[str, np.ndarray], k: int, value: float) -> Words:
    """What an estimate says beside its value; the raw value only where clipping changed it."""
    said: Words = []
    for name, word in _DETAIL_WORDS.items():
        detail = _at(details.get(name), k)
        if math.isfinite(detail) and not (name == "raw" and math.isclose(detail, value, abs_tol=1e-9)):
            said.extend(((f"  {word} ", "dim"), (number(detail), "text")))
    return said


def _origin(note: str, flags: tuple[str, ...], estimator: str = "") -> Words:
    """The estimator; without one the note, which may name something else altogether."""
    words: Words = [("estimator ", "dim"), (estimator, "text")] if estimator else [(note, "text")]
    if not estimator and not note:
        words = [("not an estimate", "dim")]
    if flags:
        return [*words, ("   flags ", "dim"), (", ".join(flags), "warn")]
    return [*words, ("   no flags", "dim")]


def _name(axis: Axis) -> tuple[str, str]:
    name, _, unit = axis.label.partition(" [")
    return name, unit.rstrip("]")


def _at(values: np.ndarray | None, k: int) -> float:
    return math.nan if values is None else float(values[k])
