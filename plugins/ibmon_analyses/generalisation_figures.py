"""Figures of generalisation. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Plane, Series, Trajectory

from .information_plane_curves import flag_names, raised
from .moments import training
from .naming import ending, named_set, slug, where

_SCREEN = "generalisation"
_NORM = "‖T‖₂"
_NOTE = "snapshots at whose step the gap was logged"
_TOLD = "H(Y) − cross-entropy"


def figures(history: History) -> list[Figure]:
    """The gaps against I(X;T) of a layer, with a path for each estimator, and against its norm; what each layer tells about Y
    against I(X;T), a plane for each estimator; norms of all layers through training.

    Gaps are logged scalars whose name ends in "gap", of the step of a snapshot; what a layer tells is a scalar
    "LAYER/H(Y) − cross-entropy..." in bits. They are asked of each job of the analysis and each evaluation set. The first plane
    is important.
    """
    norms = history.select(_NORM, job="generalisation")
    drawn: list[Figure] = []
    for job, evaluation in dict.fromkeys((s.job, s.evaluation) for s in norms):
        own = [s for s in norms if (s.job, s.evaluation) == (job, evaluation)]
        layer = _asked(job) or own[-1].subject["layer"]
        suffix = "".join(f"-{slug(part)}" for part in named_set(evaluation))
        for name, gap in _gaps(history).items():
            drawn += _planes(name, gap, layer, _information(history, layer, evaluation), own, suffix)
        drawn += _told(history, [s.subject["layer"] for s in own], evaluation)
        drawn.append(_through_training(own, f"norms{suffix}"))
    first = next((figure for figure in drawn if isinstance(figure, Plane)), None)
    return [replace(figure, important=True) if figure is first else figure for figure in drawn]


def _asked(job: str) -> str:
    """The layer among the options in the name of a job, which reads generalisation:layer=NAME."""
    return job.partition(":")[2].partition("layer=")[2]


def _gaps(history: History) -> dict[str, Series]:
    """Logged gaps, by what they are of; where several parts have one of the same thing, by the part too."""
    found = [(name, series) for name, series in history.scalars.items() if name.endswith("gap")]
    alone = [name.rpartition("/")[2] for name, _ in found]
    return {name.rpartition("/")[2] if alone.count(name.rpartition("/")[2]) == 1 else name: series for name, series in found}


def _information(history: History, layer: str, evaluation: str) -> list[Series]:
    """I(X;T) of the layer, or I(X;H_t), in bits, by each estimator that can tell it."""
    found = [
        s
        for analysis, quantity in (("information-plane", "I(X;T)"), ("timepoints", "I(X;H_t)"))
        for s in history.select(quantity, job=analysis, evaluation=evaluation, layer=layer)
    ]
    return [s for s in found if s.unit == "bits" and not raised(s, "deterministic").all()]


def _planes(
    name: str, gap: Series, layer: str, information: Sequence[Series], norms: Sequence[Series], suffix: str
) -> list[Plane]:
    """A gap against information, where there is any, and against the norm."""
    y = Axis(label=name)
    of_layer = [s for s in norms if s.subject["layer"] == layer]
    drawn: list[Plane] = []
    if information:
        drawn.append(
            Plane(
                name=f"generalisation-{slug(name)}{suffix}",
                title=f"{name} and information of {layer}{where(information[0])}",
                screen=_SCREEN,
                note=_NOTE,
                x=_information_axis(information),
                y=y,
                trajectories=tuple(_path(s, gap, _label(s, information)) for s in information),
            )
        )
    if of_layer:
        drawn.append(
            Plane(
                name=f"generalisation-{slug(name)}-norm{suffix}",
                title=f"{name} and norm of {layer}{where(of_layer[0])}",
                screen=_SCREEN,
                note=_NOTE,
                x=Axis(label=_NORM, limits=(0.0, None)),
                y=y,
                trajectories=tuple(_path(s, gap, layer) for s in of_layer),
            )
        )
    return drawn


def _information_axis(information: Sequence[Series]) -> Axis:
    over_time = any("time" in s.axes for s in information)
    mean = "mean over timepoints of " if over_time else ""
    return Axis(label=f"{mean}I(X;{'H_t' if over_time else 'T'}) [bits]", limits=(0.0, None))


def _told(history: History, layers: Sequence[str], evaluation: str) -> list[Plane]:
    """What layers tell about Y, as the training logs it, against I(X;T): the information plane by a bound on I(T;Y)."""
    planes: dict[str, Plane] = {}
    for layer in layers:
        for information in _information(history, layer, evaluation):
            for name, told in history.scalars.items():
                owner, _, quantity = name.rpartition("/")
                if owner != layer or not quantity.startswith(_TOLD):
                    continue
                by = quantity.removeprefix(_TOLD).removesuffix("[bits]").strip()
                key = f"generalisation-told{'-' + slug(by) if by else ''}{ending(information)}"
                plane = planes.get(key) or Plane(
                    name=key,
                    title=f"what layers tell{where(information)}, {information.estimator}",
                    screen=_SCREEN,
                    note="snapshots at whose step it was logged",
                    x=_information_axis([information]),
                    y=Axis(label=quantity),
                    trajectories=(),
                )
                planes[key] = replace(plane, trajectories=(*plane.trajectories, _path(information, told, layer)))
    return list(planes.values())


def _label(series: Series, among: Sequence[Series]) -> str:
    """The estimator; with the analysis where that alone says two things."""
    alone = sum(s.estimator == series.estimator for s in among) == 1
    return series.estimator if alone else f"{series.estimator} ({series.job.partition('/')[0]})"


def _path(x: Series, logged: Series, label: str) -> Trajectory:
    """The snapshots at whose step it was logged, with the last that was logged there.

    Timepoints are averaged, open where most are saturated; then of replicas the median, and the single networks.
    """
    newest = len(logged.step) - 1 - np.unique(logged.step[::-1], return_index=True)[1]
    step, rows, places = np.intersect1d(x.step, logged.step[newest], return_indices=True)
    y = logged.value[newest][places]
    values = _over_time(x, x.value[rows])
    members = "replica" in x.axes
    saturated = _over_time(x, raised(x, "saturated")[rows].astype(np.float64))
    return Trajectory(
        label=label,
        x=np.median(values, axis=1) if members else values,
        y=y,
        step=step,
        epoch=x.epoch[rows],
        hollow=(saturated.mean(axis=1) if members else saturated) > 0.5,
        flags=flag_names([(x, rows)]),
        estimator=x.estimator,
        members_x=values if members else None,
        members_y=np.broadcast_to(y[:, None], values.shape) if members else None,
    )


def _over_time(series: Series, values: np.ndarray) -> np.ndarray:
    """``(points, *axes)`` averaged over the timepoints that have a value: ``(points,)`` or ``(points, replicas)``."""
    if "time" not in series.axes:
        return values
    axis = 1 + list(series.axes).index("time")
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0.0).sum(axis=axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _through_training(norms: Sequence[Series], name: str) -> Curves:
    axis, _ = training(norms[0])
    return Curves(
        name=name,
        title=f"norms of the layers{where(norms[0])}",
        screen=_SCREEN,
        note="mean over samples and timepoints",
        x=axis,
        y=Axis(label=_NORM, scale="log"),
        lines=tuple(
            Line(
                label=s.subject["layer"],
                x=training(s)[1],
                y=s.value if s.value.ndim == 1 else np.median(s.value, axis=1),
                step=s.step,
            )
            for s in norms
        ),
    )
