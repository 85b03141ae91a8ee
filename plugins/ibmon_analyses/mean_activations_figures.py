"""Figures of averaged activations, on the screen "activations". No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Series

from .moments import ends
from .naming import named_set, slug
from .timepoints_paths import by_time, middle, times_of

_ANALYSIS = "mean-activations"


def figures(history: History) -> list[Figure]:
    """For each layer and evaluation set the activation over timepoints, of the untrained and of the newest network."""
    means = history.select("mean activation", job=_ANALYSIS)
    sizes = {_key(s): s for s in history.select("mean absolute activation", job=_ANALYSIS)}
    return [_of(mean, sizes[_key(mean)]) for mean in means if _key(mean) in sizes]


def _of(mean: Series, size: Series) -> Curves:
    job, evaluation, layer = _key(mean)
    sets, options = named_set(evaluation), job.partition(":")[2]
    said = [*([options] if options else []), *(["median and 10–90 % of networks"] if len(mean.axes) > 1 else [])]
    return Curves(
        name=slug("-".join([_ANALYSIS, layer, *sets, *([options] if options else [])])),
        title=" on ".join([f"averaged activations of {layer}", *sets]),
        screen="activations",
        note="; ".join(["mean over samples and units; dashed: of the absolute activation", *said]),
        x=Axis(label="timepoint"),
        y=Axis(label="activation"),
        lines=tuple(_lines(mean, size)),
    )


def _lines(mean: Series, size: Series) -> Iterator[Line]:
    """Both averages of each network, in one colour."""
    for group, (row, moment) in enumerate(ends(mean)):
        yield _line(mean, row, moment, group)
        at = np.flatnonzero(size.step == mean.step[row])
        if len(at):
            yield _line(size, int(at[-1]), f"{moment}, absolute", group, dashed=True)


def _line(series: Series, row: int, label: str, group: int, *, dashed: bool = False) -> Line:
    """A row over time; of replicas the median with the band of 10 to 90 %."""
    values = by_time(series, series.value[[row]])
    many = values.ndim == 3
    lower, upper = np.percentile(values[:, 0], (10, 90), axis=1) if many else (None, None)
    return Line(
        label=label,
        x=times_of(series),
        y=middle(values)[:, 0],
        lower=lower,
        upper=upper,
        group=group,
        dashed=dashed,
        unnamed=dashed,
    )


def _key(series: Series) -> tuple[str, str, str]:
    return series.job, series.evaluation, series.subject["layer"]
