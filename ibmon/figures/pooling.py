"""The same series, matrix, histogram or passage of several runs as one; only values that all runs have, never interpolated."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .figure import Heatmap, Histogram, Line, Passage, Trajectory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_Series = TypeVar("_Series", Trajectory, Line)


def pooled_series(
    runs: Sequence[Sequence[_Series]], pool: Callable[[Sequence[_Series]], _Series | None], group_label: str
) -> tuple[tuple[_Series, ...], str]:
    """Each series over the runs that have points of it, and what was done; without a common point each run by itself."""
    found: dict[tuple[str, int], list[tuple[int, _Series]]] = {}
    for number_of_run, run in enumerate(runs, start=1):
        seen: dict[str, int] = {}
        for one in run:
            seen[one.label] = seen.get(one.label, 0) + 1
            found.setdefault((one.label, seen[one.label]), []).append((number_of_run, one))
    out: list[_Series] = []
    sizes: set[int] = set()
    apart: list[str] = []
    for (label, _), members in found.items():
        kept = [(n, one) for n, one in members if len(one.x)] or members
        one = pool([series for _, series in kept]) if len(kept) > 1 else kept[0][1]
        if one is not None:
            out.append(one)
            sizes.add(len(kept))
            continue
        apart.append(label)
        group = -len(apart) if kept[0][1].group is None else kept[0][1].group
        out += [replace(series, label=f"{label} · {group_label or 'run'} {n}", group=group) for n, series in kept]
    count = f"{min(sizes)} to {max(sizes)}" if len(sizes) > 1 else f"{max(sizes, default=len(runs))}"
    words = [f"median of {count} runs"] if sizes or not apart else []
    words += [f"each run by itself, without a point in common: {', '.join(dict.fromkeys(apart))}"] if apart else []
    return tuple(out), "; ".join(words)


def pooled_trajectory(runs: Sequence[Trajectory]) -> Trajectory | None:
    """The median at the steps that all have, with every single network; None without such steps."""
    at = _common([t.step for t in runs])
    if not len(at[0]) and any(len(t.x) for t in runs):
        return None
    first = runs[0]
    singles = [_networks(t) for t in runs]
    hollow = [np.zeros(len(t.x), np.bool_) if t.hollow is None else np.asarray(t.hollow, np.bool_) for t in runs]
    return replace(
        first,
        x=_median([t.x for t in runs], at),
        y=_median([t.y for t in runs], at),
        step=first.step[at[0]],
        epoch=first.epoch[at[0]],
        x_lower=_median_of_all([t.x_lower for t in runs], at),
        x_upper=_median_of_all([t.x_upper for t in runs], at),
        y_lower=_median_of_all([t.y_lower for t in runs], at),
        y_upper=_median_of_all([t.y_upper for t in runs], at),
        hollow=None if all(t.hollow is None for t in runs) else np.mean(_taken(hollow, at), axis=0) > 0.5,
        flags=_most_flags([t.flags for t in runs], at),
        estimator=", ".join(dict.fromkeys(t.estimator for t in runs if t.estimator)),
        x_details=_median_details([t.x_details for t in runs], at),
        y_details=_median_details([t.y_details for t in runs], at),
        members_x=np.concatenate(_taken([x for x, _ in singles], at), axis=1),
        members_y=np.concatenate(_taken([y for _, y in singles], at), axis=1),
    )


def _networks(t: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Every single network ``(points, networks)`` of a trajectory in x and y."""
    if t.members_x is None or t.members_y is None:
        return t.x[:, None], t.y[:, None]
    return t.members_x, t.members_y


def pooled_line(runs: Sequence[Line]) -> Line | None:
    """The median where all have a point, with the band from 10 to 90 % of the runs; None where there is none."""
    at = _common([line.x for line in runs])
    if not len(at[0]) and any(len(line.x) for line in runs):
        return None
    first = runs[0]
    steps = [line.step for line in runs if line.step is not None]
    with np.errstate(invalid="ignore", over="ignore"):
        band = np.percentile(_taken([line.y for line in runs], at), (10, 90), axis=0)
    return replace(
        first,
        x=first.x[at[0]],
        y=_median([line.y for line in runs], at),
        lower=band[0],
        upper=band[1],
        step=np.max(_taken(steps, at), axis=0) if len(steps) == len(runs) else None,
        estimator=", ".join(dict.fromkeys(line.estimator for line in runs if line.estimator)),
        flags=_most_flags([line.flags for line in runs], at),
        details=_median_details([line.details for line in runs], at),
    )


def _common(keys: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Where in each array the values are that all of them have, in the order of the first."""
    first = keys[0]
    if all(np.array_equal(key, first, equal_nan=True) for key in keys):
        return [np.arange(len(first)) for _ in keys]
    shared = reduce(np.intersect1d, keys)
    order = [np.argsort(key, kind="stable") for key in keys]
    places = [o[np.searchsorted(key, shared, sorter=o)] for key, o in zip(keys, order, strict=True)]
    return [place[np.argsort(places[0], kind="stable")] for place in places]


def _taken(arrays: Sequence[np.ndarray], at: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [array[index] for array, index in zip(arrays, at, strict=True)]


def _median(arrays: Sequence[np.ndarray], at: Sequence[np.ndarray]) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.median(_taken(arrays, at), axis=0)


def _median_of_all(arrays: Sequence[np.ndarray | None], at: Sequence[np.ndarray]) -> np.ndarray | None:
    """The median where every run has such values."""
    known = [array for array in arrays if array is not None]
    return _median(known, at) if len(known) == len(arrays) else None


def _median_details(details: Sequence[Mapping[str, np.ndarray]], at: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {name: _median([each[name] for each in details], at) for name in details[0] if all(name in each for each in details)}


def _most_flags(flags: Sequence[tuple[tuple[str, ...], ...]], at: Sequence[np.ndarray]) -> tuple[tuple[str, ...], ...]:
    """For each point the flags that more than half of the runs raise."""
    if not any(flags):
        return ()
    points: list[tuple[str, ...]] = []
    for places in zip(*(index.tolist() for index in at), strict=True):
        raised = Counter(name for run, k in zip(flags, places, strict=True) if k < len(run) for name in dict.fromkeys(run[k]))
        points.append(tuple(name for name, times in raised.items() if times > len(flags) / 2))
    return tuple(points)


def mean(figures: Sequence[Heatmap]) -> Heatmap | None:
    """The mean of matrices with the same rows, at the steps that all have, or else with the same columns."""
    first = figures[0]
    values = [np.atleast_2d(np.asarray(figure.values, np.float64)) for figure in figures]
    if any(figure.row_labels != first.row_labels for figure in figures) or len({len(each) for each in values}) > 1:
        return None
    steps = [figure.steps for figure in figures if figure.steps is not None]
    labels = first.column_labels
    if len(steps) == len(figures):
        at = _common(steps)
        values = [each[:, index] for each, index in zip(values, at, strict=True)]
        labels = tuple(labels[k] for k in at[0].tolist() if k < len(labels))
        first = replace(first, steps=steps[0][at[0]])
    elif steps or any(figure.column_labels != labels for figure in figures):
        return None
    if not values[0].size or len({each.shape for each in values}) > 1:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        return replace(first, values=np.mean(values, axis=0), column_labels=labels)


def total(figures: Sequence[Histogram]) -> Histogram | None:
    """The sum of histograms of the same groups."""
    first = figures[0]
    if any(np.shape(f.counts) != np.shape(first.counts) or f.labels != first.labels for f in figures):
        return None
    return replace(first, counts=np.sum([f.counts for f in figures], axis=0))


def mean_passage(figures: Sequence[Passage]) -> Passage | None:
    """The mean of passages of the same words with the same rows."""
    first = figures[0]
    if any(np.shape(f.values) != np.shape(first.values) or (f.words, f.labels) != (first.words, first.labels) for f in figures):
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        return replace(first, values=np.mean([f.values for f in figures], axis=0))
