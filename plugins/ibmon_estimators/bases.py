"""Orthonormal bases of what the columns of a variable span: linear dependence without forming a covariance.

Nothing is squared, and directions in which there are no data are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .aligned import LARGEST

Scores = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]
"""(values (elements, samples, units), mask) -> what is taken to be Gaussian, and which columns have ties (elements, units)."""


@dataclass(frozen=True, slots=True)
class Method:
    """What estimators that end in Gaussian information differ in; ``scores`` None takes the values as they are."""

    name: str
    bias_corrected: bool
    permutations: int
    scores: Scores | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns (elements, samples, units), centred and of norm 1: 0 where constant, not finite, or masked.

    ``log_norm`` is ln of the norm they had, ``constant``, ``finite`` and ``ties`` are boolean; all (elements, units).
    """

    values: Tensor
    log_norm: Tensor
    constant: Tensor
    finite: Tensor
    ties: Tensor


def columns_of(method: Method, values: Tensor, mask: Tensor | None) -> Columns:
    elements, size, units = values.shape
    ties = torch.zeros(elements, units, dtype=torch.bool, device=values.device)
    if size == 0:
        return Columns(values.double(), torch.full_like(ties, -torch.inf, dtype=torch.float64), ~ties, ~ties, ties)
    if method.scores is None:
        z = values.to(torch.float64, copy=True)
    else:
        z, ties = method.scores(values, mask)
    # The first row is taken off before the mean, so that a constant column becomes exactly 0.
    if mask is None:
        z -= z[:, :1].clone()
        z -= z.mean(1, keepdim=True)
    else:
        outside = ~mask[..., None]
        z -= z[torch.arange(elements, device=z.device), mask.int().argmax(-1)][:, None]
        z.masked_fill_(outside, 0)
        z -= z.sum(1, keepdim=True) / mask.sum(1).clamp(min=1)[:, None, None]
        z.masked_fill_(outside, 0)
    low, high = z.aminmax(dim=1)
    largest = torch.maximum(-low, high)  # squares of what is divided by it neither overflow nor vanish
    finite = largest.isfinite()
    if not bool(finite.all()):
        z.masked_fill_(~finite[:, None], 0)
        largest = largest.masked_fill(~finite, 0)
    constant = largest == 0
    z /= largest.masked_fill(constant, 1)[:, None]
    norm = torch.linalg.vector_norm(z, dim=1)
    z /= norm.masked_fill(constant, 1)[:, None]
    return Columns(z, largest.log() + norm.log(), constant & finite, finite, ties)


@dataclass(frozen=True, slots=True)
class Basis:
    """An orthonormal basis (elements, samples, directions) of what columns span: columns beyond the ``rank`` are 0.

    ``units`` columns there were; ``rank``, ``finite`` and ``ties`` are (elements,).
    """

    vectors: Tensor
    rank: Tensor
    units: int
    finite: Tensor
    ties: Tensor

    def without(self, columns: Tensor) -> Tensor:
        """``columns`` (elements, samples, units) after regression on the basis; twice, which takes off what rounding left."""
        for _ in range(2):
            columns = columns - self.vectors @ (self.vectors.mT @ columns)
        return columns


def basis_of(method: Method, values: Tensor, mask: Tensor | None, given: Basis | None = None) -> Basis:
    """Basis of ``values`` (elements, samples, units), or of what remains of them after regression on ``given``."""
    elements, size, units = values.shape
    step = max(1, units if units <= size else max(size, LARGEST // max(1, elements * size)))
    factor = torch.zeros(elements, size, 0, dtype=torch.float64, device=values.device)
    finite, ties = (torch.full((elements,), start, device=values.device) for start in (True, False))
    for first in range(0, units, step):  # more than one only where there are more units than samples
        columns = columns_of(method, values[..., first : first + step], mask)
        finite, ties = finite & columns.finite.all(-1), ties | columns.ties.any(-1)
        z = columns.values if given is None else given.without(columns.values)
        factor = z if units <= size else triangular(torch.cat([factor, z], -1).mT).mT
    vectors, rank = orthonormal(factor, tolerance(values))
    return Basis(vectors, rank, units, finite, ties)


def orthonormal(columns: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Left singular vectors of ``columns`` (elements, samples, units) and how many singular values exceed ``tolerance``."""
    if columns.numel() == 0:
        return columns[..., :0], torch.zeros(len(columns), dtype=torch.float64, device=columns.device)
    tall = columns.shape[2] < columns.shape[1]
    q, r = torch.linalg.qr(columns) if tall else (None, columns)
    left, singular, _ = torch.linalg.svd(r, full_matrices=False)
    counted = singular > tolerance
    rank = counted.sum(-1)
    left = (left * counted[:, None])[..., : int(rank.max())]
    return left if q is None else q @ left, rank.double()


def triangular(columns: Tensor) -> Tensor:
    """A square matrix (elements, k, k) of the same singular values, k the fewer of samples and units."""
    tall = columns if columns.shape[1] >= columns.shape[2] else columns.mT
    return torch.linalg.qr(tall, mode="r").R


def tolerance(values: Tensor) -> float:
    """Singular value, of columns of norm 1, under which a direction is rounding: that of the type the data came in."""
    return 1e-10 if values.dtype == torch.float64 else 1e-5
