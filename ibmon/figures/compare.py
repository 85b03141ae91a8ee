"""Figures of several runs as one: seeds of a group pooled, runs laid over each other or side by side.

Values are taken where all runs have them and never interpolated. Names of figures are unique within a run.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .differences import differences
from .figure import Axis, Curves, Figure, Heatmap, Histogram, Line, Passage, Plane, Reference, Trajectory
from .pooling import mean, mean_passage, pooled_line, pooled_series, pooled_trajectory, total
from .view import RUN_MARKS, common_hues, series_in

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence


def compared(runs: Mapping[str, Sequence[Sequence[Figure]]]) -> list[Figure]:
    """The figures of up to four runs, by name, laid over each other, and the table of what differs.

    A run that is several (the seeds of a group) is pooled. Raises ValueError for more than four.
    """
    named = {name: pooled(each, name) for name, each in runs.items()}
    table = differences(named)
    return [*overlay(named), *([table] if table is not None else [])]


def pooled(seeds: Sequence[Sequence[Figure]], label: str) -> list[Figure]:
    """The figures of several runs of the group ``label`` as those of one; the note says of what.

    Planes and curves show the median over the runs, with every network or with the band from 10 to 90 %; heatmaps and
    passages the mean; histograms the sum; anything else is that of the first run.
    """
    if len(seeds) == 1:
        return list(seeds[0])
    return [_pooled_figure([figure for figure in found if figure is not None], label) for found in _by_name(seeds)]


def overlay(runs: Mapping[str, Sequence[Figure]]) -> list[Figure]:
    """Figures of the same name as one, with the run of every series, row or group; a label has the same hue in all of them.

    Whether that is drawn as an overlay or in panels is a matter of looking at it (``panels.apart``). Tables, images and graphs,
    whose nodes are each network's own, stay figures of their own, named and titled by their run. Raises ValueError for more than
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
    if isinstance(figure, Heatmap):
        columns = np.atleast_2d(figure.values).shape[1]
        along: Hashable = "steps" if figure.steps is not None else figure.column_labels or columns
        return Heatmap, figure.x.label, figure.y.label, figure.value_label, along, figure.centre
    if isinstance(figure, Passage):
        return Passage, figure.words, figure.value_label, figure.centre
    return ()


def _pooled_figure(figures: Sequence[Figure], label: str) -> Figure:
    """One figure of the same name of all runs that have it."""
    first, runs = figures[0], f"{len(figures)} runs"
    words = f"the first of {runs}" if len(figures) > 1 else "of 1 run"
    alike = all(type(figure) is type(first) and _ground(figure) == _ground(first) for figure in figures)
    if len(figures) > 1 and alike and not first.single:
        if isinstance(first, Plane):
            planes = [figure.trajectories for figure in figures if isinstance(figure, Plane)]
            trajectories, words = pooled_series(planes, pooled_trajectory, label)
            first = replace(first, trajectories=trajectories)
        elif isinstance(first, Curves):
            lines, words = pooled_series([figure.lines for figure in figures if isinstance(figure, Curves)], pooled_line, label)
            first = replace(first, lines=lines)
        elif isinstance(first, Heatmap) and (middle := mean([f for f in figures if isinstance(f, Heatmap)])) is not None:
            first, words = middle, f"mean of {runs}"
        elif isinstance(first, Passage) and (read := mean_passage([f for f in figures if isinstance(f, Passage)])) is not None:
            first, words = read, f"mean of {runs}"
        elif isinstance(first, Histogram) and (added := total([f for f in figures if isinstance(f, Histogram)])) is not None:
            first, words = added, f"sum of {runs}"
    said = first.note.split("; ")
    if not words.startswith("the first of"):  # what a note says of one network alone is not what the pooled figure shows
        said = [part for part in said if all(part in figure.note.split("; ") for figure in figures)]
    return replace(first, note="; ".join(part for part in (*said, words) if part))


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
        owners = tuple(run for run, each in counts.items() for _ in each)
        return replace(first, counts=np.concatenate(list(counts.values())), labels=tuple(labels), group_runs=owners)
    if isinstance(first, Heatmap):
        return _stacked(first, {run: figure for run, figure in figures.items() if isinstance(figure, Heatmap)})
    if isinstance(first, Passage):
        return _below_each_other(first, {run: figure for run, figure in figures.items() if isinstance(figure, Passage)})
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


def _stacked(first: Heatmap, matrices: Mapping[str, Heatmap]) -> Heatmap:
    """The rows of all runs, at every step that one of them has."""
    values = {run: np.atleast_2d(np.asarray(figure.values, np.float64)) for run, figure in matrices.items()}
    steps, labels = first.steps, first.column_labels
    if steps is not None:
        own = {run: np.asarray(f.steps)[: values[run].shape[1]] for run, f in matrices.items() if f.steps is not None}
        steps = np.unique(np.concatenate(list(own.values())))
        names = {step: name for run, at in own.items() for step, name in zip(at, matrices[run].column_labels, strict=False)}
        labels = tuple(names.get(step, "") for step in steps) if names else ()
        for run, at in own.items():
            wider = np.full((len(values[run]), len(steps)), np.nan)
            wider[:, np.searchsorted(steps, at)] = values[run][:, : len(at)]
            values[run] = wider
    rows = [
        figure.row_labels[r] if r < len(figure.row_labels) else str(r)
        for run, figure in matrices.items()
        for r in range(len(values[run]))
    ]
    return replace(
        first,
        values=np.concatenate(list(values.values())),
        row_labels=tuple(rows),
        column_labels=labels,
        limits=_outer([figure.limits for figure in matrices.values()]),
        steps=steps,
        row_runs=tuple(run for run, each in values.items() for _ in each),
    )


def _below_each_other(first: Passage, passages: Mapping[str, Passage]) -> Passage:
    """The same words once for every row of every run, in the same colours."""
    values = {run: np.atleast_2d(np.asarray(figure.values, np.float64)) for run, figure in passages.items()}
    labels = [" · ".join([run, *passages[run].labels[r : r + 1]]) for run, each in values.items() for r in range(len(each))]
    limits = _outer([figure.limits for figure in passages.values()])
    return replace(first, values=np.concatenate(list(values.values())), labels=tuple(labels), limits=limits)


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
    return replace(axes[0], limits=_outer([axis.limits for axis in axes]))


def _outer(limits: Sequence[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    """The outermost of the limits that are known."""
    low = [each[0] for each in limits if each[0] is not None]
    high = [each[1] for each in limits if each[1] is not None]
    return min(low, default=None), max(high, default=None)


def _references(references: Mapping[str, Sequence[Reference]]) -> tuple[Reference, ...]:
    """Those of all runs once, others named by the runs that have them."""
    found: dict[Reference, list[str]] = {}
    for run, each in references.items():
        for reference in dict.fromkeys(each):
            found.setdefault(reference, []).append(run)
    return tuple(
        reference
        if len(runs) == len(references)
        else replace(reference, label=f"{', '.join(runs)} · {reference.label}", runs=tuple(runs))
        for reference, runs in found.items()
    )


def _new_name(text: str, names: set[str]) -> str:
    """A bare word that no other figure has for its name."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    name = next(name for name in (word, *(f"{word}-{k}" for k in range(2, len(names) + 3))) if name not in names)
    names.add(name)
    return name
