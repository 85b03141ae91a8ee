"""What one update of the training changes: the loss, and the activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from ibmon.capture.evaluate import forward
from ibmon.capture.layers import Asked, choose
from ibmon.tensors import Activation, EvaluationSet

from .gradients import Loss

_CHUNK = 8192
"""Samples whose graph is in memory at once."""


def loss_dynamics(
    loss: Loss, x: Tensor, y: Tensor, *, lr: float, plain_sgd: bool, double: bool = True
) -> Callable[..., dict[str, Activation]]:
    """A probe of an update: how the loss on the whole of ``x``, ``y`` changed, and what first-order laws say it should have.

    With g₀, g₁ the gradients of that loss before and after the update Δθ, for every parameter: the flow law −lr ‖g₀‖²,
    g₀·Δθ, and the trapezoid ½ (g₀ + g₁)·Δθ, and the loss before and after. ``lr`` is the learning rate, and ``plain_sgd`` whether
    the flow law can hold at all: for another optimizer it is measured to show that it does not. ``loss`` is the mean over the
    samples it is given; ``double`` computes in float64, because one update changes the loss in its fourth digit.

    Watch it as ``updates={"dynamics": ...}``: the analysis ``loss-dynamics`` shows it. It costs two passes forward and back over
    all of ``x`` a snapshot.
    """

    def probe(before: nn.Module, after: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> dict[str, Activation]:
        if double:
            before, after = before.double(), after.double()
        losses = torch.stack([_whole(loss, model, x, y) for model in (before, after)])
        out = {"loss": Activation(losses.cpu(), ("side",)), "sgd": Activation(torch.tensor([float(plain_sgd)]), ("value",))}
        later = dict(after.named_parameters())
        for name, p in before.named_parameters():
            g0, g1 = p.grad, later[name].grad
            if g0 is None or g1 is None:
                continue
            moved = (later[name] - p).detach()
            laws = torch.stack([-lr * g0.square().sum(), (g0 * moved).sum(), ((g0 + g1) * moved).sum() / 2])
            out[f"laws.{name}"] = Activation(laws.double().cpu(), ("law",))
        return out

    return probe


def _whole(loss: Loss, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The loss over all samples; its gradients are left in the model."""
    kind = next(chain(model.parameters(), model.buffers())).dtype
    model.zero_grad(set_to_none=True)
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    for rows in torch.arange(len(x), device=x.device).split(_CHUNK):
        part = x[rows]
        part = part.to(kind) if part.is_floating_point() else part
        share = loss(model, part, y[rows]) * (len(rows) / len(x))
        share.backward()
        total += share.detach()
    return total


def activation_change(layers: Asked = None) -> Callable[..., dict[str, Activation]]:
    """A probe of an update: the activations on the evaluation set before and after it, of ``layers`` as for ``Monitor.watch``.

    Watch it as ``updates={"change": ...}``: the analysis ``information-derivative`` says from it how fast the information of a
    layer changes, and between which samples.
    """

    def probe(before: nn.Module, after: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> dict[str, Activation]:
        out: dict[str, Activation] = {}
        for side, model in (("before", before), ("after", after)):
            with torch.no_grad():
                found, _ = forward(model, choose(model, layers), data)
            out |= {f"{side}.{name}": activation for name, activation in found.items()}
        return out

    return probe


def changes(probes: Mapping[str, Activation], name: str) -> list[tuple[str, Activation, Activation]]:
    """What the probe ``activation_change`` called ``name`` said: layer, activation before, activation after."""
    first = f"{name}.before."
    layers: Sequence[str] = [key.removeprefix(first) for key in probes if key.startswith(first)]
    return [(layer, probes[first + layer], probes[f"{name}.after.{layer}"]) for layer in layers]
