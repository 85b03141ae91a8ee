"""The information plane of a run under several bin widths and noises: whether what it shows depends on them.

A binned or noisy layer is a surrogate of the layer itself, whose I(X;T) is infinite (Saxe et al. 2018, section 2; Goldfeld et
al. 2019, section 2). What holds under one width alone is a fact about the width.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from ibmon.figures.build import build_figures
from ibmon.figures.figure import Plane, Trajectory, View
from ibmon.figures.view import shown_points
from ibmon.records import IbmonError, Result
from ibmon.registry import Registry
from ibmon.runs.directory import RunDirectory, create
from ibmon.runs.history import History
from ibmon.runs.log import LogWriter, printable
from ibmon.runs.reading import HistoryReader
from ibmon.signatures import Request

from .estimating import ready
from .jobs import DEFAULT_ESTIMATORS, Job
from .kept import ANALYSIS, Kept, Tell, kept, measured, plane_jobs
from .values import logged

FALL = 0.1
"""Bits by which I(X;T) must end below its maximum to count as fallen."""
_WIDTHS, _VARIANCES = (0.25, 1.0, 4.0), (0.1, 1.0, 10.0)
_VARIANCE = 0.1
"""The variance of the noise, absolute or relative, where the run has none of that kind."""


@dataclass(frozen=True, slots=True)
class Course:
    """I(X;T) of a layer through training under one setting, in bits.

    ``saturated`` says that the estimate is flagged at its maximum: it then says little about the layer.
    """

    layer: str
    setting: str
    first: float
    highest: float
    last: float
    saturated: bool

    @property
    def fall(self) -> float:
        """Bits by which it ends below its maximum."""
        return self.highest - self.last

    @property
    def falls(self) -> bool:
        return self.fall > FALL


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Planes by title (one for each task) and setting, and the course of every layer under every setting."""

    evaluation: str
    steps: tuple[int, ...]
    settings: tuple[str, ...]
    planes: Mapping[str, Mapping[str, Plane]]
    courses: tuple[Course, ...]


def sensitivity(
    registry: Registry,
    run: RunDirectory,
    estimators: Sequence[str] = (),
    *,
    analysis: str = ANALYSIS,
    evaluation: str | None = None,
    snapshots: int | None = None,
    tell: Tell = lambda share: None,
) -> Sensitivity:
    """The information plane again from the kept snapshots, under each of ``estimators``, else ``settings_of`` the run's own.

    ``snapshots`` thins them to that many, spaced evenly in the logarithm of the step, the first and the last among them.
    Raises IbmonError, NotFoundError and UsageError, as ``kept`` and ``plane_jobs`` do, and where no plane can be drawn.
    """
    there = kept(run, evaluation)
    jobs = plane_jobs(registry, estimators or settings_of(registry, there.estimators), analysis)
    if snapshots is not None:
        chosen = log_spaced([snapshot.step for _, snapshot in there.snapshots], snapshots)
        there = replace(there, snapshots=tuple(there.snapshots[k] for k in chosen))
    history = _history(there, list(jobs.values()), tell)
    planes: dict[str, dict[str, Plane]] = {}
    for setting, job in jobs.items():
        own = replace(history, series=tuple(s for s in history.series if s.job == printable(job.name)))
        figures, failures = build_figures(own, registry)
        drawn = [figure for figure in figures if isinstance(figure, Plane) and figure.trajectories]
        if not drawn:
            raise IbmonError(failures[0] if failures else _no_plane(there, setting))
        longest = max(map(_length, drawn))
        for plane in drawn:
            if _length(plane) == longest:  # others show a part of the training
                planes.setdefault(plane.title, {})[setting] = replace(plane, note="")  # its panel's title says it
    first = next(iter(planes.values()))
    courses = [_course(t, setting) for setting, plane in first.items() for t in plane.trajectories]
    layers = list(dict.fromkeys(course.layer for course in courses))
    return Sensitivity(
        evaluation=there.evaluation,
        steps=tuple(snapshot.step for _, snapshot in there.snapshots),
        settings=tuple(jobs),
        planes=planes,
        courses=tuple(sorted(courses, key=lambda course: layers.index(course.layer))),
    )


def settings_of(registry: Registry, estimators: Sequence[str]) -> list[str]:
    """The estimators of a run with a quarter and four times their bin width, and a tenth and ten times their noise.

    Noise is taken as absolute and as relative, whichever of them the run has: a fixed noise reads any change of a layer's
    scale as one of its information, a relative one does not. Without a width or a noise to vary it is that of the default
    estimators.
    """
    asked = [Request.parse(text) for text in estimators]
    own = [ready(registry, text).options for text in estimators]
    found: list[str] = []
    for request, options in zip(asked, own, strict=True):
        if isinstance(width := options.get("width"), float):
            found += [_text(request, width=width * factor) for factor in _WIDTHS]
    noisy = {request.name: request for request, options in zip(asked, own, strict=True) if "variance" in options}
    for name, request in noisy.items():
        known = [options for other, options in zip(asked, own, strict=True) if other.name == name]
        for relative in (False, True) if "relative" in known[0] else (None,):
            base = next((o["variance"] for o in known if o.get("relative") == relative), _VARIANCE)
            kind = {} if relative is None else {"relative": relative}
            found += [_text(request, **kind, variance=base * factor) for factor in _VARIANCES]
    return list(dict.fromkeys(found)) or settings_of(registry, DEFAULT_ESTIMATORS)


def _text(request: Request, **changed: float | bool) -> str:
    said = {**request.options, **{name: f"{value:.3g}" for name, value in changed.items() if not isinstance(value, bool)}}
    if "relative" in changed:
        said.pop("relative", None)
        said |= {"relative": "true"} if changed["relative"] else {}
    return f"{request.name}:{','.join(f'{name}={value}' for name, value in said.items())}"


def log_spaced(steps: Sequence[int], count: int) -> list[int]:
    """Indices of at most ``count`` of ``steps``, evenly in their logarithm: the nearest to each place, the first and the last."""
    at = np.log(np.asarray(steps, np.float64) + 1)
    places = np.linspace(at[0], at[-1], max(count, 1)) if count > 1 else at[-1:]
    return sorted({int(np.abs(at - place).argmin()) for place in places} | {len(at) - 1})


def _history(there: Kept, jobs: Sequence[Job], tell: Tell) -> History:
    """What the jobs measure, written to and read from a run of its own that is gone afterwards: figures see no difference."""
    with tempfile.TemporaryDirectory(prefix="ibmon-") as folder:
        study = create(msgspec.structs.replace(there.info, id="study"), Path(folder))
        log = LogWriter(study.new_log("analyst")[0])
        try:
            for done, (group, snapshot) in enumerate(there.snapshots):
                for number, job in enumerate(jobs):
                    tell((done + number / len(jobs)) / len(there.snapshots))
                    found = measured(job, snapshot, there.seed)
                    name = f"{group.segment}-{group.seq}-{number}"
                    log.append(
                        Result(
                            segment=group.segment,
                            seq=group.seq,
                            job=job.name,
                            step=snapshot.step,
                            epoch=snapshot.epoch,
                            evaluation=snapshot.evaluation,
                            values=[logged(m, study.arrays, f"{name}-{i}") for i, m in enumerate(found)],
                        )
                    )
        finally:
            log.close()
        tell(1.0)
        reader = HistoryReader(study)
        reader.poll()
        return reader.history()


def _length(plane: Plane) -> int:
    return max(len(trajectory.step) for trajectory in plane.trajectories)


def panel(setting: str) -> str:
    """A setting in the few words that a panel has room for: ``kde relative variance=0.1``."""
    return setting.replace(":", " ", 1).replace("=true", "").replace(",", " ")


def at_newest(plane: Plane) -> Plane:
    """The plane with bounds at the newest point of each layer alone: in small panels those of every point hide the points."""

    def newest(bound: np.ndarray | None) -> np.ndarray | None:
        return None if bound is None else np.where(np.arange(len(bound)) == len(bound) - 1, bound, np.nan)

    def bared(t: Trajectory) -> Trajectory:
        x, y = (newest(t.x_lower), newest(t.x_upper)), (newest(t.y_lower), newest(t.y_upper))
        return replace(t, x_lower=x[0], x_upper=x[1], y_lower=y[0], y_upper=y[1])

    return replace(plane, trajectories=tuple(map(bared, plane.trajectories)))


def _no_plane(there: Kept, setting: str) -> str:
    if not there.snapshots[0][1].targets:
        return f"The evaluation set {printable(there.evaluation)!r} has no labels: an information plane needs them."
    return f"{setting} cannot measure I(X;T) of a deterministic layer: there is no information plane to draw with it."


def _course(trajectory: Trajectory, setting: str) -> Course:
    shown = shown_points(trajectory, View())
    if not len(shown):
        return Course(trajectory.label, setting, np.nan, np.nan, np.nan, saturated=False)
    top = int(shown[trajectory.x[shown].argmax()])
    hollow = trajectory.hollow is not None and bool(trajectory.hollow[top])
    x = trajectory.x
    return Course(trajectory.label, setting, float(x[shown[0]]), float(x[top]), float(x[shown[-1]]), saturated=hollow)
