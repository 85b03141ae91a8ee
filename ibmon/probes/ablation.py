"""What a model can still do with some of the units of a layer, and without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ibmon.capture import recurrent
from ibmon.capture.evaluate import call, of_rows, samples_of
from ibmon.tensors import Activation, EvaluationSet

from .replay import Replay

_BINS = 8


def ablation(
    module: str = "hidden", *, samples: int = 200, draws: int = 5, fill: Literal["zero", "mean"] = "zero"
) -> Callable[..., dict[str, Activation]]:
    """A probe: what every task can do when only k units of ``module`` are kept, and when k are removed, k = 0, 1, 2, 4, ..., n,
    on the first ``samples`` samples: its accuracy, and the mean recall of its classes, which says more where one is common.

    The units are those that tell most about a task (``unit_information``), for each task in turn, so that it is also seen what
    one task loses with the units of another; and, as a control, those of ``draws`` random orders, the same ones at every
    snapshot. A removed unit is 0 at every token (``fill="zero"``), as behind a closed gate, or its mean over the tokens that are
    data (``"mean"``), which asks less of what comes after it to make do with values it never saw; but where gates that read the
    input themselves multiply a mean, what they know of the input passes still.

    ``module`` is named as in the model and called once a pass. It puts out a tensor ``(samples, time, units)`` or ``(samples,
    units)``, packed or not, or a tuple that begins with one, as recurrent layers do. The model's outputs are scores of classes by
    task, ``(samples, time, classes)`` for labels of tokens or ``(samples, classes)``, or one such tensor where there is one task.
    Tokens count that the mask calls data and whose label is not negative. A task with one class is left out without a word, as
    there is nothing to tell; where no other is left the probe says nothing. What comes before ``module`` is computed once (see
    ``Replay``): with 2 tasks and 32 units a snapshot costs 72 passes through what comes after it.

    Watch it as ``probes={"ablation": ablation("hidden")}``: the analysis ``ablation`` shows it, and ``ablated`` reads it. Raises
    ValueError for options out of their domain, and where module, outputs and targets are not what they have to be.
    """
    if samples < 1 or draws < 0:
        raise ValueError(f"ablation takes one sample or more and no negative number of draws, not {samples} and {draws}")
    if fill not in ("mean", "zero"):
        raise ValueError(f"ablation: fill must be zero or mean, not {fill}")

    def probe(model: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> dict[str, Activation]:
        part = of_rows(data, torch.arange(min(samples, samples_of(data))))

        def run() -> Any:
            return call(model, part, part.inputs)

        with torch.no_grad(), Replay(model, module) as replay:
            whole = list(_predicted(replay.record(run), part))
            tasks = [one.task for one in whole]
            if not tasks:
                return {}
            states, there = _states(replay, module, part)
            scores = [unit_information(*_with_labels(states, there, task, part)) for task in tasks]
            units = states.shape[-1]
            orders = [score.argsort(descending=True, stable=True) for score in scores]
            orders += [torch.randperm(units, generator=rng) for _ in range(draws)]
            filling = states[there].mean(0) if fill == "mean" else states.new_zeros(units)
            levels = _levels(units)
            known = {(True,) * units: [one.scored() for one in whole]}

            def scored(kept: Tensor) -> list[tuple[float, float]]:
                key = tuple(kept.tolist())
                if key not in known:
                    changed = replay.again(run, _replaced(replay.output, kept, filling))
                    known[key] = [one.scored() for one in _predicted(changed, part)]
                return known[key]

            rows = [[[scored(kept) for kept in side] for side in _sides(order, levels)] for order in orders]
            measured = torch.tensor(rows, dtype=torch.float64)
        said = {"levels": Activation(torch.tensor(levels), ("level",))}
        for t, task in enumerate(tasks):
            said[f"information.{task}"] = Activation(scores[t], ("unit",))
            for number, score in enumerate(("accuracy", "recall")):
                said[f"{score}.{task}"] = Activation(measured[..., t, number], ("order", "side", "level"))
        return said

    return probe


@dataclass(frozen=True, slots=True)
class Ablated:
    """What the probe ``ablation`` said: ``levels`` k; by task the ``information`` of each unit ``(units,)`` in bits, and
    ``accuracy`` and mean ``recall`` ``(orders, 2, levels)`` with k units kept, and with k removed: in the orders of the tasks,
    then in random ones.
    """

    levels: tuple[int, ...]
    information: Mapping[str, Tensor]
    accuracy: Mapping[str, Tensor]
    recall: Mapping[str, Tensor]


def ablated(probes: Mapping[str, Activation], name: str = "ablation") -> Ablated | None:
    """What the probe called ``name`` said; None where that is something else."""
    levels = probes.get(f"{name}.levels")
    information, accuracy, recall = (
        {key.removeprefix(first): probes[key].values.cpu() for key in probes if key.startswith(first)}
        for first in (f"{name}.information.", f"{name}.accuracy.", f"{name}.recall.")
    )
    if levels is None or not accuracy or not list(accuracy) == list(information) == list(recall):
        return None
    shapes = {a.shape for a in (*accuracy.values(), *recall.values())}
    least = len(accuracy), 2, len(levels.values)
    if any(len(shape) != 3 or shape[0] < least[0] or shape[1:] != least[1:] for shape in shapes):
        return None
    return Ablated(tuple(int(k) for k in levels.values.tolist()), information, accuracy, recall)


def unit_information(states: Tensor, labels: Tensor) -> Tensor:
    """What each unit tells about the label, in bits ``(units,)``, to order units by: the plug-in information of its value in 8
    bins of equal mass. It is too large by about the same for all units. ``states`` ``(tokens, units)``, ``labels``
    ``(tokens,)``."""
    tokens, units = states.shape
    values = states.T.contiguous()
    edges = values.sort(1).values[:, [tokens * k // _BINS for k in range(1, _BINS)]]
    cells = torch.searchsorted(edges.contiguous(), values, right=True)
    codes = torch.unique(labels, return_inverse=True)[1]
    classes = int(codes.max()) + 1
    index = (torch.arange(units, device=states.device)[:, None] * _BINS + cells) * classes + codes
    joint = torch.bincount(index.flatten(), minlength=units * _BINS * classes).reshape(units, _BINS, classes).double() / tokens
    entropies = [torch.special.entr(p).flatten(1).sum(1) for p in (joint.sum(2), joint.sum(1), joint)]
    return ((entropies[0] + entropies[1] - entropies[2]) / torch.log(torch.tensor(2.0, dtype=torch.float64))).cpu()


def _levels(units: int) -> list[int]:
    return [0, *(2**k for k in range(units.bit_length()) if 2**k < units), units]


def _sides(order: Tensor, levels: Sequence[int]) -> Iterator[list[Tensor]]:
    """Which units remain ``(units,)`` at each level: when the first of the order are kept, and when they are removed."""
    place = order.argsort()
    yield [place < k for k in levels]
    yield [place >= k for k in levels]


@dataclass(frozen=True, slots=True)
class _Prediction:
    """Scores ``(samples, ..., classes)``, labels ``(samples, ...)`` and the mask of what is data, of one task."""

    task: str
    scores: Tensor
    labels: Tensor
    mask: Tensor | None

    def scored(self) -> tuple[float, float]:
        """The share of labels that have the largest score: of all, and the mean over the classes that occur."""
        counted = self.labels >= 0
        if self.mask is not None:
            counted = counted & self.mask.to(counted.device)
        right = (self.scores.argmax(-1) == self.labels)[counted].double()
        _, which, count = torch.unique(self.labels[counted], return_inverse=True, return_counts=True)
        return float(right.mean()), float((right.new_zeros(len(count)).index_add_(0, which, right) / count).mean())


def _predicted(outputs: Any, data: EvaluationSet) -> Iterator[_Prediction]:
    """What the model puts out for every task that has more than one class."""
    assert isinstance(data.targets, Mapping)
    if isinstance(outputs, Tensor) and len(data.targets) == 1:
        outputs = {next(iter(data.targets)): outputs}
    if not isinstance(outputs, Mapping) or not outputs.keys() & data.targets.keys():
        raise ValueError(
            "ablation: the model has to put out scores of classes by task, or one tensor of them where there is one task"
        )
    for task, labels in data.targets.items():
        if task not in outputs:
            continue
        scores = outputs[task]
        fits = isinstance(scores, Tensor) and scores.shape[:-1] == labels.shape
        if fits and scores.shape[-1] == 1 and not (labels > 0).any():
            continue  # with other labels one score would be a logit of two classes, which is not what is asked for
        if not fits or scores.shape[-1] < 2:
            shape = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"type {type(scores).__name__}"
            raise ValueError(f"ablation: the outputs of {task} have {shape} for labels of shape {tuple(labels.shape)}")
        yield _Prediction(task, scores, labels.to(scores.device), data.mask if labels.ndim == 2 else None)


def _first(output: Any) -> Any:
    """The tensor or packed sequence that a module puts out, first of a tuple or alone."""
    return output[0] if isinstance(output, tuple) and not isinstance(output, PackedSequence) else output


def _states(replay: Replay, name: str, data: EvaluationSet) -> tuple[Tensor, Tensor]:
    """The units ``(samples, time, units)`` or ``(samples, units)``, and which of them are data."""
    output, mask = _first(replay.output), data.mask
    if isinstance(output, PackedSequence):
        output, mask = recurrent.padded(output)
    elif isinstance(output, Tensor) and isinstance(replay.module, nn.RNNBase) and not replay.module.batch_first:
        output = output.transpose(0, 1)
    if not isinstance(output, Tensor) or output.ndim not in (2, 3) or len(output) != samples_of(data):
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"ablation: the module {name!r} puts out {shape}, not (samples, time, units) or (samples, units)")
    there = torch.ones(output.shape[:-1], dtype=torch.bool, device=output.device)
    if mask is not None and mask.ndim == there.ndim:
        if len(mask) != len(there) or mask.shape[-1] < there.shape[-1]:
            raise ValueError(f"ablation: a mask of shape {tuple(mask.shape)} does not fit {name!r}, {tuple(output.shape)}")
        there = mask.to(output.device)[..., : there.shape[-1]]
    return output, there


def _with_labels(states: Tensor, there: Tensor, task: str, data: EvaluationSet) -> tuple[Tensor, Tensor]:
    """States ``(tokens, units)`` and labels ``(tokens,)``; the label of a sample is that of all its tokens."""
    assert isinstance(data.targets, Mapping)
    labels = data.targets[task].to(states.device)
    if labels.ndim < there.ndim:
        labels = labels[:, None].expand(there.shape)
    if labels.ndim != there.ndim or labels.shape[-1] < there.shape[-1]:
        raise ValueError(f"ablation: labels of shape {tuple(labels.shape)} of {task} do not fit units {tuple(states.shape)}")
    labels = labels[..., : there.shape[-1]]
    counted = there & (labels >= 0)
    if not counted.any():
        raise ValueError(f"ablation: nothing of {task} is data")
    return states[counted], labels[counted]


def _replaced(output: Any, kept: Tensor, filling: Tensor) -> Any:
    """What the module put out, with ``filling`` ``(units,)`` where units are not ``kept`` ``(units,)``."""
    first = _first(output)
    values = first.data if isinstance(first, PackedSequence) else first
    changed = torch.where(kept.to(values.device), values, filling.to(values))
    if isinstance(first, PackedSequence):
        changed = PackedSequence(changed, first.batch_sizes, first.sorted_indices, first.unsorted_indices)
    return (changed, *output[1:]) if first is not output else changed
