"""Many networks of the recipe ``tishby`` trained as one batched model: stacked parameters, one step of one optimizer for all.

Inside, activations lie as (replicas, units, samples): with the samples innermost, products of stacked small matrices are
several times as fast as with the units there, and autograd costs no more than a backward pass written by hand (measured).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import ibmon
from ibmon import probes
from ibmon_recipes import networks

if TYPE_CHECKING:
    from ibmon_recipes.tishby import Start

SPREAD: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda each: each.quantile(0.5),
    " min": torch.amin,
    " max": torch.amax,
}
"""What is logged of all networks, by what is added to the name of the series."""


class Tanh(torch.autograd.Function):
    """``torch.tanh`` to 2e-7 as 2 σ(2z) − 1, in a third of its time on a CPU, which would be a third of an epoch (measured)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        t = z.mul(2).sigmoid_().mul_(2).sub_(1)
        ctx.save_for_backward(t)
        return t

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (t,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(gradient, t)


class Stacked(nn.Module):
    """The same linear layer of every network: ``weight`` ``(replicas, units, inputs)`` and ``bias`` ``(replicas, units)``."""

    def __init__(self, linears: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([linear.weight.detach() for linear in linears]))
        self.bias = nn.Parameter(torch.stack([linear.bias.detach() for linear in linears]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(2), self.weight, x)


class Replicas(nn.Module):
    """Fully connected networks of one shape as one model. Layer k of all of them is module ``k``.

    ``noise`` has a generator for every network, and draws from each what the network alone would.
    """

    def __init__(
        self, singles: Sequence[nn.Sequential], activation: str, controls: networks.Controls, noise: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        each = [[module for module in network.modules() if isinstance(module, nn.Linear)] for network in singles]
        for number, linears in enumerate(zip(*each, strict=True), start=1):
            self.add_module(str(number), Stacked(linears))
        self.replicas = len(singles)
        self.nonlinearity = {"tanh": Tanh.apply, "relu": torch.relu}[activation]
        self.controls = controls
        self.noise = list(noise)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(replicas, classes, samples)`` of inputs ``(replicas, samples, units)``."""
        return self.outputs(x)[-1]

    def outputs(self, x: Tensor) -> list[Tensor]:
        """T of every hidden layer, before its noise, and the logits at last, each ``(replicas, units, samples)``."""
        *hidden, last = self.children()
        out: list[Tensor] = []
        given = x.mT
        for layer in hidden:
            out.append(self.nonlinearity(layer(given)))
            # With T → cT, W → W/c the factors cancel, but for the noise, which is added to cT.
            given = out[-1] + self._drawn(out[-1]) / self.controls.rescale if self.controls.noise else out[-1]
        return [*out, last(given)]

    def activations(self, x: Tensor) -> dict[str, ibmon.Activation]:
        """What is watched of every network on inputs ``(samples, units)``: cT of the hidden layers, and the probabilities."""
        *hidden, logits = self.outputs(x.expand(self.replicas, *x.shape))
        values = [*(self.controls.rescale * t for t in hidden), logits.softmax(1)]
        return {str(k): ibmon.Activation(t.mT, ("replica", "sample", "unit")) for k, t in enumerate(values, start=1)}

    def _drawn(self, t: Tensor) -> Tensor:
        _, units, samples = t.shape
        drawn = [torch.randn(samples, units, generator=g, dtype=t.dtype, device=t.device) for g in self.noise]
        return self.controls.noise * torch.stack(drawn).mT


def logits_of(model: nn.Module, x: Tensor, y: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Logits ``(replicas, classes, samples)`` and labels ``(replicas, samples)`` of every network's ``rows`` of the data,
    ``(replicas, samples)``."""
    flat = rows.reshape(-1)  # one index is several times as fast as two (measured)
    inputs = x.index_select(0, flat).view(*rows.shape, x.shape[1])
    return model(inputs), y.index_select(0, flat).view(rows.shape)


def losses_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats of every network ``(replicas,)``."""
    return nn.functional.cross_entropy(logits, targets, reduction="none").mean(1)


def ordered(rows: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """``rows`` ``(replicas, samples)`` of every network in an order of its own, or as they are without ``generators``."""
    if not generators:
        return rows
    return rows.gather(1, torch.stack([torch.randperm(rows.shape[1], generator=g) for g in generators]).to(rows.device))


def train(
    monitor: ibmon.Monitor,
    starts: Sequence[Start],
    x: Tensor,
    y: Tensor,
    *,
    activation: str,
    controls: networks.Controls,
    optimizer: str,
    lr: float,
    epochs: int,
    batch: int | None,
    parallel: bool,
    **watch: Any,
) -> None:
    """Train the networks of ``starts`` side by side, each on its rows of ``x`` and ``y``.

    Without ``batch`` an update is one on all rows of a network. ``parallel`` measures gradients over the networks; ``watch`` goes
    on to ``Monitor.watch``. Loss and accuracy are logged as their medians, least and greatest over the networks.
    """
    model = Replicas([s.model for s in starts], activation, controls, [s.noise for s in starts])
    of_training, of_test = torch.stack([s.train for s in starts]), torch.stack([s.test for s in starts])
    generators = [s.generator for s in starts] if batch else []
    batch = batch or of_training.shape[1]
    descent = networks.descent_of(model.parameters(), optimizer, lr)
    if parallel:
        gradients = probes.parallel_gradients(lambda model: losses_of(*logits_of(model, x, y, of_training)))
        watch["probes"] = {"parallel": gradients}
    monitor.watch(
        model,
        # A copy, which draws its noise from copies of the generators.
        capture=lambda data: copy.deepcopy(model).activations(data.inputs),
        replicas=model.replicas,
        optimizer=descent,
        batch_size=batch,
        **watch,
    )
    often = max(1, epochs // 200)
    samples = of_training.shape[1]
    for epoch in monitor.epochs(epochs, steps_per_epoch=-(-samples // batch), short_last=samples % batch > 0):
        for rows in ordered(of_training, generators).split(batch, dim=1):
            losses = losses_of(*logits_of(model, x, y, rows))
            losses.sum().backward()
            monitor.step(losses.detach().median())
            descent.step()
            descent.zero_grad()
        if epoch % often == 0 or epoch == epochs - 1:
            for name, rows in (("train", of_training), ("test", of_test)):
                with torch.no_grad():
                    logits, targets = logits_of(model, x, y, rows)
                losses, accuracies = losses_of(logits, targets), (logits.argmax(1) == targets).float().mean(1)
                for suffix, over in SPREAD.items():
                    monitor.log(name + suffix, loss=over(losses), accuracy=over(accuracies))
