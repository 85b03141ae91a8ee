"""The Bayesian information penalty: "From Information Bottleneck to Activation Norm Penalty", equations 8 and 9."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor, nn

from .gaussians import vib_kl


@dataclass(frozen=True, slots=True)
class BayesianStates:
    """Of a recurrent layer with random states, each (samples, time, units): states ``h``, their ``mean`` μ, cells ``c``."""

    h: Tensor
    mean: Tensor
    c: Tensor


def bayesian_lstm(
    cell: nn.LSTMCell,
    inputs: Tensor,
    log_variance: Tensor,
    *,
    state: tuple[Tensor, Tensor] | None = None,
    sample: bool = True,
    rng: torch.Generator | None = None,
) -> BayesianStates:
    """An LSTM whose states are drawn, h_t ~ N(μ_t, diag σ²) with μ_t = o ⊙ tanh(c_t) (equation 8), and handed on as drawn.

    ``inputs`` (samples, time, features); ``log_variance`` (units,) is ln σ², an ``nn.Parameter`` of the layer and no function of
    its inputs; ``state`` is (h, c), each (samples, units), zeros unless given. Carry on with
    ``(found.h[:, -1].detach(), found.c[:, -1].detach())``. With ``sample=False``, for evaluation, h is μ and the layer is the
    LSTM itself. ``rng`` draws; torch's global generator, as for dropout, unless given.

    Raises ValueError for inputs, a variance or a state whose shapes do not fit the cell, and without a timepoint.
    """
    if inputs.ndim != 3 or inputs.shape[-1] != cell.input_size or not inputs.shape[1]:
        raise ValueError(f"inputs are (samples, time, {cell.input_size}) with a timepoint, not {tuple(inputs.shape)}")
    if log_variance.shape != (cell.hidden_size,):
        raise ValueError(f"log_variance is of each unit, ({cell.hidden_size},), not {tuple(log_variance.shape)}")
    expected = (len(inputs), cell.hidden_size)
    if state is None:
        zeros = inputs.new_zeros(expected)
        state = zeros, zeros
    elif any(part.shape != expected for part in state):
        raise ValueError(f"the state is h and c of {expected}, not {[tuple(part.shape) for part in state]}")
    h, c = state
    deviation = (0.5 * log_variance).exp()
    states: list[tuple[Tensor, Tensor, Tensor]] = []
    for x in inputs.unbind(1):
        mean, c = cell(x, (h, c))
        h = mean
        if sample:
            h = mean + deviation * torch.randn(mean.shape, generator=rng, dtype=mean.dtype, device=mean.device)
        states.append((h, mean, c))
    return BayesianStates(*(torch.stack(series, 1) for series in zip(*states, strict=True)))


def bayesian_information(mean: Tensor, log_variance: Tensor, *, beta: float = 1.0, mask: Tensor | None = None) -> Tensor:
    """The mean over tokens of β KL(N(μ_t, diag σ²) ‖ N(0, I)), in nats: the second term of equation 9, weighted by ``beta``.

    ``mean`` (..., units) is that of the states of ``bayesian_lstm``; ``log_variance`` (units,), ln σ², is the parameter that all
    tokens share; ``mask`` (...) is True where there is data. The loss is ``nll.mean() + bayesian_information(...)``. Equation 9
    has β = 1. The divergence is a sum over units: 512 of them at μ = 0, σ = 0.5 cost 163 nats a token, where guessing one of
    10,000 words costs 9.

    Raises ValueError for a β that is negative or not finite, and for shapes that do not fit.
    """
    if not (isfinite(beta) and beta >= 0):
        raise ValueError(f"beta is a finite weight of 0 or more, not {beta}")
    if log_variance.shape != mean.shape[-1:]:
        raise ValueError(f"log_variance is of each unit, {tuple(mean.shape[-1:])}, not {tuple(log_variance.shape)}")
    return beta * vib_kl(mean, log_variance, mask=mask)
