"""What a view leaves of a figure, for every renderer alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .figure import Curves, Heatmap, Histogram, Plane

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from .figure import Colour, Figure, Line, Trajectory, View

LINKS = 9
"""Epochs whose points a plane links through the layers."""
RUN_MARKS = "●○▲△"
"""One for each run of a comparison, in the order of ``runs_of``."""


def chosen(labels: Sequence[str], view: View) -> list[int]:
    """Indices of the series a view keeps."""
    words = [word.casefold() for word in view.only if word]
    return [i for i, label in enumerate(labels) if not words or any(word in label.casefold() for word in words)]


def shown_points(trajectory: Trajectory, view: View) -> np.ndarray:
    """Indices of the points of a trajectory that a view shows."""
    known = np.isfinite(trajectory.x) & np.isfinite(trajectory.y)
    return np.flatnonzero(known if view.until is None else known & (trajectory.step <= view.until))


def shown_length(line: Line, view: View) -> int:
    """How many points of a line lie before the step at which a view ends."""
    if view.until is None or line.step is None:
        return len(line.x)
    return int(np.searchsorted(line.step, view.until, side="right"))


def shown_columns(figure: Heatmap, view: View) -> int:
    """How many columns of a heatmap lie before the step at which a view ends."""
    columns = np.atleast_2d(figure.values).shape[1]
    if view.until is None or figure.steps is None:
        return columns
    return min(columns, int(np.searchsorted(figure.steps, view.until, side="right")))


def series_in(figure: Figure) -> Sequence[Line | Trajectory]:
    """The lines or trajectories of a figure; nothing for figures of another kind."""
    if isinstance(figure, Plane):
        return figure.trajectories
    return figure.lines if isinstance(figure, Curves) else ()


def follows_training(figure: Figure) -> bool:
    """Whether a view that ends at an earlier step leaves of a figure what it was then: of paths and curves through training.

    What shows a single moment, or is drawn over something else, has to be built anew from the history up to that step.
    """
    if isinstance(figure, Plane):
        return any(len(t.x) > 1 for t in figure.trajectories)
    return isinstance(figure, Curves) and any(line.step is not None and len(line.x) > 1 for line in figure.lines)


def hues(series: Sequence[Line | Trajectory]) -> list[int]:
    """A number for the colour of each series: one a group, and one for each series without a group."""
    seen: dict[tuple[str, int], int] = {}
    return [
        seen.setdefault(("group", one.group) if one.group is not None else ("series", i), len(seen))
        for i, one in enumerate(series)
    ]


def runs_of(figure: Figure) -> list[str]:
    """The runs that a figure compares, in the order of their appearance; empty where it shows one."""
    named = [one.run for one in series_in(figure)]
    if isinstance(figure, Heatmap | Histogram):
        named = figure.row_runs if isinstance(figure, Heatmap) else figure.group_runs
    return list(dict.fromkeys(run for run in named if run))


def positions_of(figure: Figure) -> np.ndarray:
    """Where each series stands on the axis ``positions`` of its figure ``(series,)``, NaN where it stands nowhere."""
    return np.array([math.nan if one.position is None else one.position for one in series_in(figure)], np.float64)


def meanings(figure: Figure) -> list[Colour]:
    """What colour can mean in a figure, its own choice first."""
    found: list[Colour] = ["series"]
    if isinstance(figure, Plane):
        found.append("epoch")
    if isinstance(figure, Plane | Curves):
        if figure.positions is not None and np.isfinite(positions_of(figure)).any():
            found.insert(0, "position")
        if len(runs_of(figure)) > 1:
            found.append("run")
    return found


def meaning(figure: Figure, view: View) -> Colour:
    """What colour means in a figure as it is looked at."""
    found = meanings(figure)
    return view.colour if view.colour is not None and view.colour in found else found[0]


def smoothed(values: np.ndarray, width: int) -> np.ndarray:
    """The running mean over ``width`` neighbours, of those that are finite; what is not finite stays as it is."""
    if width <= 1 or not len(values):
        return values
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore", over="ignore"):
        total = _running_sum(np.where(finite, values, 0.0), width)
        count = _running_sum(finite.astype(np.float64), width)
        return np.where(finite, total / np.maximum(np.rint(count), 1.0), values)


def _running_sum(values: np.ndarray, width: int) -> np.ndarray:
    width = min(width, 2 * len(values) - 1)
    start = (width - 1) // 2
    return np.convolve(values, np.ones(width), "full")[start : start + len(values)]


def log_part(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Where values lie between ``low`` and ``high`` on a logarithmic scale, from 0 to 1; 0 for what is not positive."""
    if not 0 < low < high:
        return np.ones(values.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        part = np.log(np.maximum(values, low) / low) / np.log(high / low)
    return np.clip(np.nan_to_num(part), 0.0, 1.0)


def positive_range(values: np.ndarray) -> tuple[float, float]:
    """The least and the largest positive finite value; zeros where there is none."""
    kept = values[np.isfinite(values) & (values > 0)]
    return (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)


def linked(steps: Sequence[np.ndarray]) -> list[float]:
    """About ``LINKS`` of all steps, spaced as the measurements are, with the first and the last."""
    every = np.unique(np.concatenate(steps)) if steps else np.zeros(0)
    if not len(every):
        return []
    kept = np.unique(np.rint(np.linspace(0, len(every) - 1, min(LINKS, len(every)))).astype(np.intp))
    return every[kept].tolist()


def short_labels(labels: Sequence[str], width: int = 2) -> list[str]:
    """A mark of at most ``width`` characters for each label: what tells them apart, else their numbers."""
    marks = list(labels)
    if len(labels) > 1:
        common = 0
        while all(len(label) > common and label[common] == labels[0][common] for label in labels):
            common += 1
        while common and labels[0][common - 1].isdigit():
            common -= 1
        marks = [label[common:].strip(" _-.:/") for label in labels]
    if all(0 < len(mark) <= width for mark in marks) and len(set(marks)) == len(marks):
        return marks
    return [str(i + 1) for i in range(len(labels))]


def shorten(text: str, width: int) -> str:
    """``text`` cut to ``width`` characters, the last one ``…`` where something was cut."""
    if len(text) <= width:
        return text
    return text[: width - 1] + "…" if width > 0 else ""


def number(value: float, digits: int = 4) -> str:
    """A value for people: few digits, a dash where there is none."""
    return f"{value:.{digits}g}" if math.isfinite(value) else "–"


def common_hues(runs: Iterable[Sequence[Line | Trajectory]]) -> list[list[int]]:
    """Numbers for the colours of the series of several runs: as ``hues``, and the same for the same label in all of them."""
    labels: dict[str, int] = {}
    groups: dict[Hashable, int] = {}
    out: list[list[int]] = []
    new = 0
    for run, series in enumerate(runs):
        out.append([])
        for one in series:
            group = (run, "alone", len(groups)) if one.group is None else (run, one.group)
            hue = labels.get(one.label, groups.get(group, new))
            labels.setdefault(one.label, hue)
            groups.setdefault(group, hue)
            new += hue == new
            out[-1].append(hue)
    return out


def marks_of(figure: Figure) -> list[str]:
    """The short mark of each series: equal labels of several runs have the same."""
    labels = list(dict.fromkeys(one.label for one in series_in(figure)))
    marks = dict(zip(labels, short_labels(labels), strict=True))
    return [marks[one.label] for one in series_in(figure)]
