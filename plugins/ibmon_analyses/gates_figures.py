"""Figures of gates, on a screen of their own. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ibmon import Axis, Curves, Figure, Heatmap, Histogram, History, Line, Reference, Series, Table

from .moments import columns, ends, training
from .naming import ending, how, slug, where

_SCREEN = "gates"
_UNIT = Axis(label="unit")
_EDGES = np.linspace(-1, 1, 21)
_BEYOND = (-0.5, 0.5)
_SIDES = ("shared gates", "opposed gates")


def figures(history: History) -> list[Figure]:
    """The gates of single samples, word by word, of the newest network; how those of two tasks correlate, now and through
    training, and how many do so by chance; the mean gate of each unit; open gates by the class of the word.

    The first of all is important, and so is the histogram of correlations.
    """
    drawn: list[Figure] = []
    drawn += [_phrase(s) for s in _by_sample(history.select("gate", job=_SCREEN))]
    for correlation in history.select("gate correlation", job=_SCREEN):
        drawn += _correlations(history, correlation)
    drawn += _means(history.select("mean gate", job=_SCREEN))
    for opened in history.select("open gates", job=_SCREEN):
        drawn += _by_class(history, opened)
    return [replace(drawn[0], important=True), *drawn[1:]] if drawn else []


def _by_sample(phrases: list[Series]) -> list[Series]:
    """The gates of all tasks at a sample beside each other, as in the paper."""
    return sorted(phrases, key=lambda s: (s.job, s.evaluation, int(s.subject["sample"])))


def _phrase(series: Series) -> Heatmap:
    task, sample = series.subject["task"], series.subject["sample"]
    row, moment = ends(series)[-1]
    return Heatmap(
        name=f"gates-sample-{sample}-{slug(task)}{ending(series)}",
        title=f"gates of {task}, sample {sample}{where(series)}",
        screen=_SCREEN,
        note=how(series, moment),
        values=series.value[row],
        x=_UNIT,
        row_labels=tuple(str(word) for word in series.axes["word"]),
        column_labels=_units(series),
        value_label="gate",
        limits=(0.0, 1.0),
        centre=0.5,
    )


def _correlations(history: History, series: Series) -> Iterator[Figure]:
    names = f"{slug(series.subject['task'])}-{slug(series.subject['other'])}{ending(series)}"
    tasks = f"{series.subject['task']} and {series.subject['other']}"
    found = {
        s.quantity: s for s in history.select(evaluation=series.evaluation, job=_SCREEN, **series.subject) if s.job == series.job
    }
    row, moment = ends(series)[-1]
    newest = series.value[row][np.isfinite(series.value[row])]
    yield Histogram(
        name=f"gate-correlations-{names}",
        title=f"correlation of the gates of {tasks}{where(series)}",
        screen=_SCREEN,
        important=True,
        note=how(series, moment, *_counted(found, len(newest))),
        edges=_EDGES,
        counts=np.histogram(newest, _EDGES)[0][None],
        labels=("units",),
        x=Axis(label="Pearson's r", limits=(-1.0, 1.0)),
        y=Axis(label="units"),
        references=tuple(Reference(axis="x", value=value) for value in _BEYOND),
    )
    x, labels = columns(series)
    yield Heatmap(
        name=f"gate-correlation-{names}",
        title=f"correlation of the gates of {tasks}, through training{where(series)}",
        screen=_SCREEN,
        note=how(series, "empty where a gate does not move"),
        values=series.value.T,
        x=x,
        y=_UNIT,
        row_labels=_units(series),
        column_labels=labels,
        value_label="Pearson's r",
        limits=(-1.0, 1.0),
        steps=series.step,
        centre=0.0,
    )
    lines = [line for group, side in enumerate(_SIDES) for line in _counts(found, side, group)]
    if lines:
        yield Curves(
            name=f"gate-counts-{names}",
            title=f"units whose gates of {tasks} correlate{where(series)}",
            screen=_SCREEN,
            note=how(series, "shared: r > .5, opposed: r < −.5; dashed: mismatched units, with 95 %"),
            x=training(series)[0],
            y=Axis(label="units", limits=(0.0, None)),
            lines=tuple(lines),
        )


def _counted(found: dict[str, Series], units: int) -> list[str]:
    """What was counted of the newest network, and what mismatched units give, in words."""
    words: list[str] = [] if units else ["no gate moves"]
    for side, sign in zip(_SIDES, ("r > .5", "r < −.5"), strict=True):
        if side in found and f"{side} by chance" in found:
            counted, chance = found[side], found[f"{side} by chance"]
            expected, low, high = chance.value[-1], chance.lower[-1], chance.upper[-1]
            words.append(f"{counted.value[-1]:.0f} of {units} {sign}, by chance {expected:.1f} ({low:.0f}–{high:.0f})")
    return words


def _counts(found: dict[str, Series], side: str, group: int) -> Iterator[Line]:
    if side not in found:
        return
    counted, chance = found[side], found.get(f"{side} by chance")
    yield Line(label=side, x=training(counted)[1], y=counted.value, step=counted.step, details=counted.details, group=group)
    if chance is not None:
        x = training(chance)[1]
        yield Line(
            label=f"{side} by chance",
            x=x,
            y=chance.value,
            lower=chance.lower,
            upper=chance.upper,
            step=chance.step,
            group=group,
            dashed=True,
            unnamed=True,
        )


def _means(means: list[Series]) -> Iterator[Heatmap]:
    """All tasks with as many units as rows of one matrix."""
    groups: dict[tuple[str, str, int], list[Series]] = {}
    for series in means:
        groups.setdefault((series.job, series.evaluation, series.value.shape[1]), []).append(series)
    for each in groups.values():
        first = each[0]
        yield Heatmap(
            name=f"mean-gates{ending(first)}",
            title=f"mean gate of each unit{where(first)}",
            screen=_SCREEN,
            note=how(first, ends(first)[-1][1], "over all words"),
            single=True,
            values=np.stack([s.value[-1] for s in each]),
            x=_UNIT,
            row_labels=tuple(s.subject["task"] for s in each),
            column_labels=_units(first),
            value_label="mean gate",
            limits=(0.0, 1.0),
            centre=0.5,
        )


def _by_class(history: History, opened: Series) -> Iterator[Figure]:
    task = opened.subject["task"]
    shown = ends(opened)
    labels = tuple(str(name) for name in opened.axes["class"])
    yield Heatmap(
        name=f"open-gates-{slug(task)}{ending(opened)}",
        title=f"open gates by the class of {task}{where(opened)}",
        screen=_SCREEN,
        note=how(opened, shown[-1][1], "share of the words at which a gate is above .5"),
        single=True,
        values=opened.value[-1],
        x=_UNIT,
        row_labels=labels,
        column_labels=_units(opened),
        value_label="share of words",
        limits=(0.0, 1.0),
    )
    words = [
        s
        for s in history.select("words", job=_SCREEN, evaluation=opened.evaluation, task=task)
        if s.axes["class"] == opened.axes["class"]
    ]
    counts = [f"{count:.0f}" for count in words[0].value[-1]] if words else [""] * len(labels)
    units = opened.value.shape[2]
    yield Table(
        name=f"open-gates-table-{slug(task)}{ending(opened)}",
        title=f"open gates by the class of {task}{where(opened)}",
        screen=_SCREEN,
        note=how(opened, f"how many of {units} gates are above .5 at a word, in the mean"),
        columns=("class", "words", *(moment for _, moment in shown)),
        rows=tuple(
            (label, count, *(f"{opened.value[row, k].sum():.3g}" for row, _ in shown))
            for k, (label, count) in enumerate(zip(labels, counts, strict=True))
        ),
    )


def _units(series: Series) -> tuple[str, ...]:
    return tuple(str(unit) for unit in series.axes["unit"])
