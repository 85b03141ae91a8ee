"""The information plane: I(X;T) and I(T;Y) of every watched layer (Tishby & Zaslavsky 2015; Shwartz-Ziv & Tishby 2017)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ibmon import Activation, Estimate, Measurement, Snapshot, Variable

Estimators = Mapping[str, Callable[[Variable, Sequence[Variable]], tuple[Estimate, ...]]]


@dataclass(frozen=True, slots=True)
class InformationPlane:
    """Measures I(X;T) and, for every task, I(T;Y) of each layer T, and the ends of the axes H(X) and H(Y).

    X is the identity of the sample, uniform on the evaluation set. Replicas and timepoints of an activation become axes of the
    measurement. Information in bits.
    """

    def measure(self, snapshot: Snapshot, estimators: Estimators) -> Iterator[Measurement]:
        """Yields "I(X;T)" with subject layer, "I(T;Y)" with subject layer (and task, where there are several), "H(X)", "H(Y)"."""
        tasks = list(snapshot.targets)
        identity = snapshot.identity
        for layer in snapshot.layers:
            activation = snapshot.layers[layer]
            if "sample" not in activation.axes:
                continue
            x = activation.variable()
            known = identity if identity is not None and len(identity) == x.samples else torch.arange(x.samples)
            fitting = {task: y for task in tasks if (y := labels_of(snapshot.targets[task], activation)) is not None}
            axes = _axes(activation)
            ys = [Variable(known.to(x.values.device), "identity"), *fitting.values()]
            for name, estimator in estimators.items():
                about_x, *about_y = estimator(x, ys)
                yield Measurement.of(about_x, "I(X;T)", subject={"layer": layer}, axes=axes, estimator=name)
                for task, estimate in zip(fitting, about_y, strict=True):
                    subject = {"layer": layer, "task": task} if len(tasks) > 1 else {"layer": layer}
                    yield Measurement.of(estimate, "I(T;Y)", subject=subject, axes=axes, estimator=name)
        if identity is not None:
            yield Measurement(quantity="H(X)", value=_entropy(identity))
        for task, labels in snapshot.targets.items():
            subject = {"task": task} if len(tasks) > 1 else {}
            mask = _token_mask(snapshot, labels)
            yield Measurement(quantity="H(Y)", value=_entropy(labels if mask is None else labels[mask]), subject=subject)


def labels_of(labels: Tensor, activation: Activation) -> Variable | None:
    """A task's labels shaped for the activation's batch: ``(samples,)``, or ``(time, samples)`` for labels per token.

    None where they do not fit (labels per token, and an activation without time).
    """
    labels = labels.to(activation.values.device)
    if labels.ndim == 1:
        return Variable.labels(labels)
    if labels.ndim == 2 and "time" in activation.axes:
        time = activation.values.shape[activation.axes.index("time")]
        if labels.shape[1] == time:
            return Variable.labels(labels.T.contiguous())
    return None


def _token_mask(snapshot: Snapshot, labels: Tensor) -> Tensor | None:
    if labels.ndim < 2:
        return None
    for layer in snapshot.layers.values():
        if layer.mask is not None and layer.mask.shape == labels.shape:
            return layer.mask.to(labels.device)
    return None


def _axes(activation: Activation) -> dict[str, list[int]]:
    """The batch of the activation's variable as axes of a measurement."""
    return {name: list(range(activation.values.shape[activation.axes.index(name)])) for name in activation.batch()}


def _entropy(labels: Tensor) -> float:
    """Entropy in bits of the empirical distribution of integer labels."""
    if labels.numel() == 0:
        return 0.0
    p = torch.unique(labels, return_counts=True)[1].double() / labels.numel()
    return float(-(p * p.log2()).sum()) + 0.0
