"""Batches and masks for estimators that are written for one layer at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from .records import DETAILS
from .tensors import Estimate, Variable

COMPANIONS = ("lower", "upper", *DETAILS)


def one_by_one(function: Callable[[Variable, Variable], Estimate], x: Variable, ys: Sequence[Variable]) -> tuple[Estimate, ...]:
    """What ``function`` says of each y, element by element of the batch of ``x``, as an estimator has to return it.

    ``function(x, y)`` gets variables without a batch and without masked samples, in which everything is finite and something is
    data, and returns an estimate of 0-d tensors. Elements without data are NaN and flagged ``empty``, those with NaN or
    infinities are NaN and flagged ``nonfinite``. Raises ValueError where the shapes of ``x`` and a y do not fit.
    """
    return tuple(_stacked([_one(function, a, b) for a, b in _elements(x, y)], x) for y in ys)


def _one(function: Callable[[Variable, Variable], Estimate], x: Variable, y: Variable) -> Estimate:
    empty = x.samples == 0
    nonfinite = not all(bool(v.values.isfinite().all()) for v in (x, y))
    if empty or nonfinite:
        found = Estimate(torch.tensor(torch.nan, dtype=torch.float64, device=x.values.device), unit="")
    else:
        found = function(x, y)
    own = {"empty": empty, "nonfinite": nonfinite}
    return replace(found, flags={**{name: torch.tensor(raised) for name, raised in own.items()}, **found.flags})


def _elements(x: Variable, y: Variable) -> Iterator[tuple[Variable, Variable]]:
    """Each element's data of both variables, without batch and mask."""
    batch, samples = _batch(x), x.samples
    if y.samples != samples:
        raise ValueError(f"{y.samples} samples of y do not fit {samples} samples of x")
    device = x.values.device
    kept = torch.ones(*batch, samples, dtype=torch.bool, device=device)
    for mask in (x.mask, y.mask):
        if mask is not None:
            kept = kept & _expanded(mask.to(device), (*batch, samples), "a mask")
    count = prod(batch)
    parts = [_expanded(v.values.to(device), (*batch, samples, *_dims(v)), f"y ({v.kind})") for v in (x, y)]
    rows = [part.reshape(count, samples, *_dims(v)) for part, v in zip(parts, (x, y), strict=True)]
    for data, of_x, of_y in zip(kept.reshape(count, samples), *rows, strict=True):
        yield Variable(of_x[data], x.kind), Variable(of_y[data], y.kind)


def _batch(x: Variable) -> tuple[int, ...]:
    return tuple(x.values.shape[: -2 if x.kind == "continuous" else -1])


def _dims(v: Variable) -> tuple[int, ...]:
    return tuple(v.values.shape[-1:]) if v.kind == "continuous" else ()


def _expanded(values: Tensor, shape: tuple[int, ...], what: str) -> Tensor:
    try:
        return values.expand(shape)
    except RuntimeError:
        raise ValueError(f"{what} of shape {tuple(values.shape)} does not fit {shape}") from None


def _stacked(estimates: list[Estimate], x: Variable) -> Estimate:
    """Estimates of single elements as one of the batch's shape; what only some of them say is NaN for the others."""
    batch, device = _batch(x), x.values.device
    nothing, no = torch.tensor(torch.nan, dtype=torch.float64), torch.tensor(False)

    def stack(given: Sequence[Tensor | None]) -> Tensor | None:
        if all(tensor is None for tensor in given):
            return None
        return torch.stack([(nothing if t is None else t).double().to(device) for t in given]).reshape(batch)

    value = stack([e.value for e in estimates])
    names = dict.fromkeys(name for e in estimates for name in e.flags)
    raised = {name: torch.stack([e.flags.get(name, no).to(device) for e in estimates]).reshape(batch) for name in names}
    return Estimate(
        torch.empty(batch, dtype=torch.float64, device=device) if value is None else value,
        unit=next((e.unit for e in estimates if e.unit), "bits"),
        flags=raised,
        **{name: stack([getattr(e, name) for e in estimates]) for name in COMPANIONS},
    )
