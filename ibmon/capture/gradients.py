"""Statistics of minibatch gradients over a window, at the cost of one buffer and a few fused operations a minibatch.

Sums are kept of g − g₀ (g₀ is the window's first gradient), so that the variance does not cancel where the signal is far larger
than the noise; full batches give exactly zero. Nothing is read back from the device before the window is closed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ibmon.tensors import GradientStatistics

if TYPE_CHECKING:
    from torch import Tensor, nn

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
    _missing: bool | None = None
    _first: list[Tensor] = field(default_factory=list["Tensor"])
    _sums: list[Tensor] = field(default_factory=list["Tensor"])
    _squares: Tensor | None = None

    @torch.no_grad()
    def add(self, scale: Tensor | float | None = None) -> None:
        """Take the gradients that the parameters hold now, divided by ``scale``.

        A parameter without one (the head of another task) did not take part: its gradient of this minibatch is zero.
        """
        found = [p.grad for p in self.parameters.values()]
        if self._missing is None or any(g is None for g in found) or self._missing:
            found = self._present(found)
            if found is None:
                return
        values = [_full(g) for g in found if g is not None]
        if scale is not None:
            values = list(foreach_div(values, scale))
        if not self._first:
            self._first = [torch.where(torch.isfinite(v).all(), v, torch.zeros_like(v)) for v in values]
            self._sums = [torch.zeros_like(v) for v in values]
        shifted = list(foreach_sub(values, self._first))
        squares = self._squared_norms(shifted)
        if squares.device.type == "cpu":
            if not math.isfinite(float(squares.sum())):
                self.nonfinite += 1
                return
        else:
            # Reading whether all is finite would wait for the device: a bad minibatch is multiplied out instead.
            finite = torch.isfinite(squares).all()
            shifted = [torch.where(finite, s, torch.zeros_like(s)) for s in shifted]
            squares = torch.where(finite, squares, torch.zeros_like(squares))
            self.nonfinite = self.nonfinite + (~finite)
        foreach_add_(self._sums, shifted)
        self._squares = squares if self._squares is None else self._squares + squares
        self.count += 1

    def _present(self, found: list[Tensor | None]) -> list[Tensor | None] | None:
        """The gradients with zeros for those that are missing or sparse; None where there is none at all."""
        usable = [g if g is not None and not g.is_sparse else None for g in found]
        self._seen |= {name for name, g in zip(self.parameters, usable, strict=True) if g is not None}
        if not any(g is not None for g in usable):
            self.empty = True
            return None
        self._missing = any(g is None for g in usable)
        return [torch.zeros_like(p) if g is None else g for g, p in zip(usable, self.parameters.values(), strict=True)]

    def _squared_norms(self, tensors: list[Tensor]) -> Tensor:
        """(tensors,) or (tensors, replicas), float64."""
        if self.replicas is None:
            norms = torch.stack(list(foreach_norm(tensors)))
        else:
            norms = torch.stack([t.reshape(self.replicas, -1).norm(dim=1) for t in tensors])
        return norms.double().square()

    @torch.no_grad()
    def close(self, population: int | None = None) -> dict[str, GradientStatistics]:
        """The statistics of every parameter that had a gradient; empty when nothing was added."""
        nonfinite = int(self.nonfinite)
        count = self.count if not isinstance(self.nonfinite, torch.Tensor) else self.count - nonfinite
        if self._squares is None or count < 1:
            return {}
        means = [f + s / count for f, s in zip(self._first, self._sums, strict=True)]
        offset = self._squared_norms(self._sums) / count**2
        variance = (self._squares / count - offset).clamp_min(0.0)
        norms = torch.stack(
            [self._squared_norms(means), variance, self._squared_norms([_full(p) for p in self.parameters.values()])]
        )
        columns = norms.sqrt().cpu().unbind(1)
        out: dict[str, GradientStatistics] = {}
        for (name, p), values in zip(self.parameters.items(), columns, strict=True):
            if name in self._seen:
                mean, std, norm = values if self.replicas else values.tolist()
                size = p.numel() // (self.replicas or 1)
                out[name] = GradientStatistics(mean, std, count, norm, size, nonfinite, population)
        return out


def before_update(args: tuple[Any, ...], kwargs: dict[str, Any], read: Callable[[], None]) -> Any:
    """Read the gradients of an update: now, or after the closure that ``optimizer.step`` was given has made them.

    What a hook before the step returns: None, or the arguments with a closure that reads, once, however often it is called
    (LBFGS): at the weights that the update begins with. Optimizers of one's own take what they like: whatever is no function is
    left alone, and everything stays where it was.
    """
    closure = kwargs["closure"] if "closure" in kwargs else next(iter(args[1:]), None)
    if not callable(closure):
        read()
        return None
    waiting = True

    def heard(*given: Any, **named: Any) -> Any:
        nonlocal waiting
        loss = closure(*given, **named)
        if waiting:
            waiting = False
            read()
        return loss

    if "closure" in kwargs:
        return args, {**kwargs, "closure": heard}
    return (args[0], heard, *args[2:]), kwargs


def parameters_of(model: nn.Module | None, optimizer: torch.optim.Optimizer | None) -> dict[str, nn.Parameter]:
    """The parameters whose gradients are read, by name."""
    if model is not None:
        return {name: p for name, p in model.named_parameters() if p.requires_grad}
    if optimizer is None:
        return {}
    listed = [p for group in optimizer.param_groups for p in group["params"]]
    return {f"parameter{i}": p for i, p in enumerate(listed)}


def _full(tensor: Tensor) -> Tensor:
    """Half precision as float32: squares of gradients do not fit into it."""
    tensor = tensor.detach()
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def evenly(index: int, total: int | None, most: int = MOST_MINIBATCHES) -> bool:
    """Whether minibatch ``index`` of ``total`` is one of at most ``most`` evenly spaced ones; the first ones when unknown."""
    if total is None or total <= most:
        return index < most
    return index * most // total != (index - 1) * most // total
