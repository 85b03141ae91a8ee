"""Figures of what single units tell about tasks, on a screen of their own. No torch: the terminal and the exports call this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from ibmon import Axis, Curves, Figure, Heatmap, History, Line, Plane, Series, Table, Trajectory

from .moments import columns, ends, training
from .naming import ending, how, slug, where

_SCREEN = "task-neurons"
_UNIT = Axis(label="unit")
_SHARE = "(I − null) / H(Y)"
_BEST = 5
"""Units in a row of the table."""


def figures(history: History) -> list[Figure]:
    """For each layer, evaluation set and estimator: what every unit of the newest network tells about every task, less the null
    of permuted labels, as a share of H(Y), and the same through training; the units of two tasks against each other, and how
    far their orders agree; the units that tell most about each class. The first of all is important.
    """
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for series in history.select("I(h_i;Y)", job=_SCREEN):
        own = series.subject["layer"].removeprefix(f"{series.subject['task']}.")
        groups.setdefault((series.job, series.evaluation, own), []).append(series)
    drawn = [figure for (_, _, layer), each in groups.items() for figure in _of(history, layer, each)]
    return [replace(drawn[0], important=True), *drawn[1:]] if drawn else []


def _of(history: History, layer: str, units: list[Series]) -> Iterator[Figure]:
    """The figures of one layer, or of those of the tasks that have one each."""
    first = units[0]
    named, of = f"{slug(layer)}{ending(first)}", f"{layer}{where(first)}"
    shares = {s.subject["task"]: _shares(history, s) for s in units}
    if len({share.shape[1] for share in shares.values()}) == 1:
        yield Heatmap(
            name=f"task-neurons-{named}",
            title=f"what units of {of} tell about each task",
            screen=_SCREEN,
            note=how(first, ends(first)[-1][1]),
            single=True,
            values=np.stack([share[-1] for share in shares.values()]),
            x=_UNIT,
            row_labels=tuple(shares),
            column_labels=_units(first),
            value_label=_SHARE,
            limits=(0.0, None),
        )
    for a, b in combinations(units, 2):
        if a.subject["layer"] == b.subject["layer"] and np.array_equal(a.step, b.step):
            yield _plane(a, b, shares, named, of)
            yield from _overlap(history, a, b, named, of)
    for series in units:
        task = series.subject["task"]
        x, labels = columns(series)
        yield Heatmap(
            name=f"task-neurons-{slug(task)}-{named}",
            title=f"what units of {of} tell about {task}, through training",
            screen=_SCREEN,
            note=how(series),
            single=True,
            values=shares[task].T,
            x=x,
            y=_UNIT,
            row_labels=_units(series),
            column_labels=labels,
            value_label=_SHARE,
            limits=(0.0, None),
            steps=series.step,
        )
        yield from _classes(history, series, named, of)


def _shares(history: History, series: Series) -> np.ndarray:
    """Information of units less its null, as a share of the entropy (points, units)."""
    (entropy,) = _beside(history, series, "H(Y)")
    return _less_null(series) / _positive(entropy.value)[:, None]


def _plane(a: Series, b: Series, shares: dict[str, np.ndarray], named: str, of: str) -> Plane:
    """A path for each unit."""
    one, two = a.subject["task"], b.subject["task"]
    return Plane(
        name=f"task-neurons-{slug(one)}-{slug(two)}-{named}",
        title=f"units of {of} between {one} and {two}",
        screen=_SCREEN,
        note=how(a, "a path for each unit"),
        single=True,
        x=Axis(label=f"{_SHARE} of {one}"),
        y=Axis(label=f"{_SHARE} of {two}"),
        trajectories=tuple(
            Trajectory(
                label=unit,
                x=shares[one][:, k],
                y=shares[two][:, k],
                step=a.step,
                epoch=a.epoch,
                estimator=a.estimator,
                flags=_flags(a, b, k),
                position=float(k),
            )
            for k, unit in enumerate(_units(a))
        ),
        positions=_UNIT,
    )


def _overlap(history: History, a: Series, b: Series, named: str, of: str) -> Iterator[Curves]:
    one, two = a.subject["task"], b.subject["task"]
    pair = f"{slug(one)}-{slug(two)}-{named}"

    def select(quantity: str) -> list[Series]:
        found = history.select(quantity, evaluation=a.evaluation, layer=a.subject["layer"], task=one, other=two)
        return [s for s in found if s.job == a.job]

    for series in select("rank correlation"):
        x, at = training(series)
        yield Curves(
            name=f"task-neurons-rank-{pair}",
            title=f"do {one} and {two} rank the units of {of} alike?",
            screen=_SCREEN,
            note=how(series),
            x=x,
            y=Axis(label="Spearman's ρ", limits=(-1.0, 1.0)),
            lines=(_line(series, f"{one} and {two}", at),),
        )
    for series in select("shared units"):
        x, at = training(series)
        chance = select("shared units by chance")
        lines = [_line(series, f"{one} and {two}", at), *(_line(s, "by chance", training(s)[1]) for s in chance)]
        yield Curves(
            name=f"task-neurons-shared-{pair}",
            title=f"units of {of} among the most informative of both {one} and {two}",
            screen=_SCREEN,
            note=how(series, "by chance: of random units, with 95 %"),
            x=x,
            y=Axis(label="units", limits=(0.0, None)),
            lines=tuple(lines),
        )


def _line(series: Series, label: str, x: np.ndarray) -> Line:
    banded = bool(np.isfinite(series.lower).any())
    lower, upper = (series.lower, series.upper) if banded else (None, None)
    return Line(
        label=label,
        x=x,
        y=series.value,
        lower=lower,
        upper=upper,
        step=series.step,
        estimator=series.estimator,
        details=series.details,
        dashed=banded,
    )


def _classes(history: History, series: Series, named: str, of: str) -> Iterator[Table]:
    task = series.subject["task"]
    for found in _beside(history, series, "I(h_i;class)"):
        (entropies,), (counts,) = (_beside(history, found, quantity) for quantity in ("H(class)", "tokens"))
        shares = _less_null(found)[-1] / _positive(entropies.value[-1])[:, None]
        units = _units(series)
        rows: list[tuple[str, ...]] = []
        for k, name in enumerate(found.axes["class"]):
            best = np.argsort(np.where(np.isfinite(shares[k]), -shares[k], np.inf), kind="stable")[:_BEST]
            told = ", ".join(f"{units[unit]} ({shares[k, unit]:.2f})" for unit in best.tolist())
            rows.append((str(name), f"{counts.value[-1, k]:.0f}", f"{entropies.value[-1, k]:.3g}", told))
        yield Table(
            name=f"task-neurons-classes-{slug(task)}-{named}",
            title=f"units of {of} that tell most about each class of {task}",
            screen=_SCREEN,
            note=how(series, ends(series)[-1][1], "in brackets (I − null) / H, of the class or another"),
            columns=("class", "tokens", "H [bits]", "units"),
            rows=tuple(rows),
        )


def _beside(history: History, series: Series, quantity: str) -> list[Series]:
    """Another quantity of the same job, evaluation set, layer and task."""
    found = history.select(quantity, evaluation=series.evaluation, layer=series.subject["layer"], task=series.subject["task"])
    return [s for s in found if s.job == series.job and np.array_equal(s.step, series.step)][:1]


def _less_null(series: Series) -> np.ndarray:
    raw = series.details.get("raw", series.value)
    return raw - series.details.get("null", np.zeros_like(raw))


def _positive(entropy: np.ndarray) -> np.ndarray:
    return np.where(entropy > 0, entropy, np.nan)


def _flags(a: Series, b: Series, unit: int) -> tuple[tuple[str, ...], ...]:
    """At each point the names of the flags that either estimate raises."""
    raised = [(name, flag[:, unit]) for series in (a, b) for name, flag in series.flags.items()]
    return tuple(tuple(dict.fromkeys(name for name, flag in raised if flag[row])) for row in range(len(a.step)))


def _units(series: Series) -> tuple[str, ...]:
    return tuple(str(unit) for unit in series.axes["unit"])
