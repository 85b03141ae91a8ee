"""The information plane: I(X;T) and I(T;Y) of every watched layer (Tishby & Zaslavsky 2015; Shwartz-Ziv & Tishby 2017)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ibmon import IGNORED, Activation, Estimate, Measurement, Snapshot, Variable

Estimator = Callable[[Variable, Sequence[Variable]], tuple[Estimate, ...]]

TOLERANCE = 0.05
"""Bits by which a layer may say more than one before it: what estimates err by without meaning anything."""
CHUNK = 2**25
"""Elements of the channels that go into one call: 128 MiB of float32, of which estimators make copies."""


@dataclass(frozen=True, slots=True)
class InformationPlane:
    """Measures I(X;T) and, for every task, I(T;Y) of each layer T, and the ends of the axes H(X) and H(Y).

    X is the identity of the sample, uniform on the evaluation set. Replicas of an activation become an axis of the measurement.
    Layers with a time axis are left to ``Timepoints``. Information in bits.

    ``channels`` says what T is in a convolution: ``concat``, all elements of the layer as one vector; or ``mean``, each channel a
    T_c of its own and the layer the mean over channels (``mean_over_channels``), which is no information of the layer and may
    break the order of data processing. Layers without a channel axis are the same either way.
    With ``order`` the flag ``order`` marks a layer that breaks that order (``breaks_order``) among the layers as they are
    watched, of each replica. It holds for feed-forward chains only, each layer computed from the one before it alone: with
    branches or skip connections that are watched, switch it off.
    Raises ValueError for ``channels`` that are not known.
    """

    channels: Literal["concat", "mean"] = "concat"
    order: bool = True

    def __post_init__(self) -> None:
        if self.channels not in ("concat", "mean"):
            raise ValueError(f"information-plane: channels must be concat or mean, not {self.channels}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Estimator]) -> Iterator[Measurement]:
        """Yields "I(X;T)" with subject layer, "I(T;Y)" with subject layer (and task, where there are several), "H(X)", "H(Y)"."""
        tasks = list(snapshot.targets)
        identity = snapshot.identity
        before: dict[tuple[str, str | None, torch.Size], list[Estimate]] = {}
        for layer in snapshot.layers:
            activation = snapshot.layers[layer]
            if "sample" not in activation.axes or "time" in activation.axes:
                continue
            x = activation.variable()
            known = identity if identity is not None and len(identity) == x.samples else torch.arange(x.samples)
            fitting = {task: y for task in tasks if (y := labels_of(snapshot.targets[task], activation)) is not None}
            axes = _axes(activation)
            ys = [Variable(known.to(x.values.device), "identity"), *fitting.values()]
            by_channel = self.channels == "mean" and "channel" in activation.axes
            for name, estimator in estimators.items():
                estimates = mean_over_channels(activation, ys, estimator) if by_channel else estimator(x, ys)
                for task, estimate in zip((None, *fitting), estimates, strict=True):
                    if self.order:
                        earlier = before.setdefault((name, task, estimate.value.shape), [])
                        flagged = replace(estimate, flags={**estimate.flags, "order": breaks_order(estimate, earlier)})
                        earlier.append(estimate)
                        estimate = flagged
                    quantity = "I(X;T)" if task is None else "I(T;Y)"
                    subject = {"layer": layer} if task is None or len(tasks) == 1 else {"layer": layer, "task": task}
                    yield Measurement.of(estimate, quantity, subject=subject, axes=axes, estimator=name)
        if identity is not None:
            yield Measurement(quantity="H(X)", value=_entropy(identity))
        for task, labels in snapshot.targets.items():
            subject = {"task": task} if len(tasks) > 1 else {}
            mask = _token_mask(snapshot, labels)
            given = labels != IGNORED
            yield Measurement(quantity="H(Y)", value=_entropy(labels[given if mask is None else given & mask]), subject=subject)


def breaks_order(estimate: Estimate, before: Sequence[Estimate]) -> Tensor:
    """Where a layer exceeds one of those ``before`` it, boolean of the batch's shape, which all estimates share.

    In a chain X → T₁ → T₂ → … neither I(X;T_l) nor I(T_l;Y) can grow with l (Cover & Thomas 2006, section 2.8): estimates that
    do are of different quantities in different layers, or wrong. An excess counts that is more than 0.05 bit and, where the
    estimates have standard errors, more than two of that of their difference.
    """
    broken = torch.zeros_like(estimate.value, dtype=torch.bool)
    for earlier in before:
        squares = [e.error.square() for e in (estimate, earlier) if e.error is not None]
        allowed = torch.full_like(estimate.value, TOLERANCE)
        if squares:
            allowed = torch.fmax(allowed, 2 * torch.stack(squares).sum(0).sqrt())
        broken |= estimate.value > earlier.value + allowed
    return broken


def mean_over_channels(
    activation: Activation, ys: Sequence[Variable], estimator: Estimator, *, chunk: int = CHUNK
) -> tuple[Estimate, ...]:
    """The mean over channels of what ``estimator`` says of each channel T_c alone, for each of ``ys``, of the activation's batch.

    Channels are a batch of the estimator, in calls of at most ``chunk`` elements (but one channel). Value, bounds, ``raw``,
    ``null`` and ``limit`` are means; ``error`` is that of the mean of independent errors, √Σe² / C; there is no ``p_value``, for
    a mean of them is none; a flag is raised where more than half of the channels raise it.
    """
    parts = [estimator(x, ys) for x in _channels(activation, chunk)]
    return tuple(_mean([part[k] for part in parts]) for k in range(len(ys)))


def _channels(activation: Activation, chunk: int) -> Iterator[Variable]:
    """The channels as variables (channels, batch..., samples, units)."""
    front = ("channel", *activation.batch(), "sample")
    order = (*front, *(a for a in activation.axes if a not in front))
    values = activation.values.permute([activation.axes.index(a) for a in order])
    mask = None if activation.mask is None else activation.variable().mask
    for part in values.split(max(1, chunk // max(1, values[:1].numel()))):
        rows = part.reshape(*part.shape[: len(front)], -1)
        yield Variable.continuous(rows, None if mask is None else mask.expand(len(part), *mask.shape))


def _mean(parts: Sequence[Estimate]) -> Estimate:
    """The mean of estimates over their first dimension, in which ``parts`` follow each other."""
    channels = sum(len(part.value) for part in parts)

    def mean(tensors: Sequence[Tensor | None]) -> Tensor | None:
        given = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(given).mean(0) if given else None

    errors = [part.error for part in parts if part.error is not None]
    names = dict.fromkeys(name for part in parts for name in part.flags)

    def raised(name: str) -> Tensor:
        columns = [part.flags.get(name, torch.zeros_like(part.value, dtype=torch.bool)) for part in parts]
        return torch.cat(columns).sum(0) > channels / 2

    return Estimate(
        torch.cat([part.value for part in parts]).mean(0),
        unit=parts[0].unit,
        lower=mean([part.lower for part in parts]),
        upper=mean([part.upper for part in parts]),
        flags={name: raised(name) for name in names},
        limit=mean([part.limit for part in parts]),
        raw=mean([part.raw for part in parts]),
        error=torch.cat(errors).square().sum(0).sqrt() / channels if errors else None,
        null=mean([part.null for part in parts]),
    )


def labels_of(labels: Tensor, activation: Activation) -> Variable | None:
    """A task's labels shaped for the activation's batch: ``(samples,)``, or ``(time, samples)`` for labels per token.

    Those that are ``IGNORED`` are masked. None where they do not fit (labels per token, and an activation without time).
    """
    labels = labels.to(activation.values.device)
    if labels.ndim == 2 and "time" in activation.axes:
        if labels.shape[1] != activation.values.shape[activation.axes.index("time")]:
            return None
        labels = labels.T.contiguous()
    elif labels.ndim != 1:
        return None
    given = labels != IGNORED
    return Variable.labels(labels, None if bool(given.all()) else given)


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
