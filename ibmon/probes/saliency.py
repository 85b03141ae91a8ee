"""How much each word of a sample moves the loss on it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ibmon.capture.evaluate import call, of_rows, samples_of
from ibmon.tensors import Activation, EvaluationSet

_CHUNK = 32
"""Samples whose graph is in memory at once."""


def saliency(module: str = "embedding", *, samples: int = 200) -> Callable[..., Activation]:
    """A probe: ‖∂L_i/∂e_it‖₂, the norm of the gradient of the loss L_i on sample i by the embedding e_it of its word at time t
    (Baker et al., "Information Bottleneck for Multi-Task LSTMs", figure 3b), for the first ``samples`` samples.

    e is the output of ``module``, as it is named in the model: an ``nn.Embedding``, frozen or not, or any other with one output
    ``(samples, time, units)`` and one call a pass. L is the evaluation set's ``loss``, the mean over samples that do not act on
    each other. Watch it as ``probes={"saliency": saliency()}``: the analysis ``saliency`` shows it. It costs a pass forward and
    back over these samples a snapshot.

    The probe gives an Activation ``(sample, time)`` with the evaluation set's mask, and raises ValueError where the evaluation
    set has no loss, its loss is no single number or does not depend on e, and where the module is not what it has to be.
    """
    if samples < 1:
        raise ValueError(f"saliency takes one sample or more, not {samples}")

    def probe(model: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> Activation:
        if data.loss is None:
            raise ValueError("saliency needs a loss: EvaluationSet(..., loss=...), a function of outputs and targets")
        embedding = _found(model, module)
        part = of_rows(data, torch.arange(min(samples, samples_of(data))))
        rows = torch.arange(samples_of(part)).split(_CHUNK)
        # cuDNN keeps what its recurrent layers need on the way back in training mode alone.
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            values = torch.cat([_norms(model, embedding, module, of_rows(part, chunk)) for chunk in rows])
        mask = None if part.mask is None else part.mask.detach().cpu()
        return Activation(values, ("sample", "time"), mask)

    return probe


def _found(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError:
        known = [other for other, one in model.named_modules() if isinstance(one, nn.Embedding)]
        there = f"its embeddings are {', '.join(known)}" if known else "it has no nn.Embedding; name the module that embeds"
        raise ValueError(f"saliency: the model has no module {name!r}; {there}") from None


def _norms(model: nn.Module, embedding: nn.Module, name: str, data: EvaluationSet) -> Tensor:
    """The gradients' norms ``(samples, time)`` on all samples of ``data``, with targets by task, on the host."""
    assert data.loss is not None and isinstance(data.targets, Mapping)
    samples = samples_of(data)
    with _leaves_of(embedding, name) as leaves:
        outputs = call(model, data, data.inputs)
    if len(leaves) != 1:
        raise ValueError(f"saliency: the module {name!r} is called {len(leaves)} times a pass, not once")
    (leaf,) = leaves
    wanted = (samples,) if data.mask is None else tuple(data.mask.shape)
    if leaf.ndim != 3 or tuple(leaf.shape[: len(wanted)]) != wanted:
        shape = f"({', '.join(map(str, wanted))}, {'time, ' if data.mask is None else ''}units)"
        raise ValueError(f"saliency: the output of {name!r} has the shape {tuple(leaf.shape)}, not {shape}")
    loss = data.loss(outputs, data.targets)
    if loss.ndim:
        raise ValueError(f"saliency: the loss is one number, the mean over the samples, and not of shape {tuple(loss.shape)}")
    # The samples do not act on each other: N times the mean has each sample's own gradient.
    gradient = torch.autograd.grad(loss * samples, leaf, allow_unused=True)[0] if loss.requires_grad else None
    if gradient is None:
        raise ValueError(f"saliency: the loss does not depend on the output of {name!r}")
    return torch.linalg.vector_norm(gradient, dim=-1, dtype=torch.promote_types(gradient.dtype, torch.float32)).cpu()


@contextmanager
def _leaves_of(module: nn.Module, name: str) -> Generator[list[Tensor]]:
    """What the module puts out inside the block, as leaves that gradients reach also where its own weights are frozen."""
    leaves: list[Tensor] = []

    def hook(module: nn.Module, inputs: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor):
            raise ValueError(f"saliency: the module {name!r} puts out {type(output).__name__}, not one tensor")
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()  # an in-place operation may follow, which a leaf forbids

    handle = module.register_forward_hook(hook)
    try:
        yield leaves
    finally:
        handle.remove()
