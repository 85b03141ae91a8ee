"""Figures of layers with a time axis, on the screen "timepoints". No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ibmon import Axis, Curves, Figure, Heatmap, History, Line, Plane, Reference, Series

from .information_plane_curves import raised
from .naming import named_set, slug
from .timepoints_paths import by_time, flags_by_time, middle, paths, times_of

_SCREEN = "timepoints"
_TIME = Axis(label="timepoint")
_PREDICTED = "I(X;H_t) predicted by padding"
_TITLES = {
    "I(X;H_t)": "timepoints",
    "I(X_t;H_t)": "timepoints and their inputs",
    "I(H_t;H_{t-1})": "between timepoints",
}


@dataclass(frozen=True, slots=True)
class _Combination:
    """What one group of figures is of: a layer on an evaluation set, as one job measured it."""

    evaluation: str
    job: str
    layer: str

    @property
    def estimator(self) -> str:
        return self.job.partition("/")[2]

    @property
    def way(self) -> tuple[str, ...]:
        """The options in the name of the job, which reads analysis:option=value,.../estimator:option=value,..."""
        return tuple(option for option in self.job.partition("/")[0].partition(":")[2].split(",") if option)

    @property
    def kind(self) -> _Combination:
        """The combination without the parameters of its estimator."""
        return replace(self, job=self.job.partition("/")[0] + "/" + self.estimator.partition(":")[0])


def figures(history: History) -> list[Figure]:
    """For each layer, evaluation set, estimator and way of the analysis: planes with a path for each timepoint, maps of I(X;H_t)
    and I(H_t;Y) over timepoints and training, and the newest network's curves over time.

    The first of all is important. What an estimator cannot tell is not drawn.
    """
    return _drawn(history, "timepoints")


def continuous(history: History) -> list[Figure]:
    """The figures of ``timepoints-continuous``."""
    return _drawn(history, "timepoints-continuous")


def _drawn(history: History, analysis: str) -> list[Figure]:
    every = [s for s in history.select(job=analysis) if "time" in s.axes and "layer" in s.subject]
    combinations = list(dict.fromkeys(_Combination(s.evaluation, s.job, s.subject["layer"]) for s in every))
    drawn: list[Figure] = []
    for number, c in enumerate(combinations):
        parts = [c.kind.estimator, c.layer, *named_set(c.evaluation), *c.way]
        same = sum(other.kind == c.kind for other in combinations[:number])
        suffix = slug("-".join(parts) + (f"-{same + 1}" if same else ""))
        own = [s for s in every if (s.evaluation, s.job, s.subject["layer"]) == (c.evaluation, c.job, c.layer)]
        drawn += _of(history, c, own, suffix)
    return [replace(drawn[0], important=True), *drawn[1:]] if drawn else []


def _of(history: History, c: _Combination, own: Sequence[Series], suffix: str) -> Iterator[Figure]:
    """The figures of one layer, from the series ``own`` of its job."""
    measured = {s.quantity: s for s in own if "task" not in s.subject}
    about_y = [s for s in own if s.quantity == "I(H_t;Y)"]
    whole = measured.get("I(X;H_t)")
    if whole is not None and raised(whole, "deterministic").all():
        whole = None  # it would be of the evaluation set and not of the layer
    where = f"{c.layer}{'' if c.evaluation in ('', 'all') else f' on {c.evaluation}'}"
    note = "; ".join([c.estimator, *c.way])
    about_x = {"plane": whole, "inputs": measured.get("I(X_t;H_t)")}
    for x, name, y in [(x, name, y) for name, x in about_x.items() if x is not None for y in about_y]:
        yield _plane(x, y, f"timepoints-{name}-{suffix}{_task(y)}", where, note, _entropies(history, c, y))
    before, after = measured.get("I(H_t;H_{t-1})"), measured.get("I(H_t;H_{t+1})")
    if before is not None and after is not None:
        yield _plane(before, after, f"timepoints-between-{suffix}", where, note)
    if whole is not None:
        yield _map(whole, f"timepoints-ixt-{suffix}", f"I(X;H_t) of {where}", note)
    for y in about_y:
        yield _map(y, f"timepoints-ity-{suffix}{_task(y)}", f"I(H_t;Y){_of_task(y)} of {where}", note)
    known = [s for s in (*about_x.values(), before) if s is not None]
    if known:
        samples = measured.get("samples")
        yield _about_inputs(known, samples, measured.get(_PREDICTED), f"timepoints-now-x-{suffix}", where, note)
    if about_y:
        ends = [end for y in about_y for end in _entropies(history, c, y)]
        yield _about_labels(about_y, f"timepoints-now-y-{suffix}", where, note, ends)


def _plane(x: Series, y: Series, name: str, where: str, note: str, references: Sequence[Reference] = ()) -> Plane:
    """A path for each timepoint, coloured by it."""
    return Plane(
        name=name,
        title=f"{_TITLES[x.quantity]}{_of_task(y)}, {where}",
        screen=_SCREEN,
        note=note,
        x=Axis(label=f"{x.quantity} [{x.unit}]", limits=(0.0, None)),
        y=Axis(label=f"{y.quantity} [{y.unit}]", limits=(0.0, None)),
        trajectories=paths(x, y),
        references=tuple(references),
        positions=_TIME,
    )


def _map(series: Series, name: str, title: str, note: str) -> Heatmap:
    """Timepoints (rows) by snapshots (columns); less the null, where there is one."""
    values = by_time(series, series.value)
    null = series.details.get("null")
    if null is not None:
        values = values - by_time(series, null)
    by_epoch = bool(np.isfinite(series.epoch).any())
    return Heatmap(
        name=name,
        title=title,
        screen=_SCREEN,
        note=note + ("; less the null of permuted labels" if null is not None else ""),
        values=middle(values),
        x=Axis(label="epoch" if by_epoch else "step"),
        y=_TIME,
        row_labels=tuple(f"{t:g}" for t in times_of(series)),
        column_labels=tuple(f"{round(at, 2):g}" for at in (series.epoch if by_epoch else series.step).tolist()),
        value_label=f"{series.quantity}{' − null' if null is not None else ''} [{series.unit}]",
        limits=(0.0, None),
        steps=series.step,
    )


def _about_inputs(
    every: Sequence[Series], samples: Series | None, predicted: Series | None, name: str, where: str, note: str
) -> Curves:
    """The newest network's information of inputs and neighbours over time, below its cap and beside what padding predicts."""
    lines: list[Line] = []
    said = [note]
    for group, series in enumerate(every):
        lines += _now(series, series.quantity, group)
        if group == 0 and predicted is not None and series.quantity == "I(X;H_t)":
            lines += _now(predicted, "predicted by padding", group, dashed=True)
    bits = all(s.unit == "bits" for s in every)
    if samples is not None and bits:
        (line,) = _now(samples, "log2 N_t", len(every), dashed=True)
        with np.errstate(divide="ignore"):
            cap = np.log2(line.y)
        lines.append(replace(line, y=np.where(np.isfinite(cap), cap, np.nan)))
    if any(line.label.endswith(" null") for line in lines):
        said.append("unnamed dashes: with permuted labels")
    return _over_time(name, f"inputs and neighbours at each timepoint, {where}", "; ".join(said), every[0].unit, lines, ())


def _about_labels(every: Sequence[Series], name: str, where: str, note: str, references: Sequence[Reference]) -> Curves:
    lines = [line for group, s in enumerate(every) for line in _now(s, s.subject.get("task", s.quantity), group)]
    said = "; ".join([note, *(["dashed: with permuted labels"] if any(line.dashed for line in lines) else [])])
    return _over_time(name, f"labels at each timepoint, {where}", said, every[0].unit, lines, references)


def _over_time(name: str, title: str, note: str, unit: str, lines: Sequence[Line], references: Sequence[Reference]) -> Curves:
    return Curves(
        name=name,
        title=title,
        screen=_SCREEN,
        note=note,
        x=_TIME,
        y=Axis(label=f"information [{unit}]", limits=(0.0, None)),
        lines=tuple(lines),
        references=tuple(references),
    )


def _now(series: Series, label: str, group: int, *, dashed: bool = False) -> list[Line]:
    """The newest measurement over time, with its bounds, or the band of 10 to 90 % of replicas, and its null."""
    newest = np.array([len(series.step) - 1])
    members = by_time(series, series.value[newest])[:, 0]

    def at(values: np.ndarray) -> np.ndarray:
        return middle(by_time(series, values[newest]))[:, 0]

    if members.ndim > 1:
        lower, upper = np.percentile(members, (10, 90), axis=1)
    else:
        lower, upper = (bound if np.isfinite(bound).any() else None for bound in (at(series.lower), at(series.upper)))
    times = times_of(series)
    line = Line(
        label=label,
        x=times,
        y=at(series.value),
        lower=lower,
        upper=upper,
        estimator=series.estimator,
        flags=tuple(flags[0] for flags in flags_by_time([(series, newest)])),
        details={detail: at(values) for detail, values in series.details.items()},
        group=group,
        dashed=dashed,
    )
    null = line.details.get("null")
    if null is None:
        return [line]
    return [
        line,
        Line(label=f"{label} null", x=times, y=null, estimator=series.estimator, dashed=True, group=group, unnamed=True),
    ]


def _entropies(history: History, c: _Combination, y: Series) -> tuple[Reference, ...]:
    """H(Y) of the task, as the information plane measures it; none where ``y`` is in another unit."""
    if y.unit != "bits":
        return ()
    task = {"task": y.subject["task"]} if "task" in y.subject else {}
    found = history.select("H(Y)", job="information-plane", evaluation=c.evaluation, **task)
    label = f"H(Y){_of_task(y)}"
    return tuple(Reference(axis="y", value=float(s.value[-1]), label=label) for s in found[:1])


def _task(series: Series) -> str:
    """The end of a figure's name where there are several tasks."""
    return f"-{slug(series.subject['task'])}" if "task" in series.subject else ""


def _of_task(series: Series) -> str:
    return f" of {series.subject['task']}" if "task" in series.subject else ""
