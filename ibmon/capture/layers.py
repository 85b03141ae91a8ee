"""Which layers are watched, and what their outputs' axes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ibmon.records import LayerInfo, UsageError
from ibmon.tensors import Activation

from . import recurrent

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

Asked = Mapping[str, str] | Sequence[str | type[nn.Module]] | None

_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_PREACTIVATION = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True, slots=True)
class Layer:
    """A watched layer: the name it is shown by, its module's, and which part of a recurrent one it is, if not its output."""

    name: str
    module: str
    part: recurrent.Part | None = None


def choose(model: nn.Module, asked: Asked) -> list[Layer]:
    """The layers asked for by name, glob or type (or ``{shown name: module name}``), in the model's order.

    States and gates of recurrent layers have names of their own (``recurrent.parts``): what fits no module means those.
    Without a wish: every activation module and recurrent layer, and the last leaf that has parameters (the output); where there
    is none of these, every leaf with parameters, which are pre-activations. Raises UsageError for a name that fits nothing, and
    for the inside of a recurrent layer that has projections.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    if asked is None:
        return [Layer(name, name) for name in _default(modules)]
    if isinstance(asked, Mapping):
        return [layer for shown, wish in asked.items() for layer in _named(shown, wish, modules)]
    wanted: set[str] = set()
    inside: set[Layer] = set()
    for wish in asked:
        if isinstance(wish, type):
            fitting = {name for name, module in modules.items() if isinstance(module, wish)}
        else:
            fitting = {name for name in modules if name == wish or fnmatchcase(name, wish)}
        wanted |= fitting
        if not fitting:
            inside |= set(_inside(wish if isinstance(wish, str) else wish.__name__, modules))
    out: list[Layer] = []
    for name, module in modules.items():
        mine = [Layer(name, name)] if name in wanted else []
        mine += [Layer(f"{name}.{label}", name, part) for part, label in recurrent.parts(module).items()]
        out += [layer for layer in mine if layer.part is None or layer in inside]
    return out


def _named(shown: str, wish: str, modules: Mapping[str, nn.Module]) -> list[Layer]:
    """The module or the parts that a shown name stands for; several parts are told apart by what they are called."""
    if wish in modules:
        return [Layer(shown, wish)]
    found = _inside(wish, modules)
    if len(found) == 1:
        return [replace(found[0], name=shown)]
    return [replace(layer, name=shown + layer.name.removeprefix(layer.module)) for layer in found]


def _inside(wish: str, modules: Mapping[str, nn.Module]) -> list[Layer]:
    """The parts of recurrent layers that a wish means. Raises UsageError where there are none."""
    found = [
        Layer(f"{name}.{label}", name, part)
        for name, module in modules.items()
        for part, label in recurrent.fitting(name, module, wish).items()
    ]
    if not found:
        _refuse(wish, modules)
    return found


def _refuse(name: str, modules: Mapping[str, nn.Module]) -> NoReturn:
    owner = name.rpartition(".")[0]
    if owner in modules and (labels := recurrent.parts(modules[owner])):
        raise UsageError(f"There is no layer {name!r}; inside {owner!r} are {', '.join(labels.values())}.")
    near = get_close_matches(name, modules, n=1)
    some = ", ".join(list(modules)[:12]) + (", ..." if len(modules) > 12 else "")
    hint = f"did you mean {near[0]!r}?" if near else f"the model has {some or 'no named modules'}."
    raise UsageError(f"There is no layer {name!r}; {hint}")


def _default(modules: Mapping[str, nn.Module]) -> list[str]:
    leaves = {name: m for name, m in modules.items() if not any(m.children())}
    with_parameters = [name for name, m in leaves.items() if any(True for _ in m.parameters(recurse=False))]
    chosen = {name for name, m in leaves.items() if is_activation(m) or isinstance(m, _RECURRENT)}
    if not chosen:
        return with_parameters
    last = next((name for name in reversed(leaves) if name in chosen or name in with_parameters), None)
    return [name for name in leaves if name in chosen or name == last]


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an elementwise nonlinearity or a softmax."""
    return type(module).__module__ == "torch.nn.modules.activation" and not isinstance(module, nn.MultiheadAttention)


def describe(layer: Layer, model: nn.Module) -> LayerInfo:
    """What a layer is: its type, and whether its output is an activation or a pre-activation, where that can be told."""
    module = model.get_submodule(layer.module)
    if layer.part is not None:
        stage = "" if layer.part.quantity == "c" else "activation"
        return LayerInfo(name=layer.name, type=type(module).__name__, stage=stage)
    final = module
    while isinstance(final, nn.Sequential) and len(final):
        final = final[-1]
    stage = "activation" if is_activation(final) or isinstance(final, _RECURRENT) else ""
    if isinstance(final, _PREACTIVATION):
        stage = "pre-activation"
    return LayerInfo(name=layer.name, type=type(module).__name__, stage=stage)


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


class Recorder:
    """Copies the layers' outputs the moment they exist (an in-place operation may follow), by shown name.

    A module that is called several times in one pass gives ``name``, ``name:2``, ``name:3`` ... Recurrent outputs are put
    into (sample, time, unit) order, packed ones with a mask; their parts are unrolled from what the module was called with.
    Use as a context manager; call ``next_chunk`` after each forward pass.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Layer]) -> None:
        self._model, self._layers = model, layers
        self._taken: dict[str, list[tuple[Tensor, Tensor | None]]] = {}
        self._calls: dict[str, int] = {}
        self._handles: list[RemovableHandle] = []

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
                return
            if isinstance(module, nn.RNNBase) and not module.batch_first and values.ndim == 3:
                values = values.transpose(0, 1)
        self._keep(name, to_host(values.detach()), mask)

    def _unroll(
        self, parts: Mapping[str, recurrent.Part], module: nn.RNNBase, args: tuple[Any, ...], kwargs: dict[str, Any], _: Any
    ) -> None:
        found, mask = recurrent.unroll(module, set(parts.values()), *args, **kwargs)
        for name, part in parts.items():
            self._keep(name, found[part].cpu(), mask)

    def _keep(self, name: str, values: Tensor, mask: Tensor | None) -> None:
        call = self._calls[name] = self._calls.get(name, 0) + 1
        name = name if call == 1 else f"{name}:{call}"
        self._taken.setdefault(name, []).append((values, None if mask is None else mask.cpu()))

    def next_chunk(self) -> None:
        self._calls.clear()

    def activations(self) -> dict[str, Activation]:
        """What was taken, chunks joined along the samples."""
        return {name: _joined(chunks) for name, chunks in self._taken.items()}


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
