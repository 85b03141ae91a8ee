"""Divergences of a Gaussian layer from N(0, I), which bound I(X;T) from above."""

from __future__ import annotations

from math import isfinite, log

import torch
from torch import Tensor

from .tokens import tokens


def vib_kl(mean: Tensor, log_variance: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """The mean over tokens of KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (σ² + μ² − 1 − ln σ²), in nats.

    ``mean`` (..., units) is μ; ``log_variance``, ln σ², has the same shape or one that expands to it, such as (units,); ``mask``
    (...) is True where there is data. The loss of the variational information bottleneck is ``nll.mean() + beta * vib_kl(...)``,
    where the prediction is made from ``mean + (0.5 * log_variance).exp() * torch.randn_like(mean)``. Its part in μ alone is
    ``activation_norm(mean)`` with the weight λ = β/2.

    Alemi et al. 2016, "Deep variational information bottleneck"; equations 6 and 7 of "From Information Bottleneck to Activation
    Norm Penalty". Raises ValueError for shapes that do not fit and without any data.
    """
    pairs = zip(reversed(log_variance.shape), reversed(mean.shape), strict=False)
    if log_variance.ndim > mean.ndim or any(own not in (1, size) for own, size in pairs):
        raise ValueError(f"log_variance {tuple(log_variance.shape)} does not expand to the mean's {tuple(mean.shape)}")
    mu = tokens(mean, mask, "mean")
    ln = tokens(log_variance.expand_as(mean), mask, "log_variance")
    # σ² − 1 − ln σ² vanishes quadratically at σ = 1, where the plain difference would be rounding alone.
    return 0.5 * (mu.square() + (ln.expm1() - ln)).sum(-1).mean()


def gp_kl(phi: Tensor, *, noise: float = 0.0, mask: Tensor | None = None) -> Tensor:
    """KL(N(0, K̂ + εI) ‖ N(0, I)) / N, in nats a token, of the Gaussian process whose covariance N tokens' activations are.

    (1/2N) {tr K̂ + εN − N − ln|K̂ + εI|} with K̂ = φφᵀ/K of ``phi`` (..., units), K units, all tokens together; ε = ``noise``;
    ``mask`` (...) is True where there is data. This is equation 10 of "From Information Bottleneck to Activation Norm Penalty"
    with the log-determinant and the constant −N, which the paper leaves out of its loss. The trace is ``activation_norm(phi)``
    with the weight 1/(2K). The divergence is 0, and least, at K̂ + εI = I: tokens orthogonal to each other, none of them 0. The
    trace alone is least at φ = 0, where the divergence is infinite (ε = 0).

    The rank of K̂ is at most K. With more tokens than units, or tokens of the same activations, the divergence is infinite unless
    ε > 0; each of the N − K directions that are missing then adds −ln ε, a constant. The work is O(N K min(N, K)), in double
    precision, because the eigenvalues of K̂ span more than single precision resolves.

    Raises ValueError for a noise that is negative or not finite, where K̂ + εI is singular or not finite, for activations without
    units, a mask that does not fit, and without any data.
    """
    if not (isfinite(noise) and noise >= 0):
        raise ValueError(f"the noise of the Gaussian process is a finite variance of 0 or more, not {noise}")
    rows = tokens(phi, mask, "phi")
    n, k = rows.shape
    if n > k and noise == 0:
        raise ValueError(f"{n} tokens of {k} units have a singular covariance: give a noise > 0, or fewer tokens")
    scaled = rows.double() / k**0.5
    # |εI + ΦΦᵀ| = ε^(N − K) |εI + ΦᵀΦ|, so that the smaller of both is factorised.
    gram = scaled @ scaled.mT if n <= k else scaled.mT @ scaled
    factor, failed = torch.linalg.cholesky_ex(gram + noise * torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
    if failed.item() or not factor.detach().isfinite().all():
        raise ValueError("the covariance of the tokens is singular or not finite: a noise > 0 keeps tokens that are alike apart")
    determinant = 2 * factor.diagonal().log().sum() + (max(n - k, 0) * log(noise) if noise else 0.0)
    return ((gram.trace() - determinant) / (2 * n) + (noise - 1) / 2).to(rows.dtype)
