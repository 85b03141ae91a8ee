"""Figures of the information plane. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Plane, Reference, Series, Trajectory


def figures(history: History) -> list[Figure]:
    """One plane for each evaluation set, estimator and task, the first of them important, and I(X;T), I(T;Y) through training."""
    combinations = list(_combinations(history))
    many_sets = len({c[0] for c in combinations}) > 1
    many_tasks = len({c[2] for c in combinations}) > 1
    drawn: list[Figure] = []
    for number, (evaluation, estimator, task) in enumerate(combinations):
        parts = [estimator.partition(":")[0], *([evaluation] if many_sets else []), *([task] if many_tasks else [])]
        same = [c for c in combinations[:number] if c[0] == evaluation and c[2] == task and c[1].partition(":")[0] == parts[0]]
        suffix = "-".join(parts) + (f"-{len(same) + 1}" if same else "")
        drawn += _of(history, evaluation, estimator, task, _slug(suffix), first=number == 0)
    return drawn


def _combinations(history: History) -> Iterator[tuple[str, str, str]]:
    """(evaluation set, estimator, task) in the order of their appearance."""
    seen: set[tuple[str, str, str]] = set()
    for series in history.select("I(T;Y)", job="information-plane"):
        key = (series.evaluation, series.estimator, series.subject.get("task", ""))
        if key not in seen:
            seen.add(key)
            yield key


def _of(history: History, evaluation: str, estimator: str, task: str, suffix: str, *, first: bool) -> list[Figure]:
    """A plane and its two quantities through training; without I(X;T) where the estimator cannot measure it."""
    about_x = history.select("I(X;T)", evaluation=evaluation, estimator=estimator)
    wanted = {"task": task} if task else {}
    about_y = {s.subject["layer"]: s for s in history.select("I(T;Y)", evaluation=evaluation, estimator=estimator, **wanted)}
    pairs = [(x, about_y[x.subject["layer"]]) for x in about_x if x.subject["layer"] in about_y]
    trajectories = [t for x, y in pairs for t in _trajectories(x, y)]
    references = [
        *_ends(history, evaluation, "x", "H(X)", {}),
        *_ends(history, evaluation, "y", "H(Y)", wanted),
    ]
    where = "" if evaluation in ("", "all") else f" on {evaluation}"
    of_task = f" of {task}" if task else ""
    plane = Plane(
        name=f"information-plane-{suffix}",
        title=f"information plane{of_task}{where}",
        screen="plane",
        important=first,
        note=estimator,
        x=Axis(label="I(X;T) [bits]", limits=(0.0, None)),
        y=Axis(label="I(T;Y) [bits]", limits=(0.0, None)),
        trajectories=tuple(trajectories),
        references=tuple(references),
    )
    about_labels = _through_training("I(T;Y)", [y for _, y in pairs], f"ity-{suffix}", estimator, of_task + where)
    if pairs and all(_raised(x, "deterministic").all() for x, _ in pairs):
        return [replace(about_labels, important=first)]
    return [plane, _through_training("I(X;T)", [x for x, _ in pairs], f"ixt-{suffix}", estimator, where), about_labels]


def _ends(
    history: History, evaluation: str, axis: Literal["x", "y"], quantity: str, subject: Mapping[str, str]
) -> Iterator[Reference]:
    """The end of an axis: what no layer can exceed."""
    for series in history.select(quantity, evaluation=evaluation, **subject)[:1]:
        yield Reference(axis=axis, value=float(series.value[-1]), label=quantity)


def _trajectories(x: Series, y: Series) -> Iterator[Trajectory]:
    """A layer's path; with timepoints one path each, with replicas their median and the single networks."""
    steps, in_x, in_y = np.intersect1d(x.step, y.step, return_indices=True)
    if not len(steps):
        return
    axes = list(x.axes)
    points = len(x.axes["time"]) if "time" in axes else 1
    for t in range(points):
        at = [slice(None) if name == "replica" else t for name in axes]
        index_x, index_y = (in_x, *at), (in_y, *at)
        members = "replica" in axes
        flags = _flag_names([(x, in_x), (y, in_y)])
        saturated = _raised(x, "saturated")[index_x] | _raised(y, "label_saturated")[index_y]

        def middle(values: np.ndarray, members: bool = members) -> np.ndarray:
            return np.median(values, axis=1) if members else values

        yield Trajectory(
            label=x.subject["layer"] + (f" t{t}" if points > 1 else ""),
            x=middle(x.value[index_x]),
            y=middle(y.value[index_y]),
            step=steps,
            epoch=x.epoch[in_x],
            x_lower=middle(x.lower[index_x]),
            x_upper=middle(x.upper[index_x]),
            y_lower=middle(y.lower[index_y]),
            y_upper=middle(y.upper[index_y]),
            hollow=saturated.mean(axis=1) > 0.5 if members else saturated,
            flags=flags,
            estimator=x.estimator,
            x_details={name: middle(detail[index_x]) for name, detail in x.details.items()},
            y_details={name: middle(detail[index_y]) for name, detail in y.details.items()},
            members_x=x.value[index_x] if members else None,
            members_y=y.value[index_y] if members else None,
        )


def _raised(series: Series, flag: str) -> np.ndarray:
    return series.flags.get(flag, np.zeros(series.value.shape, dtype=bool))


def _flag_names(parts: Sequence[tuple[Series, np.ndarray]]) -> tuple[tuple[str, ...], ...]:
    """For each point the names of the flags that any of the series raises at its row."""
    names = sorted({name for series, _ in parts for name in series.flags})
    codes = np.zeros(len(parts[0][1]), np.int64)
    for bit, name in enumerate(names):
        for series, rows in parts:
            if name in series.flags:
                codes |= series.flags[name][rows].reshape(len(rows), -1).any(axis=1).astype(np.int64) << bit
    words = {code: tuple(name for bit, name in enumerate(names) if code >> bit & 1) for code in set(codes.tolist())}
    return tuple(map(words.__getitem__, codes.tolist()))


def _through_training(quantity: str, series: list[Series], suffix: str, estimator: str, where: str) -> Curves:
    lines: list[Line] = []
    for group, s in enumerate(series):
        flat = s.value.reshape(len(s.value), -1)
        at = _epochs(s)
        band = (
            (np.percentile(flat, 10, axis=1), np.percentile(flat, 90, axis=1))
            if flat.shape[1] > 1 and len(flat)
            else (None, None)
        )
        value = _middle(s.value)
        lines.append(
            Line(
                label=s.subject.get("layer", s.label),
                x=at,
                y=value,
                lower=band[0],
                upper=band[1],
                step=s.step,
                estimator=estimator,
                flags=_flag_names([(s, np.arange(len(at)))]),
                details={name: _middle(detail) for name, detail in s.details.items()},
                group=group,
            )
        )
        if "null" in s.details:
            null = _middle(s.details["null"])
            label = f"{lines[-1].label} null"
            lines.append(
                Line(label=label, x=at, y=null, step=s.step, estimator=estimator, dashed=True, group=group, unnamed=True)
            )
    unit = "epoch" if series and np.isfinite(series[0].epoch).any() else "step"
    return Curves(
        name=f"information-{suffix}",
        title=f"{quantity} through training{where}",
        screen="plane",
        note=estimator + ("; dashed: with permuted labels" if any(line.dashed for line in lines) else ""),
        x=Axis(label=unit, scale="log"),
        y=Axis(label=f"{quantity} [bits]", limits=(0.0, None)),
        lines=tuple(lines),
    )


def _middle(values: np.ndarray) -> np.ndarray:
    """The median over the axes of a series (points,)."""
    flat = values.reshape(len(values), -1)
    return np.median(flat, axis=1) if flat.shape[1] > 1 else flat[:, 0]


def _epochs(series: Series) -> np.ndarray:
    """Epochs where the training has them, else steps; the untrained network is drawn half a step before the first."""
    at = series.epoch if np.isfinite(series.epoch).any() else series.step.astype(float)
    return np.where(at <= 0, 0.5, at)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "all"
