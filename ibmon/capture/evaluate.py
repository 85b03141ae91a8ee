"""One snapshot: the evaluation pass over the shadow, and what of the data never changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ibmon.records import UsageError
from ibmon.reductions import Reduction
from ibmon.spool import StaticData
from ibmon.tensors import Activation, EvaluationSet, Reduced, Snapshot, Variable

from . import shadow
from .layers import Layer
from .recording import NONE, Recorder, axes_of, first_tensor, to_host
from .reducing import reduced
from .taps import collecting

CHUNK = 4096
"""Samples of one forward pass, at most."""
CHUNK_BYTES = 2**28
"""Bytes of activations that one forward pass may record: what it takes beside them is of that order, too."""
TRIAL = 16
"""Samples that tell how much one takes."""
MOST_OUTPUTS = 2**14
"""Numbers of a sample's output that are kept: probabilities of a vocabulary at every token outweigh all layers."""

Capture = Callable[[EvaluationSet], Mapping[str, Activation]]
Probe = Callable[..., Activation | Tensor | Mapping[str, Activation | Tensor]]
"""``probe(model, evaluation_set, rng=)``; one of an update is called ``probe(before, after, evaluation_set, rng=)``."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is captured, as ``Monitor.watch`` was told."""

    model: nn.Module | None
    layers: Sequence[Layer]
    evaluation: Mapping[str, EvaluationSet]
    probes: Mapping[str, Probe]
    capture: Capture | None = None
    autocast: torch.dtype | None = None
    batch_size: int | None = None
    seed: int = 0
    updates: Mapping[str, Probe] = field(default_factory=dict[str, Probe])
    chunk: int = CHUNK
    reduction: Reduction = NONE


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot, the probes that failed with their errors, and the layers that gave nothing to measure with the reason."""

    snapshot: Snapshot
    failed: Mapping[str, str] = field(default_factory=dict[str, str])
    unusable: Mapping[str, str] = field(default_factory=dict[str, str])


def samples_of(data: EvaluationSet) -> int:
    """Number of samples. Raises UsageError for inputs that hold no tensor or tensors of different lengths."""
    lengths = {t.shape[0] for t in _leaves(data.inputs)} | {t.shape[0] for t in _targets(data).values()}
    if len(lengths) != 1:
        said = "no tensor" if not lengths else f"tensors of {', '.join(map(str, sorted(lengths)))} samples"
        raise UsageError(f"An evaluation set needs inputs and targets of one length, not {said}.")
    return lengths.pop()


def limited(data: EvaluationSet, most: int, seed: int = 0) -> EvaluationSet:
    """At most ``most`` samples, drawn once and kept in order: the same ones for every snapshot and every run of this seed."""
    n = samples_of(data)
    if n <= most or data.whole:
        return data
    return of_rows(data, torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:most].sort().values)


def of_rows(data: EvaluationSet, rows: Tensor) -> EvaluationSet:
    """The samples ``rows`` ``(samples,)`` of an evaluation set, whose targets are then by task."""
    return replace(
        data,
        inputs=_map(data.inputs, lambda t: t[rows.to(t.device)]),
        targets={task: t[rows.to(t.device)] for task, t in _targets(data).items()},
        mask=None if data.mask is None else data.mask[rows.to(data.mask.device)],
    )


def static_data(data: EvaluationSet) -> StaticData:
    """Identity, inputs, targets, vocabulary and classes of an evaluation set, on the host."""
    leaves = _leaves(data.inputs)
    rows = torch.cat([t.detach().cpu().reshape(t.shape[0], -1).to(torch.float64) for t in leaves], 1)
    values = to_host(leaves[0].detach())
    mask = None if data.mask is None else to_host(data.mask.detach())
    fits = mask is not None and mask.shape == values.shape[: mask.ndim]
    inputs = Activation(values, axes_of(values), mask if fits else None)
    targets = {task: to_host(t.detach()).long() for task, t in labels(data).items()}
    return StaticData(Variable.identity(rows).values, inputs, targets, data.vocabulary, data.classes or {})


def labels(data: EvaluationSet) -> dict[str, Tensor]:
    """The targets of an evaluation set that are labels: integers, by task. Real numbers are targets for probes alone."""
    return {task: t for task, t in _targets(data).items() if not (t.is_floating_point() or t.is_complex())}


def chunk_of(watched: Watched, name: str) -> tuple[int, int]:
    """How many samples of the evaluation set ``name`` one forward pass may take, and the bytes that one sample's layers take.

    A pass of a few samples tells. Raises CaptureError, or whatever the model raises.
    """
    data = watched.evaluation[name]
    n = samples_of(data)
    if watched.capture is not None or data.whole or n <= TRIAL:
        return CHUNK, 0
    few = of_rows(data, torch.arange(TRIAL))
    assert watched.model is not None
    shadow.refuse_uninitialised(watched.model)
    with shadow.unnoticed(watched.model, watched.autocast):
        found = _forward(watched, few)
    given = [a.values.nbytes for a in (*found.layers.values(), *(() if found.outputs is None else (found.outputs,)))]
    each = max(1, sum(given) // TRIAL)
    return max(1, min(CHUNK, CHUNK_BYTES // each)), each


def snapshot(watched: Watched, name: str, step: int, epoch: float | None) -> Taken:
    """The network now, on the evaluation set ``name``.

    Raises CaptureError, or whatever the model raises.
    """
    data = watched.evaluation[name]
    if watched.model is not None:
        shadow.refuse_uninitialised(watched.model)
    with shadow.unnoticed(watched.model, watched.autocast):
        if watched.capture is not None:
            found = Pass({k: replace(a, values=to_host(a.values.detach())) for k, a in watched.capture(data).items()})
        else:
            found = _forward(watched, data)
        probes, failed = _answers(watched.probes, lambda: [_own_copy(watched)], data, watched.seed)
    shot = Snapshot(
        step,
        epoch,
        name,
        {k: _masked(a, data.mask, found.reduced.get(k)) for k, a in found.layers.items()},
        outputs=found.outputs,
        probes=probes,
        batch_size=watched.batch_size,
        reduced=found.reduced,
    )
    return Taken(shot, failed, found.unusable)


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over an evaluation set gave; ``unusable`` layers with the reason, ``reduced`` ones with what was cut off."""

    layers: Mapping[str, Activation]
    outputs: Activation | None = None
    unusable: Mapping[str, str] = field(default_factory=dict[str, str])
    reduced: Mapping[str, Reduced] = field(default_factory=dict[str, Reduced])


def _forward(watched: Watched, data: EvaluationSet) -> Pass:
    assert watched.model is not None
    try:
        model = shadow.copied(watched.model)
    except Exception:  # a model may refuse to be copied in any way
        with shadow.in_place(watched.model) as model:
            return _passed(model, watched.layers, data, watched.chunk, watched.reduction)
    with shadow.untouched(watched.model):
        return _passed(model, watched.layers, data, watched.chunk, watched.reduction)


def forward(model: nn.Module, watched: Sequence[Layer], data: EvaluationSet) -> tuple[dict[str, Activation], Activation | None]:
    """The activations of the layers and the outputs on an evaluation set, in chunks of its samples."""
    found = _passed(model, watched, data, CHUNK, NONE)
    return dict(found.layers), found.outputs


def _passed(model: nn.Module, watched: Sequence[Layer], data: EvaluationSet, chunk: int, reduction: Reduction) -> Pass:
    outputs: list[Tensor] = []
    n = samples_of(data)
    chunk = max(n, 1) if data.whole else chunk
    device = _device_of(model)
    with collecting() as tapped, Recorder(model, watched, reduction) as recorder:
        for start in range(0, n, chunk):
            part = data.inputs if n <= chunk else _map(data.inputs, lambda t, s=start: t[s : s + chunk])
            if device is not None:
                part = _map(part, lambda t: t.to(device))
            if data.forward is None:
                recorder.expect(min(chunk, n - start))
            output = first_tensor(call(model, data, part))
            if output is not None and (output.ndim == 0 or output[:1].numel() <= MOST_OUTPUTS):
                outputs.append(to_host(output.detach()))
            recorder.next_chunk()
        layers = recorder.activations()
    for name, taken in tapped.items():
        values = torch.cat([v for v, _ in taken]) if len(taken) > 1 else taken[0][0]
        axes = taken[0][1] or axes_of(values)
        if reduction and axes == axes_of(values):
            values, _, cut = reduced(name, values, None, reduction)
            axes = axes_of(values)
            if cut.flags:
                recorder.reduced[name] = cut
        layers[name] = Activation(to_host(values), axes)
    joined = None
    if outputs and outputs[0].ndim:
        values = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
        joined = Activation(values, axes_of(values))
    return Pass(layers, joined, recorder.unusable, recorder.reduced)


def _device_of(model: nn.Module) -> torch.device | None:
    """The device of all parameters; None where they lie on several, or there are none."""
    devices = {p.device for p in model.parameters()}
    return devices.pop() if len(devices) == 1 else None


def call(model: nn.Module, data: EvaluationSet, inputs: Any) -> Any:
    """The model's outputs on a part of an evaluation set."""
    if data.forward is not None:
        return data.forward(model, inputs)
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(inputs)


def update(watched: Watched, name: str, before: nn.Module, step: int, epoch: float | None) -> tuple[Snapshot, dict[str, str]]:
    """What the last update changed: ``before`` is a copy of the network at ``step``, the network itself is one update on.

    A snapshot without layers, on the evaluation set ``name``, and the probes that failed with their errors.
    """
    data = watched.evaluation[name]
    with shadow.unnoticed(watched.model, watched.autocast):

        def copies() -> list[nn.Module | None]:
            return [shadow.copied(before, share=False), _own_copy(watched)]

        probes, failed = _answers(watched.updates, copies, data, watched.seed)
    return Snapshot(step, epoch, name, probes=probes, batch_size=watched.batch_size), failed


def _own_copy(watched: Watched) -> nn.Module | None:
    return None if watched.model is None else shadow.copied(watched.model, share=False)


def _answers(
    probes: Mapping[str, Probe], models: Callable[[], Sequence[nn.Module | None]], data: EvaluationSet, seed: int
) -> tuple[dict[str, Activation], dict[str, str]]:
    """What the probes say. Each gets copies of the model with parameters of their own: it may backpropagate or ablate at will."""
    out: dict[str, Activation] = {}
    failed: dict[str, str] = {}
    for name, probe in probes.items():
        try:
            rng = torch.Generator().manual_seed(seed)
            with torch.enable_grad():
                result = probe(*models(), data, rng=rng)
            said = {part: _answer(value) for part, value in (result if isinstance(result, Mapping) else {"": result}).items()}
        except Exception as error:  # somebody else's code: the snapshot goes on without it
            failed[name] = f"{type(error).__name__}: {error}"
            continue
        out |= {f"{name}.{part}" if part else name: activation for part, activation in said.items()}
    return out, failed


def _answer(value: Any) -> Activation:
    """One answer of a probe, on the host. Raises TypeError for what is neither an activation nor a tensor with axes."""
    if isinstance(value, Tensor) and value.ndim:
        value = Activation(value, axes_of(value))
    if not isinstance(value, Activation):
        raise TypeError(f"a probe gives tensors or activations with a dimension at least, not {value!r:.40}")
    return replace(value, values=to_host(value.values.detach()))


def _masked(activation: Activation, mask: Tensor | None, cut: Reduced | None) -> Activation:
    """The activation with the evaluation set's mask where it has the mask's axes and none of its own."""
    if (
        mask is not None
        and mask.ndim > 1
        and cut is not None
        and cut.timepoints is not None
        and cut.timepoints[-1] < mask.shape[1]
    ):
        mask = mask[:, list(cut.timepoints)]
    if mask is None or activation.mask is not None or activation.axes[: mask.ndim] != ("sample", "time")[: mask.ndim]:
        return activation
    if activation.values.shape[: mask.ndim] != mask.shape:
        return activation
    return replace(activation, mask=to_host(mask.detach()))


def _targets(data: EvaluationSet) -> dict[str, Tensor]:
    if data.targets is None:
        return {}
    if isinstance(data.targets, Tensor):
        return {"y": data.targets}
    given: Any = data.targets  # of a script without types
    if not isinstance(given, Mapping) or not all(isinstance(each, Tensor) for each in given.values()):
        raise UsageError("The targets of an evaluation set are a tensor, or tensors by the name of their task.")
    return dict(given)


def _leaves(inputs: Any) -> list[Tensor]:
    if isinstance(inputs, Tensor):
        return [inputs]
    if isinstance(inputs, Mapping):
        return [t for v in inputs.values() for t in _leaves(v)]
    if isinstance(inputs, tuple | list):
        return [t for v in inputs for t in _leaves(v)]
    return []


def _map(inputs: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {k: _map(v, function) for k, v in inputs.items()}
    if isinstance(inputs, tuple | list):
        mapped = [_map(v, function) for v in inputs]
        return type(inputs)(*mapped) if hasattr(inputs, "_fields") else type(inputs)(mapped)
    return inputs
