"""Figures of what a classifier takes for what, on a screen of their own. No torch: the terminal and the exports call this."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ibmon import Axis, Curves, Figure, Heatmap, History, Line, Series, Table

from .moments import ends, training
from .naming import ending, how, slug, where

_SCREEN = "confusion"
_LEAST = 0.005
"""Share of a class below which what it is taken for is not told."""


def figures(history: History) -> list[Figure]:
    """For each task and evaluation set the confusion matrix of the newest network as shares of its rows, and a table of the
    classes; accuracy and macro F1 of all tasks through training."""
    drawn = [figure for matrix in history.select("confusion", job=_SCREEN) for figure in _of(history, matrix)]
    for quantity in ("accuracy", "macro F1"):
        groups: dict[tuple[str, str], list[Series]] = {}
        for series in history.select(quantity, job=_SCREEN):
            groups.setdefault((series.job, series.evaluation), []).append(series)
        drawn += [_through_training(quantity, each) for each in groups.values()]
    return drawn


def _of(history: History, matrix: Series) -> Iterator[Figure]:
    task = matrix.subject["task"]
    named = f"{slug(task)}{ending(matrix)}"
    beside = {
        s.quantity: s.value[-1]
        for s in history.select(evaluation=matrix.evaluation, job=_SCREEN, task=task)
        if s.job == matrix.job and tuple(s.axes) == ("class",)
    }
    counts = beside["tokens"]
    shares = matrix.value[-1] / counts[:, None]
    names = tuple(str(name) for name in matrix.axes["class"])
    moment = ends(matrix)[-1][1]
    yield Heatmap(
        name=f"confusion-{named}",
        title=f"confusion of {task}{where(matrix)}",
        screen=_SCREEN,
        note=how(matrix, moment, "rows: the class, columns: the prediction"),
        values=shares,
        x=Axis(label="predicted"),
        y=Axis(label="class"),
        row_labels=names,
        column_labels=names,
        value_label="share of the class",
        limits=(0.0, 1.0),
    )
    yield Table(
        name=f"confusion-classes-{named}",
        title=f"classes of {task}{where(matrix)}",
        screen=_SCREEN,
        note=how(matrix, moment),
        columns=("class", "tokens", "precision", "recall", "F1", "most often taken for"),
        rows=tuple(
            (
                name,
                f"{counts[k]:.0f}",
                *(_cell(beside[quantity][k]) for quantity in ("precision", "recall", "F1")),
                _taken_for(shares, k, names),
            )
            for k, name in enumerate(names)
        ),
    )


def _cell(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _taken_for(shares: np.ndarray, row: int, names: tuple[str, ...]) -> str:
    wrong = np.where(np.arange(len(names)) == row, -1.0, shares[row])
    most = int(np.argmax(wrong))
    return f"{names[most]} ({wrong[most]:.2f})" if wrong[most] >= _LEAST else ""


def _through_training(quantity: str, tasks: list[Series]) -> Curves:
    first = tasks[0]
    return Curves(
        name=f"confusion-{slug(quantity)}{ending(first)}",
        title=f"{quantity}{where(first)}",
        screen=_SCREEN,
        note=how(first),
        x=training(first)[0],
        y=Axis(label=quantity, limits=(0.0, 1.0)),
        lines=tuple(Line(label=s.subject["task"], x=training(s)[1], y=s.value, step=s.step) for s in tasks),
    )
