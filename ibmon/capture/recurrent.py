"""States and gates of recurrent layers, which the fused kernels keep to themselves: the same steps again, one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ibmon.records import UsageError

BLOCK = 1 << 24
"""Elements of the inputs' projection in memory at once: 64 MiB of float32."""


@dataclass(frozen=True, slots=True)
class Part:
    """One quantity of one layer and direction of a recurrent module."""

    quantity: str
    layer: int = 0
    reverse: bool = False


def parts(module: nn.Module) -> dict[Part, str]:
    """What ``unroll`` can give of a module, and its name: ``c``, or ``1.c`` and ``1r.c`` of several layers or directions.

    ``h`` is the hidden state; an LSTM also has ``c``, the cell state, the gates ``i``, ``f``, ``o`` and the candidate ``g``, a
    GRU the gates ``r``, ``z`` and the candidate ``n``. Empty for a module that is no ``nn.LSTM``, ``nn.GRU`` or ``nn.RNN``.
    """
    if not isinstance(module, nn.RNNBase) or module.mode not in _KINDS:
        return {}
    several = module.num_layers > 1 or module.bidirectional
    found: dict[Part, str] = {}
    for layer in range(module.num_layers):
        for reverse in _directions(module):
            infix = f"{layer}{'r' if reverse else ''}." if several else ""
            found |= {Part(q, layer, reverse): infix + q for q in _KINDS[module.mode].quantities}
    return found


def fitting(name: str, module: nn.Module, wish: str) -> dict[Part, str]:
    """The ``parts`` of the module called ``name`` that are wished for: ``lstm.c``, ``lstm.gates``, ``lstm.1r.f``, or a glob.

    A wish without a layer means that of every layer and direction; the gates include the candidate. Raises UsageError where
    the module has projections: what it hands on is then not the hidden state that the gates act on.
    """
    found = {part: label for part, label in parts(module).items() if _means(wish, name, part, label)}
    if found and isinstance(module, nn.RNNBase) and module.proj_size:
        raise UsageError(f"{name!r} has projections (proj_size={module.proj_size}): its states and gates cannot be shown.")
    return found


def _means(wish: str, name: str, part: Part, label: str) -> bool:
    names = {label, part.quantity}
    if part.quantity not in ("h", "c"):
        names |= {"gates", label.removesuffix(part.quantity) + "gates"}
    return any(wish == full or fnmatchcase(full, wish) for full in (f"{name}.{n}" for n in names))


def unroll(module: nn.RNNBase, wanted: Collection[Part], *args: Any, **kwargs: Any) -> tuple[dict[Part, Tensor], Tensor | None]:
    """The wanted parts, each ``(samples, time, units)``, of a recurrent module called with these arguments, and the mask.

    The arguments are the module's own: inputs, a tensor or packed sequences, and initial states. The mask ``(samples, time)``
    says which timepoints of packed sequences are data; the others are zero. Nothing is kept but what is wanted and what the
    next layer takes. Dropout between layers is left out, as in evaluation.
    """
    inputs, states = _arguments(*args, **kwargs)
    top = max(part.layer for part in wanted)
    out: dict[Part, Tensor] = {}
    with torch.no_grad(), torch.autocast(module.all_weights[0][0].device.type, enabled=False):
        x, mask = _by_time(module, inputs)
        before = _initial(module, x, states)
        for layer in range(top + 1):
            outputs: list[Tensor] = []
            for reverse in _directions(module):
                asked = {p.quantity for p in wanted if (p.layer, p.reverse) == (layer, reverse)}
                if layer == top and not asked:
                    continue
                row = layer * len(_directions(module)) + reverse
                start = {q: state[row] for q, state in before.items()}
                kept = _scan(module, row, x, start, mask, asked if layer == top else asked | {"h"}, backwards=reverse)
                out |= {Part(q, layer, reverse): kept[q] for q in asked}
                if layer < top:
                    outputs.append(kept["h"].transpose(0, 1))
            if layer < top:
                x = torch.cat(outputs, 2) if len(outputs) > 1 else outputs[0]
    return out, None if mask is None else mask.T


def padded(packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """Packed sequences as ``(samples, time, ...)`` in the order of the samples, zero past their ends, and which are data."""
    values, lengths = pad_packed_sequence(packed, batch_first=True)
    mask = torch.arange(values.shape[1]) < lengths[:, None]
    return values, mask.to(values.device)


def _scan(
    module: nn.RNNBase,
    row: int,
    x: Tensor,
    state: dict[str, Tensor],
    mask: Tensor | None,
    keep: Collection[str],
    *,
    backwards: bool,
) -> dict[str, Tensor]:
    """The quantities to keep, each ``(samples, time, units)``, of one layer and direction on ``x`` ``(time, samples, features)``.

    Past the end of a sequence its state waits: a backward pass begins at the end of each.
    """
    kind = _KINDS[module.mode]
    weights = module.all_weights[row]
    (into, over), biases = weights[:2], weights[2:] or (None, None)
    time, samples, _ = x.shape
    kept = {q: x.new_zeros(samples, time, module.hidden_size) for q in keep}
    block = max(1, BLOCK // (samples * len(into)))
    starts = range(0, time, block)
    for start in reversed(starts) if backwards else starts:
        # one product for many timepoints: only the state's share has to wait for the step before
        projected = nn.functional.linear(x[start : start + block], into, biases[0])
        steps = range(start, start + len(projected))
        for t in reversed(steps) if backwards else steps:
            said = kind.step(projected[t - start], nn.functional.linear(state["h"], over, biases[1]), state)
            alive = None if mask is None else mask[t, :, None]
            for q in kept:
                kept[q][:, t] = said[q] if alive is None else torch.where(alive, said[q], 0)
            state = {q: said[q] if alive is None else torch.where(alive, said[q], state[q]) for q in state}
    return kept


def _arguments(input: Any, hx: Any = None) -> tuple[Tensor | PackedSequence, Any]:  # the names that the modules give them
    return input, hx


def _directions(module: nn.RNNBase) -> tuple[bool, ...]:
    return (False, True) if module.bidirectional else (False,)


def _by_time(module: nn.RNNBase, inputs: Tensor | PackedSequence) -> tuple[Tensor, Tensor | None]:
    """Inputs ``(time, samples, features)`` and the mask ``(time, samples)`` of packed ones; a single sequence is one sample."""
    mask = None
    if isinstance(inputs, PackedSequence):
        inputs, mask = padded(inputs)
        inputs, mask = inputs.transpose(0, 1), mask.T
    elif inputs.ndim == 2:
        inputs = inputs.unsqueeze(1)
    elif module.batch_first:
        inputs = inputs.transpose(0, 1)
    return inputs.to(module.all_weights[0][0].dtype), mask


def _initial(module: nn.RNNBase, x: Tensor, states: Any) -> dict[str, Tensor]:
    """Initial states by quantity, each ``(layers · directions, samples, units)``."""
    names = ("h", "c") if "c" in _KINDS[module.mode].quantities else ("h",)
    rows = len(module.all_weights)
    if states is None:
        return {q: x.new_zeros(rows, x.shape[1], module.hidden_size) for q in names}
    given = states if isinstance(states, tuple) else (states,)
    return {q: s.detach().to(x.dtype).reshape(rows, x.shape[1], -1) for q, s in zip(names, given, strict=True)}


def _lstm(x: Tensor, recurrent: Tensor, before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    i, f, g, o = (x + recurrent).chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * before["c"] + i * g
    return {"h": o * c.tanh(), "c": c, "i": i, "f": f, "o": o, "g": g}


def _gru(x: Tensor, recurrent: Tensor, before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    (xr, xz, xn), (hr, hz, hn) = x.chunk(3, 1), recurrent.chunk(3, 1)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    n = (xn + r * hn).tanh()  # the reset gate acts on the product, its bias included, as cuDNN has it
    return {"h": n + z * (before["h"] - n), "r": r, "z": z, "n": n}


def _tanh(x: Tensor, recurrent: Tensor, _: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"h": (x + recurrent).tanh()}


def _relu(x: Tensor, recurrent: Tensor, _: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"h": (x + recurrent).relu()}


@dataclass(frozen=True, slots=True)
class _Kind:
    quantities: tuple[str, ...]
    step: Callable[[Tensor, Tensor, Mapping[str, Tensor]], dict[str, Tensor]]
    """``step(inputs' share, state's share, states before)``: what a timepoint is ``(samples, units)``, by quantity."""


_KINDS = {
    "LSTM": _Kind(("h", "c", "i", "f", "o", "g"), _lstm),
    "GRU": _Kind(("h", "r", "z", "n"), _gru),
    "RNN_TANH": _Kind(("h",), _tanh),
    "RNN_RELU": _Kind(("h",), _relu),
}
"""By the mode of ``nn.RNNBase``."""
