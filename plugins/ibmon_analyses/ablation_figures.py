"""Figures of ablation, on a screen of their own. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Series

from .moments import ends, training
from .naming import ending, how, slug, where

_SCREEN = "ablation"
_RANDOM = "random"


def figures(history: History) -> list[Figure]:
    """For each task and evaluation set the accuracy and the mean recall of the newest network with only some units kept, and with
    some removed, over how many; and how many of its units a task needs, through training. The first of all is important.
    """
    pairs = [(score, done) for score in ("accuracy", "mean recall") for done in ("kept", "removed")]
    drawn = [figure for score, done in pairs for figure in _over_units(history, score, done)]
    groups: dict[tuple[str, str], list[Series]] = {}
    for series in history.select("units needed", job=_SCREEN):
        groups.setdefault((series.job, series.evaluation), []).append(series)
    for each in groups.values():
        first = each[0]
        drawn.append(
            Curves(
                name=f"ablation-needed{ending(first)}",
                title=f"units that a task needs{where(first)}",
                screen=_SCREEN,
                note=how(first, "its most informative ones, for 95 % of the mean recall that all of them add"),
                x=training(first)[0],
                y=Axis(label="units", limits=(0.0, None)),
                lines=tuple(Line(label=s.subject["task"], x=training(s)[1], y=s.value, step=s.step) for s in each),
            )
        )
    return [replace(drawn[0], important=True), *drawn[1:]] if drawn else []


def _over_units(history: History, score: str, done: str) -> Iterator[Curves]:
    """A figure for each task: a curve for the units of each task, and one for random ones."""
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for series in history.select(f"{score} with units {done}", job=_SCREEN):
        groups.setdefault((series.job, series.evaluation, series.subject["task"]), []).append(series)
    for (_, _, task), each in groups.items():
        first = each[0]
        yield Curves(
            name=f"ablation-{slug(score)}-{done}-{slug(task)}{ending(first)}",
            title=f"{score} of {task} with {'only some units' if done == 'kept' else 'some units removed'}{where(first)}",
            screen=_SCREEN,
            note=how(first, ends(first)[-1][1], "the most informative units of a task; random ones: mean, least and largest"),
            x=Axis(label=f"units {done} (0 at the left end)", scale="log"),
            y=Axis(label=score, limits=(0.0, 1.0)),
            lines=tuple(_line(series) for series in each),
        )


def _line(series: Series) -> Line:
    levels = np.asarray(series.axes["units"], np.float64)
    by = series.subject["by"]
    random = by == _RANDOM
    return Line(
        label=f"{by} units" if random else f"units of {by}",
        x=np.where(levels > 0, levels, 0.5),  # no units have no place on a logarithmic axis
        y=series.value[-1],
        lower=series.lower[-1] if random else None,
        upper=series.upper[-1] if random else None,
        dashed=random,
    )
