"""Figures as numbers: a table of the newest values to read, and tidy CSV of all of them."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

import numpy as np

from .figure import Curves, Figure, Graph, Heatmap, Histogram, Image, Passage, Plane, Table, View
from .panels import columns_of
from .passages import most_telling, row_names, values_of, words_of
from .table_graphs import edge_records, node_rows
from .view import chosen, number, positions_of, runs_of, series_in, shown_columns, shown_length, shown_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Row = tuple[str, ...]


def table(figure: Figure, view: View | None = None) -> Table:
    """A figure in words and numbers: the newest value of each series, all of a matrix, or words with the largest first."""
    view = view or View()
    if isinstance(figure, Table):
        return figure
    names: Row = ()
    rows: list[Row] = []
    if isinstance(figure, Plane):
        names, rows = _newest_points(figure, view)
    elif isinstance(figure, Curves):
        names, rows = _newest_values(figure, view)
    elif isinstance(figure, Heatmap):
        names, rows = _matrix(figure, view)
    elif isinstance(figure, Histogram):
        names, rows = _bins(figure)
    elif isinstance(figure, Image):
        names, rows = _pictures(figure)
    elif isinstance(figure, Passage):
        names, rows = _words(figure)
    elif isinstance(figure, Graph):
        names, rows = node_rows(figure, view)
    return Table(
        name=figure.name,
        title=figure.title,
        screen=figure.screen,
        important=figure.important,
        note=figure.note,
        columns=names,
        rows=tuple(rows),
    )


def _newest_points(figure: Plane, view: View) -> tuple[Row, list[Row]]:
    rows: list[Row] = []
    who_names, who = _named(figure)
    for i in chosen([t.label for t in figure.trajectories], view):
        t = figure.trajectories[i]
        shown = shown_points(t, view)
        if not len(shown):
            rows.append((*who[i], "–", "–", "–", ""))
            continue
        k = int(shown[-1])
        marks = t.flags[k] if k < len(t.flags) else ()
        if t.hollow is not None and bool(t.hollow[k]) and not marks:
            marks = ("saturated",)
        rows.append((*who[i], number(float(t.epoch[k])), number(float(t.x[k])), number(float(t.y[k])), " ".join(marks)))
    names = (*who_names, "epoch", figure.x.label or "x", figure.y.label or "y", "flags")
    if not any(row[-1] for row in rows):
        return names[:-1], [row[:-1] for row in rows]
    return names, rows


def _newest_values(figure: Curves, view: View) -> tuple[Row, list[Row]]:
    rows: list[Row] = []
    who_names, who = _named(figure)
    for i in chosen([line.label for line in figure.lines], view):
        line = figure.lines[i]
        end = shown_length(line, view)
        shown = np.flatnonzero(np.isfinite(line.x[:end]) & np.isfinite(line.y[:end]))
        newest = (number(float(line.x[shown[-1]]), 6), number(float(line.y[shown[-1]]))) if len(shown) else ("–", "–")
        rows.append((*who[i], *newest))
    return (*who_names, figure.x.label or "x", figure.y.label or "y"), rows


def _who(figure: Plane | Curves) -> tuple[Row, list[tuple[str | float, ...]]]:
    """The columns that say which series a row is of, and what they say of each; run and position only where there are such."""
    series = series_in(figure)
    columns: dict[str, list[str] | list[float]] = {"run": [one.run for one in series]} if runs_of(figure) else {}
    columns["series"] = [one.label for one in series]
    if figure.positions is not None:
        columns["position"] = positions_of(figure).tolist()
    return tuple(columns), list(zip(*columns.values(), strict=True))


def _named(figure: Plane | Curves) -> tuple[Row, list[Row]]:
    """The same in words: a position goes by the label of its axis."""
    names, who = _who(figure)
    label = (figure.positions.label if figure.positions is not None else "") or "position"
    return tuple(label if name == "position" else name for name in names), [
        tuple(cell if isinstance(cell, str) else number(cell) for cell in row) for row in who
    ]


def _name(names: Row, index: int) -> str:
    return names[index] if index < len(names) else str(index)


def _matrix(figure: Heatmap, view: View) -> tuple[Row, list[Row]]:
    values = np.atleast_2d(np.asarray(figure.values, np.float64))[:, : shown_columns(figure, view)]
    if not values.size:
        return (), []
    corner = " × ".join(label for label in (figure.y.label, figure.x.label) if label) or figure.value_label
    steps = () if figure.steps is None else tuple(number(float(step), 6) for step in figure.steps)
    names = [_name(figure.column_labels or steps, k) for k in range(values.shape[1])]
    rows = [
        (*figure.row_runs[r : r + 1], _name(figure.row_labels, r), *(number(v, 3) for v in row))
        for r, row in enumerate(values.tolist())
    ]
    return (*(("run",) if figure.row_runs else ()), corner, *names), rows


def _bins(figure: Histogram) -> tuple[Row, list[Row]]:
    counts = np.atleast_2d(np.asarray(figure.counts, np.float64))
    edges: list[float] = np.asarray(figure.edges, np.float64).tolist()
    single = len(counts) == 1 and not figure.labels
    names = [figure.y.label or "count"] if single else [_name(figure.labels, g) for g in range(len(counts))]
    rows = [
        (number(left), number(right), *(number(v, 6) for v in column))
        for left, right, column in zip(edges, edges[1:], counts.T.tolist(), strict=False)
    ]
    return ("from", "to", *names), rows


def _pictures(figure: Image) -> tuple[Row, list[Row]]:
    rows: list[Row] = []
    for name, picture in _parts(figure):
        kept = picture[np.abs(picture) < 1e290]
        three: list[float] = [float(kept.min()), float(kept.mean()), float(kept.max())] if kept.size else [math.nan] * 3
        rows.append((name, *(number(v) for v in three)))
    return ("picture", "least", "mean", "largest"), rows


def _parts(figure: Image) -> list[tuple[str, np.ndarray]]:
    """The pictures by name; of one that is put together, the parts that its captions name."""
    values = pictures(figure)
    if len(values) != 1 or not (figure.row_captions or figure.column_captions):
        return [(_name(figure.labels, k), picture) for k, picture in enumerate(values)]
    bands = [_bands(figure.row_captions), _bands(figure.column_captions)]
    parts = [(" · ".join(n for n in (a, b) if n), values[0][at, beside]) for a, at in bands[0] for b, beside in bands[1]]
    return [(name, part) for name, part in parts if np.isfinite(part).any()]


def _bands(captions: Sequence[tuple[int, str]]) -> list[tuple[str, slice]]:
    """What lies between one caption and the next; everything, where there is none."""
    starts = [start for start, _ in captions]
    return [(text, slice(start, end)) for (start, text), end in zip(captions, [*starts[1:], None], strict=True)] or [
        ("", slice(None))
    ]


def _words(figure: Passage) -> tuple[Row, list[Row]]:
    """Every word and where it stands, with its values."""
    values = values_of(figure)
    if not np.isfinite(values).any():
        return (), []
    words = words_of(figure)
    names = row_names(figure) or [figure.value_label or "value"]
    rows = [(words[k], str(k + 1), *(number(v, 3) for v in values[:, k].tolist())) for k in most_telling(figure).tolist()]
    return ("word", "position", *names), rows


def pictures(figure: Image) -> np.ndarray:
    """The values of an image as ``(pictures, rows, columns)``."""
    values = np.asarray(figure.values, np.float64)
    return values[None] if values.ndim == 2 else values


def to_csv(figure: Figure) -> str:
    """A figure as tidy CSV: a header, and a row for every point, cell, bin or edge, with nothing left out.

    Values that are not a number are empty. Text that a spreadsheet would take for a formula is preceded by ``'``.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in _records(figure):
        writer.writerow([harmless(cell) if isinstance(cell, str) else exact(cell) for cell in row])
    return out.getvalue()


def _records(figure: Figure) -> Iterator[tuple[str | float, ...]]:
    if isinstance(figure, Plane):
        return _plane_records(figure)
    if isinstance(figure, Curves):
        return _curve_records(figure)
    if isinstance(figure, Heatmap):
        return _matrix_records(figure)
    if isinstance(figure, Histogram):
        return _bin_records(figure)
    if isinstance(figure, Image):
        return _image_records(figure)
    if isinstance(figure, Passage):
        return _word_records(figure)
    if isinstance(figure, Graph):
        return edge_records(figure)
    if isinstance(figure, Table):
        return iter((figure.columns, *figure.rows))
    return iter(())


def _plane_records(figure: Plane) -> Iterator[tuple[str | float, ...]]:
    about_x, about_y = (_names(t.x_details for t in figure.trajectories), _names(t.y_details for t in figure.trajectories))
    x = ("x", "x_lower", "x_upper", *(f"x_{name}" for name in about_x))
    y = ("y", "y_lower", "y_upper", *(f"y_{name}" for name in about_y))
    names, who = _who(figure)
    units = _units(figure)
    yield (*names, "step", "epoch", *x, *y, "flags", "estimator", *units)
    for t, said in zip(figure.trajectories, who, strict=True):
        beside_x, beside_y = ([t.x_details.get(n) for n in about_x], [t.y_details.get(n) for n in about_y])
        arrays = (t.step, t.epoch, t.x, t.x_lower, t.x_upper, *beside_x, t.y, t.y_lower, t.y_upper, *beside_y)
        for k in range(len(t.x)):
            values = (math.nan if a is None else float(a[k]) for a in arrays)
            flags = " ".join(t.flags[k]) if k < len(t.flags) else ""
            yield (*said, *values, flags, t.estimator, *units.values())


def _curve_records(figure: Curves) -> Iterator[tuple[str | float, ...]]:
    about = _names(line.details for line in figure.lines)
    names, who = _who(figure)
    units = _units(figure)
    yield (*names, "step", "x", "y", "lower", "upper", *about, "flags", "estimator", *units)
    for line, said in zip(figure.lines, who, strict=True):
        arrays = (line.step, line.x, line.y, line.lower, line.upper, *(line.details.get(name) for name in about))
        for k in range(len(line.x)):
            values = (math.nan if a is None else float(a[k]) for a in arrays)
            flags = " ".join(line.flags[k]) if k < len(line.flags) else ""
            yield (*said, *values, flags, line.estimator, *units.values())


def _units(figure: Plane | Curves) -> dict[str, str]:
    """What the axes say of the numbers."""
    position = {} if figure.positions is None else {"quantity_position": figure.positions.label}
    return {"quantity_x": figure.x.label, "quantity_y": figure.y.label, **position}


def _names(details: Iterable[Mapping[str, np.ndarray]]) -> list[str]:
    """Every name of a detail, in the order of first appearance."""
    return list(dict.fromkeys(name for each in details for name in each))


def _matrix_records(figure: Heatmap) -> Iterator[tuple[str | float, ...]]:
    steps: list[float] = [] if figure.steps is None else np.asarray(figure.steps, np.float64).tolist()
    about = ("run",) if figure.row_runs else ()
    yield (*about, "row", "column", *(("step",) if steps else ()), "value", "quantity", "quantity_row", "quantity_column")
    names = figure.value_label, figure.y.label, figure.x.label
    values = np.atleast_2d(np.asarray(figure.values, np.float64))
    for r, row in enumerate(values.tolist()):
        columns = columns_of(figure, figure.row_runs[r]).tolist() if figure.row_runs else range(len(row))
        for c in columns:
            where = (*figure.row_runs[r : r + 1], _name(figure.row_labels, r), _name(figure.column_labels, c))
            yield (*where, *steps[c : c + 1], row[c], *names)


def _bin_records(figure: Histogram) -> Iterator[tuple[str | float, ...]]:
    yield ("group", "from", "to", "value", "quantity", "quantity_x")
    edges: list[float] = np.asarray(figure.edges, np.float64).tolist()
    for g, group in enumerate(np.atleast_2d(np.asarray(figure.counts, np.float64)).tolist()):
        for left, right, value in zip(edges, edges[1:], group, strict=False):
            yield (_name(figure.labels, g), left, right, value, figure.y.label, figure.x.label)


def _image_records(figure: Image) -> Iterator[tuple[str | float, ...]]:
    yield ("picture", "row", "column", "value")
    for k, picture in enumerate(pictures(figure).tolist()):
        for r, row in enumerate(picture):
            for c, value in enumerate(row):
                yield (_name(figure.labels, k), r, c, value)


def _word_records(figure: Passage) -> Iterator[tuple[str | float, ...]]:
    yield ("word", "position", "row", "value", "quantity")
    words = words_of(figure)
    for r, row in enumerate(values_of(figure).tolist()):
        for k, value in enumerate(row):
            yield (words[k], k + 1, _name(figure.labels, r), value, figure.value_label)


def exact(value: float) -> str:
    """All digits of a number, as short as they can be said."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return "" if math.isnan(value) else repr(value)


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    if not text.lstrip().startswith(("=", "+", "-", "@")):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text
