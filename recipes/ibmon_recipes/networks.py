"""Fully connected networks with the controls of the debate about them: what the recipes on them share."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

import ibmon
from ibmon import probes

Initialiser = Callable[[Tensor, torch.Generator], Tensor]
"""Fills a weight matrix ``(units, inputs)`` in place."""
NONLINEARITIES: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
FROZEN = 32
"""Minibatches of the protocol ``frozen``."""


def truncated_normal(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Normal with std 1/√inputs, nothing beyond two of them."""
    std = weight.shape[1] ** -0.5
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std, generator=generator)


def glorot_uniform(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform as of Glorot and Bengio (2010)."""
    return nn.init.xavier_uniform_(weight, generator=generator)


@dataclass(frozen=True, slots=True)
class Controls:
    """What is done to a network to learn whether its information plane means anything.

    ``rescale`` c: a hidden layer puts out cT and the next one takes it divided by c, that is T → cT, W → W/c. The function and
    the training are the same, with a power of two bit for bit; an estimator whose noise or bins are fixed reads another I(X;T).

    ``noise`` s: every hidden layer hands on T + Z, Z ~ N(0, s² I), drawn anew in every pass, in training and evaluation alike;
    with ``rescale`` it is added to cT. What is watched is T (or cT) before its own noise, so that an estimator with the noise
    variance s² is one of I(X; T + Z) in the network as it is and no longer depends on a noise that only the estimator knows.
    For the first layer that is exact. A deeper one is computed from a single draw of the noise before it: the estimate is that
    of the information given this draw.

    Raises IbmonError unless ``rescale`` is positive and ``noise`` not negative, both finite.
    """

    rescale: float = 1.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.rescale) and self.rescale > 0):
            raise ibmon.IbmonError(f"rescale is a positive number, not {self.rescale:g}.")
        if not (isfinite(self.noise) and self.noise >= 0):
            raise ibmon.IbmonError(f"noise is a standard deviation, 0 or more, not {self.noise:g}.")

    @property
    def active(self) -> bool:
        return self.rescale != 1 or self.noise > 0

    def estimators(self, *usual: str) -> tuple[str, ...]:
        """What a run estimates with by default: with noise the estimators of I(X; T + Z) for just this Z, else the usual ones."""
        if not self.noise:
            return usual
        variance = f"{self.noise**2:g}"
        return f"kde:variance={variance}", f"sample-propagation:variance={variance}"


class Scale(nn.Module):
    """c T."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, t: Tensor) -> Tensor:
        return self.factor * t


class HandedOn(nn.Module):
    """(T + Z) / c: what a layer gets of the output T ``(samples, units)`` of the one before it."""

    def __init__(self, controls: Controls, noise: torch.Generator) -> None:
        super().__init__()
        self.controls = controls
        self.noise = noise

    def forward(self, t: Tensor) -> Tensor:
        if self.controls.noise:
            t = t + self.controls.noise * torch.randn(t.shape, generator=self.noise, dtype=t.dtype, device=t.device)
        return t / self.controls.rescale


def fully_connected(
    widths: Sequence[int],
    activation: str,
    initialise: Initialiser,
    generator: torch.Generator,
    *,
    controls: Controls | None = None,
    noise: torch.Generator | None = None,
) -> nn.Sequential:
    """A network of these widths with softmax at its end and zero biases. Layer k is module ``k``, a linear map and what follows.

    ``generator`` gives the weights; ``noise``, on the device of the training, the noise of ``controls``. With controls a module
    ``k-handed-on`` follows hidden layer k. Whoever copies the network copies the state of ``noise`` with it, so that
    what a Monitor evaluates draws nothing from the training's own.
    """
    controls = controls or Controls()
    model = nn.Sequential()
    for number, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
        linear = nn.Linear(fan_in, fan_out)
        initialise(linear.weight, generator)
        nn.init.zeros_(linear.bias)
        if number == len(widths) - 1:
            model.add_module(str(number), nn.Sequential(linear, nn.Softmax(dim=1)))
            break
        layer = nn.Sequential(linear, NONLINEARITIES[activation]())
        model.add_module(str(number), layer)
        if controls.rescale != 1:
            layer.append(Scale(controls.rescale))
        if controls.active:
            model.add_module(f"{number}-handed-on", HandedOn(controls, noise or torch.Generator()))
    return model


def layers(model: nn.Sequential) -> list[str]:
    """The names of the layers: what is watched."""
    return [name for name, module in model.named_children() if not isinstance(module, HandedOn)]


def logits(model: nn.Module, x: Tensor) -> Tensor:
    """What the softmax of a ``fully_connected`` network takes ``(samples, classes)``, for inputs ``(samples, units)``."""
    *before, last = model.children()
    for module in before:
        x = module(x)
    return next(last.children())(x)


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy in nats of a ``fully_connected`` network on inputs ``(samples, units)`` and labels ``(samples,)``."""
    return nn.functional.cross_entropy(logits(model, x), y)


def descent_of(parameters: Iterable[nn.Parameter], optimizer: str, lr: float) -> torch.optim.Optimizer:
    """``adam`` or plain ``sgd``."""
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
    return kind(parameters, lr=lr, fused=True)


def stream(purpose: str, seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Random numbers for one purpose alone: a control must change neither the split nor the weights nor the order of a seed."""
    return torch.Generator(device).manual_seed(zlib.crc32(f"{purpose} {seed}".encode()))


def shuffled(labels: Tensor) -> Tensor:
    """Labels ``(samples,)`` permuted, in the same way for every seed: runs that are pooled, and replicas, have one Y."""
    return labels[torch.randperm(len(labels), generator=stream("labels", 0)).to(labels.device)]


def beside(
    model: nn.Sequential,
    x: Tensor,
    y: Tensor,
    *,
    protocol: str,
    dynamics: bool,
    batch: int,
    lr: float,
    optimizer: str,
    noise: float,
    variance: float,
) -> dict[str, Any]:
    """What ``Monitor.watch`` is told to measure beside the activations on the training data ``x``, ``y``.

    Gradients at frozen weights for that ``protocol``; with ``dynamics`` what an update does to the loss and to the layers, whose
    kernel bound is derived under noise of ``variance``. Raises IbmonError for what has no answer.
    """
    asked: dict[str, Any] = {}
    if protocol == "frozen":
        if len(x) < 2 * batch:
            raise ibmon.IbmonError(f"The protocol frozen needs two minibatches of {batch}, and there are {len(x)} samples.")
        asked["probes"] = {"frozen": probes.frozen_gradients(cross_entropy, x, y, batch=batch, minibatches=FROZEN)}
    if dynamics:
        if noise:
            raise ibmon.IbmonError("With noise two evaluations differ by themselves: leave out dynamics, or noise.")
        asked["analyses"] = [f"information-derivative:variance={variance:g}"]
        asked["updates"] = {
            "dynamics": probes.loss_dynamics(cross_entropy, x, y, lr=lr, plain_sgd=optimizer == "sgd"),
            "change": probes.activation_change(layers(model)),
        }
    return asked
