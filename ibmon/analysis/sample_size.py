"""The quantities of the information plane against the number of samples they are estimated from.

Plug-in and kernel estimates are those of the samples at hand: I(X;T) cannot exceed log2 N, and where it comes near, more
samples would give more. A quantity that is "stable above N samples" stays where it is as samples are added.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ibmon.figures.figure import Axis, Curves, Line, Reference
from ibmon.records import IbmonError, Measurement, UsageError
from ibmon.registry import Registry
from ibmon.runs.directory import RunDirectory
from ibmon.runs.log import printable
from ibmon.tensors import Activation, Snapshot

from .kept import ANALYSIS, Tell, kept, measured, plane_jobs

STABLE_SHARE, STABLE_BITS = 0.05, 0.1
"""How near to its value at all samples a quantity must stay: within both, the share of it and the bits."""
QUANTITIES = ("I(X;T)", "I(T;Y)")
_ENTROPY = "H(Y)"
_Key = tuple[str, str, str, str]
"""Quantity, layer, task and estimator."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A quantity of a layer against the number of samples: ``sizes`` (sizes,), ascending, the last of them all samples.

    ``median``, ``lowest`` and ``highest`` of the draws (sizes,) in bits, of its median over timepoints and replicas where it has
    any. ``flags`` are those of the estimate from all samples.
    """

    quantity: str
    layer: str
    task: str
    estimator: str
    sizes: NDArray[np.int64]
    median: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    flags: tuple[str, ...] = ()

    @property
    def stable(self) -> int | None:
        """The least N < all from which the median stays near its value at all samples; None where there is none."""
        return stable_from(self.sizes, self.median)


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Every quantity of every layer of one snapshot against the number of samples; H(Y) in bits by task, of all samples."""

    step: int
    epoch: float | None
    evaluation: str
    draws: int
    growths: tuple[Growth, ...]
    entropies: Mapping[str, float]

    def stable(self, layer: str, estimator: str) -> int | None:
        """The least N from which all quantities of a layer are stable; None where one never is."""
        own = [g.stable for g in self.growths if (g.layer, g.estimator) == (layer, estimator)]
        known = [size for size in own if size is not None]
        return max(known) if len(known) == len(own) else None


def sample_size(
    registry: Registry,
    run: RunDirectory,
    estimators: Sequence[str] = (),
    *,
    analysis: str = ANALYSIS,
    evaluation: str | None = None,
    smallest: int = 100,
    points: int = 7,
    draws: int = 5,
    seed: int = 0,
    tell: Tell = lambda share: None,
) -> SampleSize:
    """I(X;T) and I(T;Y) of every layer in the newest kept snapshot, with ``estimators``, else the run's own.

    From ``smallest`` samples to all in ``points`` sizes, evenly in their logarithm; of each ``draws`` random subsets without
    replacement, the same for every layer and estimator, and decided by ``seed``. Memory holds one layer at a time.
    Raises IbmonError, NotFoundError and UsageError, as ``kept`` and ``plane_jobs`` do, and UsageError for too few samples.
    """
    there = kept(run, evaluation)
    jobs = plane_jobs(registry, estimators or there.estimators, analysis)
    _, snapshot = there.snapshots[-1]
    layers = [name for name in snapshot.layers if "sample" in snapshot.layers[name].axes]
    if not layers:
        raise IbmonError(f"The newest snapshot of {run.id} holds no layer with an axis of samples.")
    total = _samples(snapshot.layers[layers[0]])
    if total <= smallest:
        raise UsageError(f"{run.id} has {total} samples, no more than the smallest size of {smallest}; say --smallest.")
    sizes = np.unique(np.geomspace(smallest, total, points).round().astype(np.int64))
    subsets = [(k, draw) for k in range(len(sizes)) for draw in range(draws if k < len(sizes) - 1 else 1)]
    work, done = len(layers) * len(jobs) * sum(int(sizes[k]) for k, _ in subsets), 0
    found: dict[_Key, list[list[float]]] = {}
    flags: dict[_Key, tuple[str, ...]] = {}
    entropies: dict[str, float] = {}
    for layer in layers:
        single = replace(snapshot, layers={layer: snapshot.layers[layer]})
        for k, draw in subsets:
            part = single if sizes[k] == total else subset(single, _rows(total, int(sizes[k]), draw, seed))
            for estimator, job in jobs.items():
                tell(done / work)
                done += int(sizes[k])
                for m in measured(job, part, seed + draw):
                    task = printable(m.subject.get("task", ""))
                    key = (m.quantity, printable(layer), task, estimator)
                    if m.quantity == _ENTROPY and part is single:
                        entropies[task] = float(m.value)
                    if m.quantity not in QUANTITIES:
                        continue
                    found.setdefault(key, [[] for _ in sizes])[k].append(_middle(m.value))
                    flags[key] = _raised(m)  # the last is that of all samples
    tell(1.0)
    return SampleSize(
        step=snapshot.step,
        epoch=snapshot.epoch,
        evaluation=snapshot.evaluation,
        draws=draws,
        growths=tuple(_growth(key, sizes, values, flags[key]) for key, values in found.items()),
        entropies=entropies,
    )


def _growth(
    key: tuple[str, str, str, str], sizes: NDArray[np.int64], values: list[list[float]], flags: tuple[str, ...]
) -> Growth:
    """``values`` are those of the draws of each size."""
    median, lowest, highest = (np.array([part(drawn) for drawn in values]) for part in (np.median, np.min, np.max))
    return Growth(*key, sizes=sizes, median=median, lowest=lowest, highest=highest, flags=flags)


def stable_from(sizes: NDArray[np.int64], values: NDArray[np.float64]) -> int | None:
    """The least of ``sizes`` (sizes,), but the last, from which ``values`` (sizes,) in bits stay near the last of them.

    None where there is none, and where the last is not a number. ``values`` are medians over draws: whether one draw
    strays depends on how many there are.
    """
    near = np.abs(values - values[-1]) <= min(STABLE_SHARE * abs(values[-1]), STABLE_BITS)
    strays = np.flatnonzero(~near)
    first = int(strays[-1]) + 1 if len(strays) else 0
    return int(sizes[first]) if first < len(sizes) - 1 else None


def subset(snapshot: Snapshot, rows: torch.Tensor) -> Snapshot:
    """The snapshot on the samples ``rows`` (integers): layers, identity and targets; of the rest nothing."""

    def taken(activation: Activation) -> Activation:
        axis = activation.axes.index("sample")
        mask = activation.mask
        if mask is not None and axis < mask.ndim:
            mask = mask.index_select(axis, rows.to(mask.device))
        return replace(activation, values=activation.values.index_select(axis, rows.to(activation.values.device)), mask=mask)

    return Snapshot(
        step=snapshot.step,
        epoch=snapshot.epoch,
        evaluation=snapshot.evaluation,
        layers={name: taken(layer) for name, layer in snapshot.layers.items()},
        identity=None if snapshot.identity is None else snapshot.identity[rows],
        targets={task: labels[rows] for task, labels in snapshot.targets.items()},
    )


def curves(study: SampleSize) -> dict[str, dict[str, Curves]]:
    """Figures by file name (``ixt``, ``ity``, ``ity-TASK``) and estimator: a line for each layer, over the number of samples."""
    drawn: dict[str, dict[str, Curves]] = {}
    at = f"epoch {study.epoch:g}" if study.epoch is not None else f"step {study.step}"
    note = f"a line for each layer at {at}: median and range of {study.draws} random subsets of the samples"
    for quantity, task in dict.fromkeys((g.quantity, g.task) for g in study.growths):
        name = {"I(X;T)": "ixt", "I(T;Y)": "ity"}[quantity] + (f"-{task}" if task else "")
        own = [g for g in study.growths if (g.quantity, g.task) == (quantity, task)]
        about_x = quantity == "I(X;T)"
        entropy = study.entropies.get(task)
        for estimator in dict.fromkeys(g.estimator for g in own):
            lines = [_line(g) for g in own if g.estimator == estimator]
            limit = Line(label="log2 N", x=lines[0].x, y=np.log2(lines[0].x), dashed=True)
            drawn.setdefault(name, {})[estimator] = Curves(
                name=f"sample-size-{name}",
                title=f"{quantity} by the number of samples" + (f", {task}" if task else ""),
                note=note + ("; I(X;T) cannot exceed log2 N" if about_x else ""),
                x=Axis(label="samples N", scale="log"),
                y=Axis(label=f"{quantity} [bits]", limits=(0.0, None)),
                lines=(*lines, limit) if about_x else tuple(lines),
                references=() if about_x or entropy is None else (Reference(axis="y", value=entropy, label="H(Y)"),),
            )
    return drawn


def _line(growth: Growth) -> Line:
    return Line(
        label=growth.layer,
        x=growth.sizes.astype(np.float64),
        y=growth.median,
        lower=growth.lowest,
        upper=growth.highest,
        estimator=growth.estimator,
    )


def _samples(activation: Activation) -> int:
    return activation.values.shape[activation.axes.index("sample")]


def _rows(total: int, size: int, draw: int, seed: int) -> torch.Tensor:
    """Which of ``total`` samples are drawn, ascending (size,)."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{size}/{draw}".encode()))
    return torch.randperm(total, generator=generator)[:size].sort().values


def _middle(value: float | NDArray[np.float64]) -> float:
    """The median of what is a number."""
    flat = np.ravel(value)
    known = flat[np.isfinite(flat)]
    return float(np.median(known)) if len(known) else float("nan")


def _raised(measurement: Measurement) -> tuple[str, ...]:
    """Flags that at least half of the timepoints and replicas raise."""
    return tuple(printable(name) for name, raised in measurement.flags.items() if np.mean(raised) >= 0.5)
