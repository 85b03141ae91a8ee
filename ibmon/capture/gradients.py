"""Statistics of minibatch gradients over a window, at the cost of one buffer and a few fused operations a minibatch.

Sums are kept of g − g₀ (g₀ is the window's first gradient), so that the variance does not cancel where the signal is far larger
than the noise; full batches give exactly zero. Nothing is read back from the device before the window is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ibmon.tensors import GradientStatistics

if TYPE_CHECKING:
    from torch import Tensor

MOST_MINIBATCHES = 32

# One kernel for all parameters: the optimizers of torch use these, their names are private for now.
_torch: Any = torch
foreach_add_, foreach_div = _torch._foreach_add_, _torch._foreach_div
foreach_norm, foreach_sub = _torch._foreach_norm, _torch._foreach_sub


@dataclass(slots=True)
class GradientWindow:
    """Accumulates the gradients of named parameters; ``replicas`` says that their first dimension is one of networks."""

    parameters: Mapping[str, Tensor]
    replicas: int | None = None
    count: int = 0
    nonfinite: int | Tensor = 0
    empty: bool = False
    """No parameter had a gradient when one was to be read."""
    _seen: set[str] = field(default_factory=set[str])
    _first: list[Tensor] = field(default_factory=list["Tensor"])
    _sums: list[Tensor] = field(default_factory=list["Tensor"])
    _squares: Tensor | None = None

    @torch.no_grad()
    def add(self, scale: Tensor | float | None = None) -> None:
        """Take the gradients that the parameters hold now, divided by ``scale``.

        A parameter without one (the head of another task) did not take part: its gradient of this minibatch is zero.
        """
        present = {n for n, p in self.parameters.items() if p.grad is not None and not p.grad.is_sparse}
        if not present:
            self.empty = True
            return
        self._seen |= present
        values = [
            _full(p.grad) if n in present and p.grad is not None else torch.zeros_like(p) for n, p in self.parameters.items()
        ]
        if scale is not None:
            values = list(foreach_div(values, scale))
        if not self._first:
            self._first = [torch.where(torch.isfinite(v).all(), v, torch.zeros_like(v)) for v in values]
            self._sums = [torch.zeros_like(v) for v in values]
        shifted = list(foreach_sub(values, self._first))
        squares = self._squared_norms(shifted)
        finite = torch.isfinite(squares).all()
        if squares.device.type == "cpu":
            if not bool(finite):
                self.nonfinite += 1
                return
        else:
            # Reading ``finite`` would wait for the device: a bad minibatch is multiplied out instead.
            shifted = [torch.where(finite, s, torch.zeros_like(s)) for s in shifted]
            squares = torch.where(finite, squares, torch.zeros_like(squares))
            self.nonfinite = self.nonfinite + (~finite)
        foreach_add_(self._sums, shifted)
        self._squares = squares if self._squares is None else self._squares + squares
        self.count += 1

    def _squared_norms(self, tensors: list[Tensor]) -> Tensor:
        """(tensors,) or (tensors, replicas), float64."""
        if self.replicas is None:
            norms = torch.stack(list(foreach_norm(tensors)))
        else:
            norms = torch.stack([t.reshape(self.replicas, -1).norm(dim=1) for t in tensors])
        return norms.double().square()

    @torch.no_grad()
    def close(self) -> dict[str, GradientStatistics]:
        """The statistics of every parameter that had a gradient; empty when nothing was added."""
        nonfinite = int(self.nonfinite)
        count = self.count if not isinstance(self.nonfinite, torch.Tensor) else self.count - nonfinite
        if self._squares is None or count < 1:
            return {}
        means = [f + s / count for f, s in zip(self._first, self._sums, strict=True)]
        offset = self._squared_norms(self._sums) / count**2
        variance = (self._squares / count - offset).clamp_min(0.0)
        mean = self._squared_norms(means).sqrt().cpu()
        std = variance.sqrt().cpu()
        weights = self._squared_norms([_full(p) for p in self.parameters.values()]).sqrt().cpu()
        out: dict[str, GradientStatistics] = {}
        for i, (name, p) in enumerate(self.parameters.items()):
            if name not in self._seen:
                continue
            size = p.numel() // (self.replicas or 1)
            values = [v[i] if self.replicas else float(v[i]) for v in (mean, std, weights)]
            out[name] = GradientStatistics(values[0], values[1], count, values[2], size, nonfinite)
        return out


def _full(tensor: Tensor) -> Tensor:
    """Half precision as float32: squares of gradients do not fit into it."""
    tensor = tensor.detach()
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def evenly(index: int, total: int | None, most: int = MOST_MINIBATCHES) -> bool:
    """Whether minibatch ``index`` of ``total`` is one of at most ``most`` evenly spaced ones; the first ones when unknown."""
    if total is None or total <= most:
        return index < most
    return index * most // total != (index - 1) * most // total
