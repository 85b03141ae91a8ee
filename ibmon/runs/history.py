"""The history of a run as columns: what figures are built from. Immutable, numpy only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ibmon.records import NotFoundError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ibmon.records import Disabled, Dropped, End, Notice, Progress, RunInfo, Segment, Watch

REPLICA = "replica"
"""The axis of the networks that were trained as one batched model."""
Coordinate = int | float | str
"""A place on an axis: a timepoint, or the number of a network."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of one subject through training.

    ``step``, ``epoch`` ``(points,)``; ``value``, ``lower``, ``upper`` ``(points, *axes)`` in ``unit``, NaN where there is none;
    ``flags`` name -> boolean ``(points, *axes)``. ``axes`` maps an axis's name to its coordinates, in order; most series
    have none. ``details`` are what estimates say beside their value, name -> ``(points, *axes)``: ``raw``, ``error``, ``null``,
    ``p_value``, ``limit``. ``job`` is the analysis (with its estimator) that measured it. ``segment`` and ``seq`` ``(points,)``
    say which snapshot; None for what was not read from a log, and ``seq`` for what no snapshot was taken for.
    """

    quantity: str
    unit: str
    subject: Mapping[str, str]
    evaluation: str
    estimator: str
    job: str
    axes: Mapping[str, tuple[Coordinate, ...]]
    step: NDArray[np.int64]
    epoch: NDArray[np.float64]
    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    flags: Mapping[str, NDArray[np.bool_]]
    details: Mapping[str, NDArray[np.float64]] = field(default_factory=dict[str, "NDArray[np.float64]"])
    segment: NDArray[np.int64] | None = None
    seq: NDArray[np.int64] | None = None

    @property
    def analysis(self) -> str:
        """The name of the analysis that measured it, without options and estimator; empty for what was logged."""
        return re.split(r"[:/]", self.job, maxsplit=1)[0]

    @property
    def label(self) -> str:
        """The subject in words: ``3``, ``3 · imdb``."""
        return " · ".join(self.subject.values()) or self.quantity


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that could not measure a snapshot."""

    job: str
    step: int
    error: str


@dataclass(frozen=True, slots=True)
class History:
    """Everything that a run's logs say, up to the moment it was read. All text is safe to show."""

    run: RunInfo
    series: tuple[Series, ...] = ()
    scalars: Mapping[str, Series] = field(default_factory=dict[str, Series])
    """What was logged by ``Monitor.log`` and the training loss, by ``name/key``: ``training/loss``, ``validation/accuracy``."""
    watch: Watch | None = None
    progress: Progress | None = None
    end: End | None = None
    segments: tuple[Segment, ...] = ()
    notices: tuple[Notice, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    failures: tuple[Failure, ...] = ()
    disabled: tuple[Disabled, ...] = ()
    jobs: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, bool | int | float | str | None]] = field(default_factory=dict[str, Any])
    """Every option of every estimator, given or by default: estimator -> option -> value."""
    captured: int = 0
    measured: int = 0
    skipped: int = 0
    """Log lines that could not be read."""

    @property
    def lag(self) -> int:
        """Snapshots captured and not yet measured by every job."""
        return max(0, self.captured - self.measured)

    @property
    def steps(self) -> NDArray[np.int64]:
        """Every step at which something was measured, ascending."""
        distinct: list[NDArray[np.int64]] = []
        for s in self.series:  # of a million steps nearly all are the same few thousand again
            if not distinct or not np.array_equal(s.step, distinct[-1]):
                distinct.append(s.step)
        return np.unique(np.concatenate(distinct)) if distinct else np.empty(0, np.int64)

    @property
    def replicas(self) -> tuple[Coordinate, ...]:
        """The networks of a run that trained several as one batched model, in order; none for any other run."""
        axes = {s.axes[REPLICA] for s in self.series if REPLICA in s.axes}
        return tuple(sorted({c for axis in axes for c in axis}, key=_in_order))

    def select(
        self,
        quantity: str | None = None,
        *,
        evaluation: str | None = None,
        estimator: str | None = None,
        job: str | None = None,
        **subject: str,
    ) -> list[Series]:
        """The series that fit, in the order they first appeared. ``job`` is an analysis's name, with or without options."""
        return [
            s
            for s in self.series
            if (quantity is None or s.quantity == quantity)
            and (evaluation is None or s.evaluation == evaluation)
            and (estimator is None or s.estimator == estimator)
            and (job is None or s.job == job or s.job.startswith((job + ":", job + "/")))
            and all(s.subject.get(name) == value for name, value in subject.items())
        ]

    def epoch_of(self, step: int) -> float | None:
        """The epoch of the last measurement at or before a step."""
        best: tuple[int, float] | None = None
        for s in self.series:
            i = int(np.searchsorted(s.step, step, side="right")) - 1
            if i >= 0 and np.isfinite(s.epoch[i]) and (best is None or s.step[i] > best[0]):
                best = (int(s.step[i]), float(s.epoch[i]))
        return best[1] if best else None


def _in_order(coordinate: Coordinate) -> tuple[bool, float, str]:
    """Numbers by size, then words."""
    return (True, 0.0, coordinate) if isinstance(coordinate, str) else (False, coordinate, "")


def thin(series: Series, until: int) -> Series:
    """The series up to and including a step."""
    known = [name for name in ("segment", "seq") if getattr(series, name) is not None]
    return _taken(series, series.step <= until, ("step", "epoch", "value", "lower", "upper", *known))


def up_to(history: History, step: int) -> History:
    """The history as it was at a step: what was measured and logged up to and including it."""
    series = tuple(s for s in (thin(s, step) for s in history.series) if len(s.step))
    return replace(history, series=series, scalars={name: thin(s, step) for name, s in history.scalars.items()})


def of_replica(history: History, replica: Coordinate) -> History:
    """The history of a single network of those that were trained as one batched model.

    Series over the axis ``replica`` are taken at this coordinate and lose the axis; those of other networks alone are left out.
    What has no such axis (the training's loss, H(Y)) is of all networks, and stays. Raises NotFoundError for a network that is
    not there.
    """
    known = history.replicas
    if not known:
        raise NotFoundError(f"{history.run.id} has no axis of networks: nothing in it was measured over replicas.")
    if replica not in known:
        raise NotFoundError(f"{history.run.id} has no network {replica}; there are {len(known)}, {known[0]} to {known[-1]}.")
    there = [s for s in history.series if replica in s.axes.get(REPLICA, known)]
    return replace(history, series=tuple(_at(s, replica) if REPLICA in s.axes else s for s in there))


def _at(series: Series, replica: Coordinate) -> Series:
    """A series at a coordinate of its axis ``replica``, without that axis."""
    place = 1 + list(series.axes).index(REPLICA)
    where = (*[slice(None)] * place, series.axes[REPLICA].index(replica))
    axes = {name: points for name, points in series.axes.items() if name != REPLICA}
    return replace(_taken(series, where, ("value", "lower", "upper")), axes=axes)


def _taken(series: Series, where: Any, columns: tuple[str, ...]) -> Series:
    """A series whose columns, flags and details are indexed alike."""
    flags, details = ({name: column[where] for name, column in kind.items()} for kind in (series.flags, series.details))
    return replace(series, **{name: getattr(series, name)[where] for name in columns}, flags=flags, details=details)
