"""Figures of several runs as one: seeds of a group pooled, runs laid over each other, and what they differ in.

Values are taken where all runs have them and never interpolated. Names of figures are unique within a run.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .figure import Axis, Curves, Figure, Heatmap, Histogram, Line, Plane, Reference, Table, Trajectory, View
from .pooling import mean, pooled_line, pooled_series, pooled_trajectory, total
from .view import RUN_MARKS, common_hues, number, series_in, shown_length, shown_points

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

_FIGURE = "figure "
_End = tuple[float, str, str]
"""The newest value of a series, how it is said, and the epoch or step it belongs to."""


def compared(runs: Mapping[str, Sequence[Sequence[Figure]]]) -> list[Figure]:
    """The figures of up to four runs, by name, laid over each other, and the table of what differs.

    A run that is several (the seeds of a group) is pooled. Raises ValueError for more than four.
    """
    named = {name: pooled(each, name) for name, each in runs.items()}
    table = differences(named)
    return [*overlay(named), *([table] if table is not None else [])]


def pooled(seeds: Sequence[Sequence[Figure]], label: str) -> list[Figure]:
    """The figures of several runs of the group ``label`` as those of one; the note says of what.

    Planes and curves show the median over the runs, with every network or with the band from 10 to 90 %; heatmaps the mean;
    histograms the sum; anything else is that of the first run.
    """
    if len(seeds) == 1:
        return list(seeds[0])
    return [_pooled_figure([figure for figure in found if figure is not None], label) for found in _by_name(seeds)]


def overlay(runs: Mapping[str, Sequence[Figure]]) -> list[Figure]:
    """Figures of the same name as one, their series told apart by ``run``; a label has the same hue in all of them.

    What cannot be laid over each other stays beside each other, named and titled by its run. Raises ValueError for more than
    four runs.
    """
    if len(runs) > len(RUN_MARKS):
        raise ValueError(f"at most {len(RUN_MARKS)} runs are laid over each other, not {len(runs)}")
    if len(runs) == 1:
        return [figure for figures in runs.values() for figure in figures]
    out: list[Figure] = []
    names = {figure.name for figures in runs.values() for figure in figures}
    for found in _by_name(list(runs.values())):
        alike: dict[Hashable, dict[str, Figure]] = {}
        for run, figure in zip(runs, found, strict=True):
            if figure is not None:
                alike.setdefault(_ground(figure) or run, {})[run] = figure
        for each in alike.values():
            laid = _laid_over(each)
            if len(each) < len(runs):
                laid = replace(laid, title=f"{laid.title} · {', '.join(each)}")
            if len(alike) > 1 or not _ground(laid):
                laid = replace(laid, name=_new_name(f"{laid.name}-{'-'.join(each)}", names))
            out.append(laid)
    return out


def differences(runs: Mapping[str, Sequence[Figure]], until: int | None = None) -> Table | None:
    """The newest value of every series that at least two runs have, and how far each run is from the first.

    What several figures show of one estimator is one row; companions without a name of their own (a null) are left out. With
    ``until`` the newest value is that of the last point up to this step.
    """
    ends = [dict(_ends(figures, until)) for figures in runs.values()]
    rows: list[tuple[str, ...]] = []
    single = 0
    for key in dict.fromkeys(key for each in ends for key in each):
        found = [each.get(key) for each in ends]
        if sum(end is not None for end in found) < 2:
            single += 1
            continue
        quantity, series, source, unit = key
        places = [end[2] if end else "–" for end in found]
        at = f"{unit} {' / '.join(places)}" if len(set(places) - {"–"}) > 1 else ""
        by = "" if source.startswith(_FIGURE) else source
        values = (end[1] if end else "–" for end in found)
        rows.append((quantity, series, *values, *(_apart(end, found[0]) for end in found[1:]), at, by))
    if not rows:
        return None
    first, *others = runs
    columns = ("quantity", "series", first, *others, *(f"{run} − {first}" for run in others), "at", "estimator")
    kept = [k for k in range(len(columns)) if k < len(columns) - 2 or any(row[k] for row in rows)]
    columns, rows = tuple(columns[k] for k in kept), [tuple(row[k] for k in kept) for row in rows]
    banded = any("(" in cell for row in rows for cell in row[2 : 2 + len(runs)])
    notes = ["newest values"]
    notes += ["in brackets 10–90 % of the networks, or the band of the curve"] if banded else []
    notes += [f"left out: {single} that only one run has"] if single else []
    return Table(
        name="differences",
        title="differences",
        screen="compare",
        note="; ".join(notes),
        columns=columns,
        rows=tuple(rows),
    )


def _by_name(runs: Sequence[Sequence[Figure]]) -> Iterator[list[Figure | None]]:
    """For each name the figure of every run, in the order of first appearance."""
    tables = [{figure.name: figure for figure in figures} for figures in runs]
    for name in dict.fromkeys(name for figures in tables for name in figures):
        yield [figures.get(name) for figures in tables]


def _ground(figure: Figure) -> tuple[Hashable, ...]:
    """What figures must share to be drawn into one; nothing for those that cannot be."""
    if isinstance(figure, Plane | Curves):
        return type(figure), figure.x.label, figure.y.label, figure.positions.label if figure.positions else None
    if isinstance(figure, Histogram):
        return Histogram, figure.x.label, figure.y.label, np.asarray(figure.edges, np.float64).tobytes()
    return ()


def _pooled_figure(figures: Sequence[Figure], label: str) -> Figure:
    """One figure of the same name of all runs that have it."""
    first, runs = figures[0], f"{len(figures)} runs"
    words = f"the first of {runs}" if len(figures) > 1 else "of 1 run"
    if len(figures) > 1 and all(type(figure) is type(first) and _ground(figure) == _ground(first) for figure in figures):
        if isinstance(first, Plane):
            planes = [figure.trajectories for figure in figures if isinstance(figure, Plane)]
            trajectories, words = pooled_series(planes, pooled_trajectory, label)
            first = replace(first, trajectories=trajectories)
        elif isinstance(first, Curves):
            lines, words = pooled_series([figure.lines for figure in figures if isinstance(figure, Curves)], pooled_line, label)
            first = replace(first, lines=lines)
        elif isinstance(first, Heatmap) and (middle := mean([f for f in figures if isinstance(f, Heatmap)])) is not None:
            first, words = middle, f"mean of {runs}"
        elif isinstance(first, Histogram) and (added := total([f for f in figures if isinstance(f, Histogram)])) is not None:
            first, words = added, f"sum of {runs}"
    return replace(first, note="; ".join(part for part in (first.note, words) if part))


def _laid_over(figures: Mapping[str, Figure]) -> Figure:
    """Figures with a common ground, by their run, as one."""
    first = replace(
        next(iter(figures.values())),
        title=_said({run: figure.title for run, figure in figures.items()}),
        note=_said({run: figure.note for run, figure in figures.items()}),
        important=any(figure.important for figure in figures.values()),
    )
    if isinstance(first, Histogram):
        counts = {run: np.atleast_2d(figure.counts) for run, figure in figures.items() if isinstance(figure, Histogram)}
        labels = [" · ".join([run, *first.labels[g : g + 1]]) for run, each in counts.items() for g in range(len(each))]
        return replace(first, counts=np.concatenate(list(counts.values())), labels=tuple(labels))
    if not isinstance(first, Plane | Curves):
        return first
    charts = {run: figure for run, figure in figures.items() if isinstance(figure, Plane | Curves)}
    numbers = common_hues(series_in(chart) for chart in charts.values())
    series = [
        replace(one, run=run, group=hue)
        for (run, chart), each in zip(charts.items(), numbers, strict=True)
        for one, hue in zip(series_in(chart), each, strict=True)
    ]
    first = replace(
        first,
        x=_spanning([chart.x for chart in charts.values()]),
        y=_spanning([chart.y for chart in charts.values()]),
        references=_references({run: chart.references for run, chart in charts.items()}),
        positions=_spanning([chart.positions for chart in charts.values() if chart.positions is not None]),
    )
    if isinstance(first, Plane):
        return replace(first, trajectories=tuple(one for one in series if isinstance(one, Trajectory)))
    return replace(first, lines=tuple(one for one in series if isinstance(one, Line)))


def _said(texts: Mapping[str, str]) -> str:
    """What all runs say, once, and then what each says beside it."""
    parts = {run: [part for part in text.split("; ") if part] for run, text in texts.items()}
    common = [part for part in next(iter(parts.values())) if all(part in each for each in parts.values())]
    own = {run: "; ".join(part for part in each if part not in common) for run, each in parts.items()}
    return "; ".join([*common, *(f"{run}: {text}" for run, text in own.items() if text)])


def _spanning(axes: Sequence[Axis]) -> Axis | None:
    """The first of the axes, with the limits of all."""
    if not axes:
        return None
    low = [axis.limits[0] for axis in axes if axis.limits[0] is not None]
    high = [axis.limits[1] for axis in axes if axis.limits[1] is not None]
    return replace(axes[0], limits=(min(low, default=None), max(high, default=None)))


def _references(references: Mapping[str, Sequence[Reference]]) -> tuple[Reference, ...]:
    """Those of all runs once, others named by the runs that have them."""
    found: dict[Reference, list[str]] = {}
    for run, each in references.items():
        for reference in dict.fromkeys(each):
            found.setdefault(reference, []).append(run)
    return tuple(
        reference if len(runs) == len(references) else replace(reference, label=f"{', '.join(runs)} · {reference.label}")
        for reference, runs in found.items()
    )


def _new_name(text: str, names: set[str]) -> str:
    """A bare word that no other figure has for its name."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    name = next(name for name in (word, *(f"{word}-{k}" for k in range(2, len(names) + 3))) if name not in names)
    names.add(name)
    return name


def _ends(figures: Sequence[Figure], until: int | None) -> Iterator[tuple[tuple[str, str, str, str], _End]]:
    """For each (quantity, series, estimator or else figure, unit of the place) the newest value."""
    view = View(until=until)
    for figure in figures:
        if isinstance(figure, Plane):
            for t in figure.trajectories:
                shown = shown_points(t, view)
                for axis, values, members in ((figure.x, t.x, t.members_x), (figure.y, t.y, t.members_y)):
                    for k in shown[-1:].tolist():
                        spread = None if members is None else _tenths(members[k])
                        source = t.estimator or _FIGURE + figure.name
                        yield (axis.label, t.label, source, "epoch"), _end(float(values[k]), spread, float(t.epoch[k]))
        elif isinstance(figure, Curves):
            for line in figure.lines:
                if line.unnamed:
                    continue
                source = line.estimator or _FIGURE + figure.name
                y = line.y[: shown_length(line, view)]
                for k in np.flatnonzero(np.isfinite(y) & np.isfinite(line.x[: len(y)]))[-1:].tolist():
                    spread = None if line.lower is None or line.upper is None else np.array([line.lower[k], line.upper[k]])
                    yield (figure.y.label, line.label, source, figure.x.label), _end(float(y[k]), spread, float(line.x[k]))


def _tenths(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.percentile(values, (10, 90)) if values.size else np.full(2, np.nan)


def _end(value: float, spread: np.ndarray | None, place: float) -> _End:
    text = number(value)
    if spread is not None and np.isfinite(spread).all():
        text += f" ({number(float(spread[0]), 3)}–{number(float(spread[1]), 3)})"
    return value, text, number(place, 6)


def _apart(end: _End | None, first: _End | None) -> str:
    return f"{end[0] - first[0]:+.3g}" if end and first else "–"
