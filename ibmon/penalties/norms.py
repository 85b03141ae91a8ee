"""The activation norm penalty: "From Information Bottleneck to Activation Norm Penalty", equations 10 and 11."""

from __future__ import annotations

from math import isfinite
from typing import Literal

from torch import Tensor

from .tokens import tokens

Norm = Literal["l1", "l2", "linf"]
Convention = Literal["sum", "n_over_k", "one_over_k"]


def activation_norm(phi: Tensor, *, norm: Norm = "l2", mask: Tensor | None = None) -> Tensor:
    """The mean over tokens of ‖φ‖₂² (``l2``), of ‖φ‖₁ (``l1``) or of ‖φ‖_∞ (``linf``), of activations ``phi`` (..., units).

    Only the L2 norm is squared: so the trace in equation 10 has it. The paper's table 5 (a) names the others without an
    equation; here they are the norms themselves. The paper's φ is the output of the last layer, before the projection to the
    logits. ``mask`` (...) is True where there is data. The loss is ``nll.mean() + weight * activation_norm(phi)``; ``eta`` gives
    the weight λ.

    Raises ValueError for an unknown norm, for activations without units, a mask that does not fit, and without any data.
    """
    rows = tokens(phi, mask, "phi")
    if norm == "l2":
        return rows.square().sum(-1).mean()
    if norm == "l1":
        return rows.abs().sum(-1).mean()
    if norm == "linf":
        return rows.abs().amax(-1).mean()
    raise ValueError(f"the norm is l1, l2 or linf, not {norm!r}")


def eta(value: float, convention: Convention = "sum", *, n: int, k: int) -> float:
    """The weight λ of ``activation_norm`` for η = ``value``; the loss sums over ``n`` tokens, the layer has ``k`` units.

    The paper's loss is a sum (equation 3); divided by n it is the mean negative log likelihood + λ · mean ‖φ‖², where

    - ``sum``: η Σ‖φ‖², so λ = η;
    - ``n_over_k``: η (N/K) Σ‖φ‖², as equations 10 and 11 are printed, so λ = η N/K;
    - ``one_over_k``: η tr K̂ = η (1/K) Σ‖φ‖², which is what the paper's K̂ = ΦΦᵀ with rows φ/√K has as its trace, so λ = η/K.

    Raises ValueError for an η that is negative or not finite, for n or k below 1, and for an unknown convention.
    """
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"eta is a finite weight of 0 or more, not {value}")
    if n < 1 or k < 1:
        raise ValueError(f"eta needs at least one token and one unit, not n = {n} and k = {k}")
    if convention == "sum":
        return float(value)
    if convention == "n_over_k":
        return value * n / k
    if convention == "one_over_k":
        return value / k
    raise ValueError(f"the convention of eta is sum, n_over_k or one_over_k, not {convention!r}")
