"""Which layers are watched, and what their outputs' axes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from ibmon.records import LayerInfo, UsageError
from ibmon.tensors import Activation

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

Asked = Mapping[str, str] | Sequence[str | type[nn.Module]] | None

_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_PREACTIVATION = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True, slots=True)
class Layer:
    """A watched layer: the name it is shown by, and its module's."""

    name: str
    module: str


def choose(model: nn.Module, asked: Asked) -> list[Layer]:
    """The layers asked for by name, glob or type (or ``{shown name: module name}``), in the model's order.

    Without a wish: every activation module and recurrent layer, and the last leaf that has parameters (the output); where there
    is none of these, every leaf with parameters, which are pre-activations. Raises UsageError for a name that fits nothing.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    if asked is None:
        return [Layer(name, name) for name in _default(modules)]
    if isinstance(asked, Mapping):
        for module in asked.values():
            _check(module, modules)
        return [Layer(shown, module) for shown, module in asked.items()]
    wanted: set[str] = set()
    for wish in asked:
        if isinstance(wish, type):
            fitting = {name for name, module in modules.items() if isinstance(module, wish)}
        else:
            fitting = {name for name in modules if name == wish or fnmatchcase(name, wish)}
        if not fitting:
            _check(wish if isinstance(wish, str) else wish.__name__, modules)
        wanted |= fitting
    return [Layer(name, name) for name in modules if name in wanted]


def _check(name: str, modules: Mapping[str, nn.Module]) -> None:
    if name in modules:
        return
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
    into (sample, time, unit) order. Use as a context manager; call ``next_chunk`` after each forward pass.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Layer]) -> None:
        self._model, self._layers = model, layers
        self._taken: dict[str, list[Tensor]] = {}
        self._calls: dict[str, int] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for layer in self._layers:
            module = self._model.get_submodule(layer.module)
            self._handles.append(module.register_forward_hook(partial(self._take, layer.name)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _take(self, name: str, module: nn.Module, _: Any, output: Any) -> None:
        values = first_tensor(output)
        if values is None or not values.is_floating_point():
            return
        call = self._calls[name] = self._calls.get(name, 0) + 1
        values = values.detach()
        if isinstance(module, nn.RNNBase) and not module.batch_first and values.ndim == 3:
            values = values.transpose(0, 1)
        self._taken.setdefault(name if call == 1 else f"{name}:{call}", []).append(to_host(values))

    def next_chunk(self) -> None:
        self._calls.clear()

    def activations(self) -> dict[str, Activation]:
        """What was taken, chunks joined along the samples."""
        joined = {name: torch.cat(chunks) if len(chunks) > 1 else chunks[0] for name, chunks in self._taken.items()}
        return {name: Activation(values, axes_of(values)) for name, values in joined.items()}


def to_host(values: Tensor) -> Tensor:
    """A copy of its own in the host's memory."""
    return values.clone() if values.device.type == "cpu" else values.to("cpu")
