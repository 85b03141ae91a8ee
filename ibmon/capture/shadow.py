"""A forward pass over the evaluation set that the training cannot notice.

It runs on a shadow: a deep copy that shares the parameters and nothing else, so buffers, carried states and hooks' memories
of the real model stay as they are. ``training`` is switched off as an attribute (an overridden ``eval()`` may merge
weights), random states are put back, and gradients are off (``no_grad``: tensors born in ``inference_mode`` may leak into
the user's graph).
"""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class CaptureError(Exception):
    """A snapshot could not be taken; its text is recorded as the reason of the drop."""


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside ``torch.compile``, DataParallel and DistributedDataParallel wrappers."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


class ChangedError(CaptureError):
    """The pass changed the model that is trained: there must not be another."""


_KEPT = 2**20
"""Numbers of a buffer that is kept to be put back; larger ones are masks and tables, which nothing changes."""


def refuse_uninitialised(model: nn.Module) -> None:
    """Raises CaptureError while a lazy module has not seen its first batch."""
    for name, p in [*model.named_parameters(), *model.named_buffers()]:
        if isinstance(p, UninitializedParameter | UninitializedBuffer):
            raise CaptureError(f"{name} is not initialised yet: run one batch through the model before watching it")


def copied(model: nn.Module, *, share: bool = True) -> nn.Module:
    """A fresh copy in evaluation mode, sharing the parameters (or with parameters of its own, for probes).

    Raises whatever ``deepcopy`` raises where the model cannot be copied.
    """
    model = unwrapped(model)
    memo: dict[int, Any] = {}
    if share:
        memo = {id(p): p for p in model.parameters()}
    for module in model.modules():
        if module is not model and getattr(module, "_orig_mod", None) is not None:
            continue
        for value in _plain_tensors(module):
            if not value.is_leaf:  # a carried state: deepcopy refuses tensors with a history
                memo[id(value)] = value.detach().clone()
    for module in reversed(list(model.modules())):
        inner = getattr(module, "_orig_mod", None)
        if isinstance(inner, nn.Module):  # a compiled submodule runs eagerly in the shadow: nothing is recompiled
            memo[id(module)] = copy.deepcopy(inner, memo)
    shadow = copy.deepcopy(model, memo)
    _evaluating(shadow)
    return shadow


def _evaluating(model: nn.Module) -> None:
    for module in model.modules():
        module.training = False


def _plain_tensors(module: nn.Module) -> Generator[Tensor]:
    """Tensors kept as ordinary attributes, also inside tuples, lists and dicts."""
    waiting: list[Any] = [v for k, v in vars(module).items() if not k.startswith("_") and not isinstance(v, nn.Module)]
    for value in waiting:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())


@contextmanager
def in_place(model: nn.Module) -> Generator[nn.Module]:
    """The model itself in evaluation mode, for models that cannot be copied: everything that moves is put back.

    Raises ChangedError at the end when something moved that cannot be put back.
    """
    model = unwrapped(model)
    training = {m: m.training for m in model.modules()}
    buffers = {name: (b, b.clone()) for name, b in model.named_buffers()}
    plain = {m: dict(vars(m)) for m in model.modules()}
    _evaluating(model)
    try:
        yield model
    finally:
        moved: list[str] = []
        for module, before in plain.items():
            for name in vars(module).keys() - before.keys():
                delattr(module, name)
            for name, value in before.items():
                if vars(module).get(name) is not value and not name.startswith("_"):
                    vars(module)[name] = value
        for module, flag in training.items():
            module.training = flag
        for buffer, before in buffers.values():
            if not torch.equal(buffer, before):
                buffer.copy_(before)
        moved += [n for n, b in model.named_buffers() if n in buffers and not torch.equal(b, buffers[n][1])]
    if moved:
        raise ChangedError(f"the evaluation pass changed {moved[0]}, which cannot be put back")


@contextmanager
def untouched(model: nn.Module) -> Generator[None]:
    """The buffers of the model as they were, while its copy is used.

    A function that the model holds (a forward that was replaced, a lambda over ``self``) leads back from the copy to the model,
    which may be training. Raises ChangedError where that changed a buffer, such as a running mean; it is put back.
    """
    before = [(name, b, b._version, b.clone() if b.numel() <= _KEPT else None) for name, b in model.named_buffers()]  # pyright: ignore[reportPrivateUsage]
    moved: list[str] = []
    try:
        yield
    finally:
        moved += [name for name, buffer, version, _ in before if buffer._version != version]  # pyright: ignore[reportPrivateUsage]
        for _, buffer, _, kept in before if moved else ():
            if kept is not None:
                buffer.copy_(kept)  # all of them: the kernel of batch norm writes its running mean behind autograd's back
    if moved:
        raise ChangedError(
            f"the evaluation pass on a copy of the model changed {moved[0]} of the model itself: its forward, or a function that "
            "it holds, leads back to it"
        )


@contextmanager
def unnoticed(model: nn.Module | None, autocast: torch.dtype | None = None) -> Generator[None]:
    """Random states of torch (CPU, CUDA), numpy and ``random`` as before; no gradients; nothing recompiled.

    Raises ChangedError when the block changed a parameter: the training is no longer the same then.
    """
    versions = [(name, p, p._version) for name, p in model.named_parameters()] if model is not None else []  # pyright: ignore[reportPrivateUsage]
    numpy: Any = sys.modules.get("numpy")
    states = torch.get_rng_state(), random.getstate(), None if numpy is None else numpy.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    try:
        with torch.no_grad(), _autocast(autocast), _eager():
            yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        if numpy is not None:
            numpy.random.set_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
    for name, p, version in versions:
        if p._version != version:  # pyright: ignore[reportPrivateUsage]
            raise ChangedError(f"the forward pass changes the parameter {name} in place")


def _autocast(dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    if dtype is None:
        return nullcontext()
    return torch.autocast("cuda" if torch.cuda.is_available() else "cpu", dtype=dtype)


def _eager() -> AbstractContextManager[Any]:
    if "torch._dynamo" not in sys.modules:  # importing it takes seconds, and nothing can have been compiled
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
