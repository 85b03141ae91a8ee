"""The geometric reading of a layer: how far its samples lie apart, within and between classes, and how saturated its units are.

What moves in an information plane of a deterministic network is the geometry of T, seen through a noise or a bin width: samples
that come together are told apart less well (Goldfeld et al., ICML 2019, arXiv:1810.05728, section 5; Geiger 2021,
arXiv:2003.09671). This is the same without a noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan, prod
from typing import Any

import torch
from torch import Tensor

from ibmon import Measurement, Snapshot, Variable

from .information_plane import labels_of

SATURATED = 0.95
"""|t| beyond which a unit that is bounded to [-1, 1] counts as saturated."""
_CHUNK = {"cpu": 2**17, "cuda": 2**24}
"""Numbers that are taken to float64 at once: a few stay in the cache of a core; a GPU wants more."""
_SIMPLEX = 0.01
"""By how much the units of a softmax may miss the sum of 1: half types round each of them."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Measures how far apart the samples of each layer lie. Convolutions are flattened; squared units of the activation.

    - "total variance": tr Cov(T), ddof 0, which is what a relative noise of the kernel estimators is a share of.
    - "within-class distance", "between-class distance": the mean of ‖t_i − t_j‖² over the pairs of different samples of the same
      class, and of different classes; for every task with labels that fit the layer. NaN where there is no such pair.
    - "class separation": between / within, which no scale changes.
    - "saturated fraction": see ``saturated_fraction``; not of layers that are not bounded.
    """

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities with subject layer (and task, where there are several); replicas and timepoints are axes."""
        for layer, activation in snapshot.layers.items():
            if "sample" not in activation.axes:
                continue
            x = activation.variable()
            axes = {name: list(range(size)) for name, size in zip(activation.batch(), x.values.shape, strict=False)}
            found = {task: labels_of(labels, activation) for task, labels in snapshot.targets.items()}
            fitting = {task: y for task, y in found.items() if y is not None}
            whole = [y.values for y in fitting.values() if y.mask is None]
            variance, distances = spread(x, whole)
            rest = iter(distances)
            distances = [next(rest) if y.mask is None else _of_labelled(x, y) for y in fitting.values()]
            quantities = [("total variance", variance, {"layer": layer})]
            for task, apart in zip(fitting, distances, strict=True):
                subject = {"layer": layer, "task": task} if len(snapshot.targets) > 1 else {"layer": layer}
                quantities += [
                    ("within-class distance", apart.within, subject),
                    ("between-class distance", apart.between, subject),
                    ("class separation", apart.between / apart.within, subject),
                ]
            saturated = saturated_fraction(x)
            if saturated is not None:
                quantities.append(("saturated fraction", saturated, {"layer": layer}))
            for quantity, value, subject in quantities:
                yield Measurement(quantity=quantity, value=value.numpy(), unit="", subject=subject, axes=axes)


@dataclass(frozen=True, slots=True)
class Distances:
    """Mean squared Euclidean distances between samples of the same and of different classes, float64 of the batch's shape."""

    within: Tensor
    between: Tensor


def spread(x: Variable, labels: Sequence[Tensor]) -> tuple[Tensor, tuple[Distances, ...]]:
    """tr Cov of ``x`` (..., samples, units), ddof 0, and its ``Distances`` for each of ``labels`` (samples,) or (..., samples).

    From the sizes n_c, means m_c and sums of squares W_c = Σ‖t − m_c‖² of the classes, with m the mean of all N:

        Σ_{same} ‖t_i − t_j‖² = 2 Σ_c n_c W_c        Σ_{different} ‖t_i − t_j‖² = 2 Σ_c (N − n_c) W_c + 2 N Σ_c n_c ‖m_c − m‖²

    over ordered pairs, exactly, in O(N D). All in float64, on the CPU, of the batch's shape; NaN without data or without pairs.
    """
    batch, samples = x.values.shape[:-2], x.samples
    wide = [y.to(x.values.device).expand(*batch, samples).reshape(prod(batch), samples) for y in labels]
    variance: list[float] = []
    apart: list[list[tuple[float, float]]] = [[] for _ in labels]
    for rows, own in _elements(x, wide):
        total, of_classes = _spread(rows, own)
        variance.append(total)
        for found, pair in zip(apart, of_classes, strict=True):
            found.append(pair)

    def shaped(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).reshape(batch)

    return shaped(variance), tuple(Distances(shaped([w for w, _ in f]), shaped([b for _, b in f])) for f in apart)


def _of_labelled(x: Variable, y: Variable) -> Distances:
    """The distances among the samples that have a label."""
    assert y.mask is not None
    known = y.mask.expand(x.values.shape[:-1])
    return spread(replace(x, mask=known if x.mask is None else known & x.mask), [y.values])[1][0]


def saturated_fraction(x: Variable) -> Tensor | None:
    """The share of the activations of ``x`` (..., samples, units) near an end of their range, float64 of the batch's shape.

    Of layers within [-1, 1] (tanh) |t| > .95. Layers within [0, 1] have their ends there: |2t − 1| > .95, which for a sigmoid,
    (1 + tanh(z/2)) / 2, is the same condition on its tanh. Those with exact zeros are rectified units that happen to be small,
    unless the units of each sample sum to 1 (softmax). None for these, for every layer that leaves [-1, 1], which has no ends,
    and without any data. Decided for the batch as a whole, so that the number means the same everywhere in it; NaN for its
    elements without data, or with numbers that are not finite.
    """
    ranges = [tuple(map(float, rows.aminmax())) if rows.numel() else (nan, nan) for rows in _data(x)]
    finite = [isfinite(low) and isfinite(high) for low, high in ranges]
    known = [ends for ends, fine in zip(ranges, finite, strict=True) if fine]
    low, high = min((low for low, _ in known), default=nan), max((high for _, high in known), default=nan)
    if not (low >= -1 and high <= 1):
        return None
    if low == 0 and not all(_on_simplex(rows) for rows, fine in zip(_data(x), finite, strict=True) if fine):
        return None
    lower, upper = ((1 - SATURATED) / 2, (1 + SATURATED) / 2) if low >= 0 else (-SATURATED, SATURATED)
    shares = [_share(rows, lower, upper) if fine else nan for rows, fine in zip(_data(x), finite, strict=True)]
    return torch.tensor(shares, dtype=torch.float64).reshape(x.values.shape[:-2])


def _data(x: Variable) -> Iterator[Tensor]:
    """What is data of each element of the batch (data, units)."""
    return (rows for rows, _ in _elements(x, ()))


def _elements(x: Variable, labels: Sequence[Tensor]) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """What is data of each element of the batch: (data, units), and the same samples of ``labels`` (elements, samples)."""
    *batch, samples, units = x.values.shape
    values = x.values.detach().reshape(prod(batch), samples, units)
    if values.device.type == "mps":  # has no float64
        values, labels = values.cpu(), [y.cpu() for y in labels]
    mask = None if x.mask is None else x.mask.to(values.device).expand(*batch, samples).reshape(prod(batch), samples)
    for e in range(len(values)):
        own = (values[e], *(y[e] for y in labels))
        rows, *codes = own if mask is None else tuple(part[mask[e]] for part in own)
        yield rows, codes


def _parts(rows: Tensor) -> tuple[Tensor, ...]:
    """Samples (data, units) in pieces of a good size."""
    return rows.split(max(1, _CHUNK.get(rows.device.type, _CHUNK["cpu"]) // max(1, rows.shape[1])))


def _share(rows: Tensor, lower: float, upper: float) -> float:
    """The share of the numbers that are outside."""
    return sum(int(((part < lower) | (part > upper)).count_nonzero()) for part in _parts(rows)) / rows.numel()


def _on_simplex(rows: Tensor) -> bool:
    return all(bool(((part.float().sum(1) - 1).abs() < _SIMPLEX).all()) for part in _parts(rows))


def _spread(rows: Tensor, labels: Sequence[Tensor]) -> tuple[float, list[tuple[float, float]]]:
    """tr Cov of samples (data, units), and the mean squared distance within and between the classes of each of ``labels``."""
    number, units = rows.shape
    if not number:
        return nan, [(nan, nan)] * len(labels)
    classes = [torch.unique(y, return_inverse=True, return_counts=True)[1:] for y in labels]
    # The first sample is taken off: no sum cancels by a large mean, and a constant layer is exactly 0.
    origin = rows[0].double()
    sums = [origin.new_zeros(len(sizes), units) for _, sizes in classes]
    everything, squares = torch.zeros_like(origin), origin.new_empty(number)
    first = 0
    for part in _parts(rows):
        moved = part - origin  # in float64, as the origin is
        here = slice(first, first + len(moved))
        first += len(moved)
        squares[here] = (moved * moved).sum(1)
        everything += moved.sum(0)
        for sum_, (codes, _) in zip(sums, classes, strict=True):
            sum_.index_add_(0, codes[here], moved)
    mean = everything / number
    total = float((squares.sum() / number - mean @ mean).clamp(min=0))
    return total, [_apart(squares, s, codes, sizes) for s, (codes, sizes) in zip(sums, classes, strict=True)]


def _apart(squares: Tensor, sums: Tensor, codes: Tensor, sizes: Tensor) -> tuple[float, float]:
    """Mean squared distances within and between classes, from ‖t‖² of each sample and Σt (classes, units), by any origin."""
    n = sizes.double()
    number = n.sum()
    means = sums / n[:, None]
    inside = torch.zeros_like(n).index_add_(0, codes, squares) - (sums * means).sum(1)
    inside = inside.clamp(min=0)
    outside = (n * (means - sums.sum(0) / number).square().sum(1)).sum()
    within = 2 * (n * inside).sum() / (n * (n - 1)).sum()
    between = 2 * (((number - n) * inside).sum() + number * outside) / (n * (number - n)).sum()
    return float(within), float(between)
