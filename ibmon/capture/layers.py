"""Which layers are watched, and what their outputs' axes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import NoReturn

from torch import nn

from ibmon.records import LayerInfo, UsageError

from . import recurrent

Asked = Mapping[str, str] | Sequence[str | type[nn.Module]] | None

_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_PREACTIVATION = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)  # pyright: ignore[reportPrivateUsage]
MOST = 32
"""Layers that are watched without being asked for."""
MOST_OUTPUTS = 4096
"""Units of an output layer that is watched without being asked for: those of a vocabulary outweigh all other layers."""
_LISTS = (nn.ModuleList, nn.Sequential)
_NONLINEAR = ("Activation", "GELU", "ReLU", "SiLU", "Swish", "Mish", "Tanh", "Sigmoid", "Softmax")
"""Endings of the names that libraries give to nonlinearities of their own."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A watched layer: the name it is shown by, its module's, and which part of a recurrent one it is, if not its output."""

    name: str
    module: str
    part: recurrent.Part | None = None


def choose(model: nn.Module, asked: Asked) -> list[Layer]:
    """The layers asked for by name, glob or type (or ``{shown name: module name}``), in the model's order.

    States and gates of recurrent layers have names of their own (``recurrent.parts``): what fits no module means those.
    Without a wish: every activation module and recurrent layer, of a transformer instead every block (the residual stream behind
    it), and the last leaf that has parameters, the output, unless it is a vocabulary's; where there is none of these, every leaf
    with parameters, which are pre-activations. Raises UsageError for a name that fits nothing, and for the inside of a recurrent
    layer that has projections.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    if asked is None:
        return [Layer(name, name) for name in _default(model, modules)]
    if isinstance(asked, str):
        asked = [asked]
    if isinstance(asked, Mapping):
        return [layer for shown, wish in asked.items() for layer in _named(shown, wish, modules)]
    wanted: set[str] = set()
    inside: set[Layer] = set()
    for wish in asked:
        if not isinstance(wish, str | type):  # pyright: ignore[reportUnnecessaryIsInstance]  # from a script without types
            raise UsageError(f"layers= takes names, globs and types of modules, not a {type(wish).__name__}.")
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


def spread(layers: Sequence[Layer], most: int = MOST) -> list[Layer]:
    """At most so many of the layers, evenly spaced, the first and the last among them."""
    if len(layers) <= most:
        return list(layers)
    return [layers[round(k * (len(layers) - 1) / (most - 1))] for k in range(most)]


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


def _default(model: nn.Module, modules: Mapping[str, nn.Module]) -> list[str]:
    blocks = _transformer_blocks({"": model, **modules})
    leaves = {name: m for name, m in modules.items() if not any(m.children()) and not _inside_any(name, blocks)}
    with_parameters = [name for name, m in leaves.items() if any(True for _ in m.parameters(recurse=False))]
    chosen = {name for name, m in leaves.items() if is_activation(m) or isinstance(m, _RECURRENT)} | blocks
    if not chosen:
        return with_parameters
    last = next((name for name in reversed(list(modules)) if name in chosen or name in with_parameters), None)
    if last is not None and getattr(modules[last], "out_features", 0) <= MOST_OUTPUTS:
        chosen.add(last)
    return [name for name in modules if name in chosen]


def _transformer_blocks(modules: Mapping[str, nn.Module]) -> set[str]:
    """The blocks of transformers: of a list in which one holds an attention, the modules that are made of others.

    Of lists in lists it is the outermost whose entries are more than lists themselves.
    """
    found: set[str] = set()
    for name, module in modules.items():
        if not (isinstance(module, nn.MultiheadAttention) or "Attention" in type(module).__name__):
            continue
        owners = name.split(".")
        for k in range(1, len(owners)):
            owner, block = ".".join(owners[: k - 1]), ".".join(owners[:k])
            if isinstance(modules[owner], _LISTS) and not isinstance(modules[block], _LISTS):
                prefix = f"{owner}." if owner else ""
                found |= {prefix + child for child, m in modules[owner].named_children() if any(m.children())}
                break
    return found


def _inside_any(name: str, owners: set[str]) -> bool:
    return any(name.startswith(f"{owner}.") for owner in owners)


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an elementwise nonlinearity or a softmax: one of torch, or of another library by its name."""
    kind = type(module)
    if kind.__module__ == "torch.nn.modules.activation":
        return not isinstance(module, nn.MultiheadAttention)
    return not any(True for _ in module.parameters()) and kind.__name__.endswith(_NONLINEAR)


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
