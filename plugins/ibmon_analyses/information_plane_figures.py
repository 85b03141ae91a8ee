"""Figures of the information plane. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ibmon import Axis, Figure, History, Plane, Reference, Series, Trajectory

from .compression_figures import verdicts
from .information_plane_curves import flag_names, raised, through_training
from .naming import named_set, slug

Pair = tuple[Series, Series]
"""I(X;T) and I(T;Y) of a layer."""
_ANALYSIS = "information-plane"
_IN_NAMES = {"channels=mean": "mean"}
_IN_WORDS = {"channels=mean": "mean over channels"}
_MOST_NAMED = 6
"""Layers that a note names one by one."""


@dataclass(frozen=True, slots=True)
class _Combination:
    """What a plane is drawn for. ``way`` are the options of the analysis, as they were asked for."""

    evaluation: str
    estimator: str
    task: str
    way: tuple[str, ...]

    @property
    def kind(self) -> _Combination:
        """The combination without the parameters of its estimator."""
        return replace(self, estimator=self.estimator.partition(":")[0])

    @property
    def words(self) -> list[str]:
        return [_IN_WORDS.get(option, option) for option in self.way]


def figures(history: History) -> list[Figure]:
    """One plane for each evaluation set, estimator, task and way of the analysis, and I(X;T), I(T;Y) through training.

    The first plane is important. After all of them come what can be claimed of compression and, where there are bounds, the
    untrained and the newest network alone.
    """
    combinations = _combinations(history)
    drawn: list[Figure] = []
    alone: list[Figure] = []
    for number, c in enumerate(combinations):
        parts = [c.kind.estimator, *named_set(c.evaluation), *([c.task] if c.task else [])]
        parts += [_IN_NAMES.get(option, option) for option in c.way]
        same = sum(other.kind == c.kind for other in combinations[:number])
        suffix = slug("-".join(parts) + (f"-{same + 1}" if same else ""))
        pairs = _pairs(history, c)
        own = _of(history, c, pairs, suffix, important=number == 0)
        drawn += own
        alone += [end for figure in own if isinstance(figure, Plane) for end in _ends_of_training(figure, c, pairs)]
    return [*drawn, *verdicts(history), *alone]


def _combinations(history: History) -> list[_Combination]:
    """In the order of their appearance."""
    measured = history.select("I(T;Y)", job=_ANALYSIS)
    found = (_Combination(s.evaluation, s.estimator, s.subject.get("task", ""), _way(s)) for s in measured)
    return list(dict.fromkeys(found))


def _way(series: Series) -> tuple[str, ...]:
    """The options in the name of the job, which reads analysis:option=value,.../estimator:option=value,..."""
    return tuple(option for option in series.job.partition("/")[0].partition(":")[2].split(",") if option)


def _pairs(history: History, c: _Combination) -> list[Pair]:
    """The layers of which both quantities are measured."""

    def select(quantity: str, **subject: str) -> list[Series]:
        found = history.select(quantity, job=_ANALYSIS, evaluation=c.evaluation, estimator=c.estimator, **subject)
        return [s for s in found if _way(s) == c.way]

    about_y = {s.subject["layer"]: s for s in select("I(T;Y)", **_subject(c))}
    return [(x, about_y[x.subject["layer"]]) for x in select("I(X;T)") if x.subject["layer"] in about_y]


def _subject(c: _Combination) -> dict[str, str]:
    return {"task": c.task} if c.task else {}


def _of(history: History, c: _Combination, pairs: Sequence[Pair], suffix: str, *, important: bool) -> list[Figure]:
    """A plane and its two quantities through training; without I(X;T) where the estimator cannot measure it."""
    where = ", ".join(["" if c.evaluation in ("", "all") else f" on {c.evaluation}", *c.words])
    of_task = f" of {c.task}" if c.task else ""
    note = "; ".join([c.estimator, *c.words])
    about_x = through_training(
        "I(X;T)",
        [x for x, _ in pairs],
        name=f"information-ixt-{suffix}",
        title=f"I(X;T) through training{where}",
        note=note,
    )
    about_y = through_training(
        "I(T;Y)",
        [y for _, y in pairs],
        name=f"information-ity-{suffix}",
        title=f"I(T;Y) through training{of_task}{where}",
        note=note,
    )
    if pairs and all(raised(x, "deterministic").all() for x, _ in pairs):
        return [replace(about_y, important=important)]
    unit = next((x.unit for x, _ in pairs), "bits")
    references = [*_ends(history, c.evaluation, "x", "H(X)", {}), *_ends(history, c.evaluation, "y", "H(Y)", _subject(c))]
    plane = Plane(
        name=f"information-plane-{suffix}",
        title=f"information plane{of_task}{where}",
        screen="plane",
        important=important,
        note="; ".join([note, *_broken(pairs, max((int(step) for x, _ in pairs for step in x.step[-1:]), default=0))]),
        x=Axis(label=f"I(X;T) [{unit}]", limits=(0.0, None)),
        y=Axis(label=f"I(T;Y) [{unit}]", limits=(0.0, None)),
        trajectories=tuple(t for x, y in pairs for t in _trajectories(x, y)),
        references=tuple(r for r in references if unit == "bits"),  # entropies of another kind end elsewhere
    )
    return [plane, about_x, about_y]


def _ends(
    history: History, evaluation: str, axis: Literal["x", "y"], quantity: str, subject: Mapping[str, str]
) -> Iterator[Reference]:
    """The end of an axis: what no layer can exceed."""
    for series in history.select(quantity, job=_ANALYSIS, evaluation=evaluation, **subject)[:1]:
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
        flags = flag_names([(x, in_x), (y, in_y)])
        saturated = raised(x, "saturated")[index_x] | raised(y, "label_saturated")[index_y]

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


def _ends_of_training(plane: Plane, c: _Combination, pairs: Sequence[Pair]) -> Iterator[Plane]:
    """The plane of the first and of the newest network alone, so that their bounds can be seen."""
    bounds = [bound for t in plane.trajectories for bound in (t.x_lower, t.x_upper, t.y_lower, t.y_upper) if bound is not None]
    steps = sorted({int(step) for t in plane.trajectories for step in t.step})
    if len(steps) < 2 or not any(np.isfinite(bound).any() for bound in bounds):
        return
    for step, name in ((steps[0], "first"), (steps[-1], "last")):
        trajectories = tuple(_only(t, t.step == step) for t in plane.trajectories)
        epoch = max(float(t.epoch[0]) for t in trajectories if len(t.epoch))
        when = "untrained" if step == 0 else f"epoch {epoch:g}" if np.isfinite(epoch) else f"step {step}"
        yield replace(
            plane,
            name=f"{plane.name}-{name}",
            title=f"{plane.title}, {when}",
            important=False,
            note="; ".join([c.estimator, *c.words, *_broken(pairs, step)]),
            trajectories=trajectories,
        )


def _only(t: Trajectory, kept: np.ndarray) -> Trajectory:
    """The points ``kept`` (boolean) of a trajectory."""

    def of(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[kept]

    return replace(
        t,
        x=t.x[kept],
        y=t.y[kept],
        step=t.step[kept],
        epoch=t.epoch[kept],
        x_lower=of(t.x_lower),
        x_upper=of(t.x_upper),
        y_lower=of(t.y_lower),
        y_upper=of(t.y_upper),
        hollow=of(t.hollow),
        flags=tuple(t.flags[k] for k in np.flatnonzero(kept).tolist()),
        x_details={name: detail[kept] for name, detail in t.x_details.items()},
        y_details={name: detail[kept] for name, detail in t.y_details.items()},
        members_x=of(t.members_x),
        members_y=of(t.members_y),
    )


def _broken(pairs: Sequence[Pair], step: int) -> list[str]:
    """In words which layers break the order of data processing at a step, in most of the networks where there are several."""
    layers = [pair[0].subject["layer"] for pair in pairs if any(_breaks(series, step) for series in pair)]
    if not layers:
        return []
    return [f"order of data processing broken by {', '.join(layers) if len(layers) <= _MOST_NAMED else f'{len(layers)} layers'}"]


def _breaks(series: Series, step: int) -> bool:
    flagged = raised(series, "order")[series.step == step]
    return bool(flagged.size) and float(flagged.mean()) > 0.5
