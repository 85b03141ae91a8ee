"""Evaluation sets from data loaders: fixed samples, drawn once, of which the training notices nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler, SubsetRandomSampler

from ibmon.records import UsageError
from ibmon.runs.log import BARE_NAME
from ibmon.tensors import IGNORED, EvaluationSet

from .shadow import unnoticed

MOST = 2000
"""Samples that are drawn from a loader: reading them may take long."""
TARGETS = ("labels", "label", "targets", "target", "y")
"""What targets are called in batches that are mappings."""
MASK = "attention_mask"


def by_name(given: Mapping[str, Any] | Any, most: int, seed: int) -> dict[str, EvaluationSet]:
    """The evaluation sets that ``Monitor.watch`` was given, one or several by name, in tensors. Raises UsageError."""
    sets: dict[str, Any] = dict(given or {}) if isinstance(given, Mapping | None) else {"all": given}
    for name in sets:
        if not BARE_NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name an evaluation set; use letters, digits, '.', '_' and '-'.")
    return {name: tensors_of(data, min(most, MOST), seed) for name, data in sets.items()}


def tensors_of(given: EvaluationSet | Any, most: int, seed: int) -> EvaluationSet:
    """An evaluation set of tensors: of what was given, or of at most ``most`` samples of a loader in its place or as its inputs.

    A loader is a ``DataLoader``, or anything that gives batches: tensors ``(samples, ...)``; tuples whose last item is the
    targets, when they are more than one; mappings with targets among ``TARGETS``. Of a ``DataLoader`` over a data set with a
    length the samples are drawn at random, the same ones for every run of a seed; else they are the first ones. Batches of
    different lengths are padded with zeros, targets with ``IGNORED``. ``attention_mask`` says which tokens are data.
    Raises UsageError for a loader that gives none of these.
    """
    data = given if isinstance(given, EvaluationSet) else EvaluationSet(given)
    if not _is_loader(data.inputs):
        return _with_mask(data)
    try:
        with unnoticed(None):
            batches = list(_batches(data.inputs, most, seed))
    except UsageError:
        raise
    except Exception as error:  # somebody else's data set, transforms and collation
        raise UsageError(f"The loader of the evaluation set cannot be read: {type(error).__name__}: {error}") from error
    if not batches:
        raise UsageError("The loader of the evaluation set gives no batch.")
    parts = [_split(batch) for batch in batches]
    inputs, length = _joined([part[0] for part in parts], 0)
    targets = _joined([part[1] for part in parts], IGNORED)[0] if parts[0][1] is not None else None
    gathered = replace(
        data,
        inputs=_cut(inputs, most),
        targets=_cut(targets, most) if data.targets is None else data.targets,
        mask=_cut(length, most) if data.mask is None else data.mask,
    )
    return _with_mask(gathered)


def _is_loader(inputs: Any) -> bool:
    if isinstance(inputs, Tensor | Mapping | str):
        return False
    if isinstance(inputs, tuple | list):
        return isinstance(inputs, list) and bool(inputs) and not isinstance(inputs[0], Tensor)
    return isinstance(inputs, Iterable)


def _batches(loader: Iterable[Any], most: int, seed: int) -> Iterator[Any]:
    """Batches of at least ``most`` samples in all, without touching samplers, workers or generators of a ``DataLoader``."""
    if isinstance(loader, DataLoader) and (rows := _rows(loader)) is not None:
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:most].sort().values.tolist()
        size = loader.batch_size or 32
        for start in range(0, len(order), size):
            yield loader.collate_fn([loader.dataset[rows[i]] for i in order[start : start + size]])
        return
    found = 0
    for batch in _anew(loader) if isinstance(loader, DataLoader) else loader:
        yield batch
        found += _size(batch)
        if found >= most:
            return


def _anew(loader: DataLoader[Any]) -> Iterable[Any]:
    """The same batches, in this process and by a sampler of their own: the training's may be half through its epoch."""
    shared = {id(loader.dataset): loader.dataset}
    if isinstance(loader.dataset, IterableDataset):
        return DataLoader(loader.dataset, loader.batch_size, collate_fn=loader.collate_fn)
    if loader.batch_sampler is None:  # the data set gives whole batches
        return (loader.collate_fn(loader.dataset[row]) for row in copy.deepcopy(loader.sampler, shared))
    sampler = copy.deepcopy(loader.batch_sampler, shared)
    return DataLoader(loader.dataset, batch_sampler=sampler, collate_fn=loader.collate_fn)


def _rows(loader: DataLoader[Any]) -> Sequence[int] | None:
    """The indices that a loader draws from; None where only iterating can tell."""
    if loader.batch_size is None:
        return None
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    if isinstance(sampler, SubsetRandomSampler):
        return list(sampler.indices)
    known = isinstance(sampler, SequentialSampler | RandomSampler) or type(sampler).__name__ == "DistributedSampler"
    if known and hasattr(loader.dataset, "__len__") and loader.collate_fn is not None:
        return range(len(loader.dataset))  # pyright: ignore[reportArgumentType]
    return None


def _split(batch: Any) -> tuple[Any, Any]:
    """Inputs and targets of a batch."""
    if isinstance(batch, Mapping):
        name = next((n for n in TARGETS if n in batch), None)
        kept = {k: v for k, v in batch.items() if k != name and isinstance(v, Tensor)}
        if not kept:
            raise UsageError("The loader's batches are mappings without tensors; give the evaluation set as tensors.")
        return kept, None if name is None else batch[name]
    if isinstance(batch, tuple | list) and len(batch) > 1:
        *inputs, targets = batch
        return inputs[0] if len(inputs) == 1 else tuple(inputs), targets
    if isinstance(batch, tuple | list) and len(batch) == 1:
        return batch[0], None
    if isinstance(batch, Tensor):
        return batch, None
    kind = type(batch).__name__
    raise UsageError(f"The loader's batches are {kind}; give an evaluation set of tensors: inputs, targets and forward.")


def _size(batch: Any) -> int:
    return next((len(leaf) for leaf in _leaves(_split(batch)[0])), 0)


def _joined(parts: Sequence[Any], fill: int) -> tuple[Any, Tensor | None]:
    """Batches one after the other; those of different lengths are filled up, and the mask says what is data."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {k: _joined([p[k] for p in parts], 0 if k == MASK else fill)[0] for k in first}, None
    if isinstance(first, tuple | list):
        return tuple(_joined([p[i] for p in parts], fill)[0] for i in range(len(first))), None
    if not all(isinstance(p, Tensor) for p in parts):
        raise UsageError("The loader's batches hold more than tensors; give the evaluation set as tensors.")
    if len({p.shape[1:] for p in parts}) == 1:
        return torch.cat(list(parts)), None
    if len({p.shape[2:] for p in parts}) != 1 or any(p.ndim < 2 for p in parts):
        raise UsageError("The loader's batches have samples of different shapes; give an evaluation set of samples of one shape.")
    time = max(p.shape[1] for p in parts)

    def filled(p: Tensor) -> Tensor:
        return nn.functional.pad(p, (0, 0) * (p.ndim - 2) + (0, time - p.shape[1]), value=fill)

    mask = torch.cat([torch.arange(time).expand(len(p), -1) < p.shape[1] for p in parts])
    return torch.cat([filled(p) for p in parts]), mask


def _with_mask(data: EvaluationSet) -> EvaluationSet:
    """The evaluation set with the attention mask of its inputs, where it has no mask of its own."""
    known = data.inputs.get(MASK) if isinstance(data.inputs, Mapping) else None
    if data.mask is not None or not isinstance(known, Tensor) or known.ndim != 2:
        return data
    return replace(data, mask=known.bool())


def _leaves(inputs: Any) -> Iterator[Tensor]:
    if isinstance(inputs, Tensor):
        yield inputs
    elif isinstance(inputs, Mapping | tuple | list):
        for item in inputs.values() if isinstance(inputs, Mapping) else inputs:
            yield from _leaves(item)


def _cut(inputs: Any, most: int) -> Any:
    if isinstance(inputs, Tensor):
        return inputs[:most]
    if isinstance(inputs, Mapping):
        return {k: _cut(v, most) for k, v in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(_cut(v, most) for v in inputs)
    return inputs
