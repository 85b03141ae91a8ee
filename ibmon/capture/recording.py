"""Copies of the layers' outputs during an evaluation pass, and what their axes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ibmon.reductions import Reduction
from ibmon.tensors import Activation, Reduced

from . import recurrent
from .layers import Layer
from .reducing import reduced

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle


def first_tensor(output: Any) -> Tensor | None:
    """The tensor that a module's output mainly is: itself, or the first one of a tuple, list, dict or dataclass."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        output = tuple(output.values())
    elif hasattr(output, "__dataclass_fields__"):
        output = tuple(getattr(output, name) for name in output.__dataclass_fields__)
    if isinstance(output, tuple | list):
        for item in output:
            found = first_tensor(item)
            if found is not None:
                return found
    return None


def axes_of(values: Tensor) -> tuple[str, ...]:
    """What the dimensions of a module's output usually mean."""
    match values.ndim:
        case 1:
            return ("sample",)
        case 2:
            return ("sample", "unit")
        case 3:
            return ("sample", "time", "unit")
        case 4:
            return ("sample", "channel", "height", "width")
        case _:
            return ("sample", *(f"axis{i}" for i in range(1, values.ndim)))


NONE = Reduction()


class Recorder:
    """Copies the layers' outputs the moment they exist (an in-place operation may follow), by shown name.

    A module that is called several times in one pass gives ``name``, ``name:2``, ``name:3`` ... Outputs with time in front
    are put into (sample, time, unit) order, packed ones with a mask; parts of recurrent layers are unrolled from what the module
    was called with. Use as a context manager; call ``next_chunk`` after each forward pass.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Layer], reduction: Reduction = NONE) -> None:
        self.reduced: dict[str, Reduced] = {}
        """Layers that were cut down."""
        self.unusable: dict[str, str] = {}
        """Layers that gave nothing to measure, and why."""
        self._model, self._layers, self._reduction = model, layers, reduction
        self._samples: int | None = None
        self._taken: dict[str, list[tuple[Tensor, Tensor | None]]] = {}
        self._calls: dict[str, int] = {}
        self._handles: list[RemovableHandle] = []

    def expect(self, samples: int) -> None:
        """Say how many samples the model is called with next: an output that does not have so many is left out."""
        self._samples = samples

    def __enter__(self) -> Self:
        unrolled: dict[str, dict[str, recurrent.Part]] = {}
        for layer in self._layers:
            if layer.part is not None:
                unrolled.setdefault(layer.module, {})[layer.name] = layer.part
                continue
            module = self._model.get_submodule(layer.module)
            self._handles.append(module.register_forward_hook(partial(self._take, layer.name)))
        for name, parts in unrolled.items():
            module = self._model.get_submodule(name)
            self._handles.append(module.register_forward_hook(partial(self._unroll, parts), with_kwargs=True))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _take(self, name: str, module: nn.Module, _: Any, output: Any) -> None:
        mask = None
        if isinstance(output, tuple) and isinstance(module, nn.RNNBase) and isinstance(output[0], PackedSequence):
            values, mask = recurrent.padded(output[0])
        else:
            values = first_tensor(output)
            if values is None or not values.is_floating_point():
                self.unusable[name] = "its output holds no tensor of real numbers"
                return
            if _time_first(module, values, self._samples):
                values = values.transpose(0, 1)
            if self._samples is not None and values.shape[:1] != (self._samples,):
                shape = "x".join(map(str, values.shape)) or "a single number"
                self.unusable[name] = f"its output is {shape} for {self._samples} samples"
                return
        self._keep(name, values.detach(), mask)

    def _unroll(
        self, parts: Mapping[str, recurrent.Part], module: nn.RNNBase, args: tuple[Any, ...], kwargs: dict[str, Any], _: Any
    ) -> None:
        found, mask = recurrent.unroll(module, set(parts.values()), *args, **kwargs)
        for name, part in parts.items():
            self._keep(name, found[part], mask)

    def _keep(self, name: str, values: Tensor, mask: Tensor | None) -> None:
        call = self._calls[name] = self._calls.get(name, 0) + 1
        name = name if call == 1 else f"{name}:{call}"
        if self._reduction:
            values, mask, cut = reduced(name, values, mask, self._reduction)
            if cut.flags:
                self.reduced[name] = cut
        self._taken.setdefault(name, []).append((to_host(values), None if mask is None else mask.cpu()))

    def next_chunk(self) -> None:
        self._calls.clear()

    def activations(self) -> dict[str, Activation]:
        """What was taken, chunks joined along the samples."""
        return {name: _joined(chunks) for name, chunks in self._taken.items()}


def _time_first(module: nn.Module, values: Tensor, samples: int | None) -> bool:
    """Whether an output is (time, sample, unit): its module says so, or its shape leaves nothing else."""
    if values.ndim != 3:
        return False
    told = getattr(module, "batch_first", getattr(getattr(module, "self_attn", None), "batch_first", None))
    if told is None or samples is None:
        return told is False if isinstance(module, nn.RNNBase) else values.shape[0] != samples == values.shape[1]
    return told is False and values.shape[1] == samples


def _joined(chunks: Sequence[tuple[Tensor, Tensor | None]]) -> Activation:
    """One activation of the chunks of a layer; packed sequences of a chunk are as long as its longest, and get padded."""
    values, mask = [v for v, _ in chunks], None
    if any(m is not None for _, m in chunks):
        time = max(v.shape[1] for v in values)
        masks = [torch.ones(v.shape[:2], dtype=torch.bool) if m is None else m for v, m in chunks]
        mask = torch.cat([nn.functional.pad(m, (0, time - m.shape[1])) for m in masks])
        values = [nn.functional.pad(v, (0, 0, 0, time - v.shape[1])) for v in values]
    joined = torch.cat(values) if len(values) > 1 else values[0]
    return Activation(joined, axes_of(joined), mask)


def to_host(values: Tensor) -> Tensor:
    """A copy of its own in the host's memory."""
    return values.clone() if values.device.type == "cpu" else values.to("cpu")
