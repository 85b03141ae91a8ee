"""Which units of a shared layer tell about which task and which class, and how far the tasks use the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ibmon import Activation, Estimate, Measurement, Snapshot, Variable

from .information_plane import Estimator
from .tokens import data_of, frequent, labels_of, names_of


@dataclass(frozen=True, slots=True)
class TaskNeurons:
    """For every task the information of each single unit of a layer about it, in bits, over the axis unit. Subject: layer, task.

    The layer is the one called ``layer``, for all tasks, or "TASK.``layer``", for that task alone; its axes are sample and
    unit, with time between them or without. Of the tokens that the mask calls data and whose label is not negative it takes at
    most ``tokens``, evenly spread, the same ones in all snapshots.

    - "I(h_i;Y)" of unit i and the label Y of the task, and "H(Y)" of these tokens.
    - "I(h_i;class)", of the label being a class or another one, over the axes class and unit, of the ``tags`` most frequent
      classes with ``least`` tokens or more; "H(class)" and "tokens", how many are of it, over the axis class.

    And of every two tasks on one layer (subject layer, task, other):

    - "rank correlation": Spearman's, of I(h_i;Y) over the units, with its ``p_value``.
    - "shared units": how many are among the ``top`` most informative of both (at most half of the units), with ``p_value`` and,
      as ``null``, how many two random sets of ``top`` units share. Their mean and 95 % range (hypergeometric) are "shared units
      by chance".

    Raises ValueError for options out of their domain.
    """

    layer: str = "hidden"
    tokens: int = 1000
    tags: int = 12
    least: int = 10
    top: int = 8

    def __post_init__(self) -> None:
        for name, lowest in (("tokens", 50), ("tags", 0), ("least", 1), ("top", 1)):
            if getattr(self, name) < lowest:
                raise ValueError(f"task-neurons: {name} must be {lowest} or more, not {getattr(self, name)}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Estimator]) -> Iterator[Measurement]:
        """Yields the quantities of the class for each of ``estimators``."""
        for name, estimator in estimators.items():
            for layer in snapshot.layers:
                tasks = [task for task in snapshot.targets if layer in (self.layer, f"{task}.{self.layer}")]
                if not tasks:
                    continue
                activation = snapshot.layers[layer]
                scores: dict[str, np.ndarray] = {}
                for task in tasks:
                    measured = list(self._about(snapshot, task, layer, activation, name, estimator))
                    if measured:
                        scores[task] = np.asarray(measured[0].details.get("raw", measured[0].value))
                    yield from measured
                for (task, a), (other, b) in combinations(scores.items(), 2):
                    yield from self._overlap(a, b, {"layer": layer, "task": task, "other": other}, name)

    def _about(
        self, snapshot: Snapshot, task: str, layer: str, activation: Activation, name: str, estimator: Estimator
    ) -> Iterator[Measurement]:
        """Of one task: first "I(h_i;Y)", in one call of the estimator for all units and classes."""
        there = data_of(activation, snapshot)
        labels = None if there is None else labels_of(snapshot, task, there.shape)
        if there is None or labels is None or not (there & (labels >= 0)).any():
            return
        kept = _spread((there & (labels >= 0)).nonzero(), self.tokens)
        values, labels = activation.values.cpu()[kept], labels[kept]
        classes, count = frequent(labels, self.tags, self.least)
        x = Variable.continuous(values.T[..., None])
        of_class = [labels == number for number in classes]
        whole, *single = estimator(x, [Variable.labels(labels), *(Variable.labels(one) for one in of_class)])
        subject, units = {"layer": layer, "task": task}, list(range(len(values.T)))
        yield Measurement.of(whole, "I(h_i;Y)", subject=subject, axes={"unit": units}, estimator=name)
        yield Measurement(quantity="H(Y)", value=_entropy(labels), subject=subject)
        if single:
            axes = {"class": names_of(classes.tolist(), snapshot.classes.get(task))}
            yield Measurement.of(stacked(single), "I(h_i;class)", subject=subject, axes={**axes, "unit": units}, estimator=name)
            entropies = np.array([_entropy(one) for one in of_class])
            yield Measurement(quantity="H(class)", value=entropies, subject=subject, axes=axes)
            yield Measurement(quantity="tokens", unit="", value=count.numpy(), subject=subject, axes=axes)

    def _overlap(self, a: np.ndarray, b: np.ndarray, subject: Mapping[str, str], estimator: str) -> Iterator[Measurement]:
        """Of what each of the same units ``(units,)`` tells about two tasks."""
        from scipy.stats import hypergeom, spearmanr  # half a second, and only where there are two tasks

        units, top = len(a), min(self.top, len(a) // 2)
        if not top or not (np.isfinite(a).all() and np.isfinite(b).all()):
            return
        found: Any = (np.nan, np.nan) if np.ptp(a) == 0 or np.ptp(b) == 0 else spearmanr(a, b)
        r, p = found
        yield Measurement(
            quantity="rank correlation",
            unit="",
            value=float(r),
            subject=subject,
            estimator=estimator,
            details={"p_value": float(p)},
        )
        first, second = (set(np.argsort(-each, kind="stable")[:top].tolist()) for each in (a, b))
        shared = len(first & second)
        chance, expected = hypergeom(units, top, top), top * top / units
        details = {"null": expected, "p_value": float(chance.sf(shared - 1))}
        yield Measurement(
            quantity="shared units", unit="", value=float(shared), subject=subject, estimator=estimator, details=details
        )
        lower, upper = (float(chance.ppf(q)) for q in (0.025, 0.975))
        yield Measurement(
            quantity="shared units by chance",
            unit="",
            value=expected,
            lower=lower,
            upper=upper,
            subject=subject,
            estimator=estimator,
        )


def stacked(estimates: Sequence[Estimate]) -> Estimate:
    """Estimates of one shape as one, along a new first dimension; what not all of them say is left out."""

    def together(name: str) -> Tensor | None:
        parts = [getattr(estimate, name) for estimate in estimates]
        return None if any(part is None for part in parts) else torch.stack(parts)

    raised = dict.fromkeys(name for estimate in estimates for name in estimate.flags)
    flags = {
        name: torch.stack([e.flags.get(name, torch.zeros_like(e.value, dtype=torch.bool)) for e in estimates]) for name in raised
    }
    parts = {name: together(name) for name in ("lower", "upper", "limit", "raw", "error", "null", "p_value")}
    return Estimate(torch.stack([e.value for e in estimates]), estimates[0].unit, flags=flags, **parts)


def _spread(places: Tensor, most: int) -> tuple[Tensor, ...]:
    """At most ``most`` of the ``places`` (places, dimensions), evenly spread, as an index."""
    chosen = torch.linspace(0, len(places) - 1, min(most, len(places)), dtype=torch.float64).round().long()
    return places[chosen].unbind(1)


def _entropy(labels: Tensor) -> float:
    """Entropy in bits of the empirical distribution of integers or booleans."""
    p = torch.unique(labels, return_counts=True)[1].double() / labels.numel()
    return float(-(p * p.log2()).sum()) + 0.0
