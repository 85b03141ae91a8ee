"""Checks of what a call must leave alone or may not depend on: random state, inputs, threads, types, layout, device, memory."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch

from ibmon.specs import EstimatorSpec
from ibmon.tensors import Variable

from . import cases
from .check import Check, continuous_x
from .memory import beyond_input
from .subject import NotApplicable, Subject, at, identical, require, same, with_values

_SINGLE = 1e-3
"""Bits that computing in float32 may cost."""


def global_random_state(subject: Subject) -> None:
    """The random states of torch, numpy and Python are left alone, and do not matter."""
    for x, ys in subject.examples((2,)):
        with _own_global_state(1):
            before = _global_state()
            first = subject.call(x, ys)
            after = _global_state()
        for name, state in before.items():
            require(state == after[name], f"a call with a {x.kind} x moves the global random state of {name}")
        with _own_global_state(2):
            second = subject.call(x, ys)
        for y, a, b in zip(ys, first, second, strict=True):
            same(a, b, f"{x.kind} x, {y.kind} y, with another global seed")


def _global_state() -> dict[str, str]:
    numpy = np.random.get_state(legacy=False)
    return {
        "torch": str(torch.get_rng_state().tolist()),
        "numpy": str([list(part.items()) if isinstance(part, dict) else part for part in numpy.values()]),
        "Python": str(random.getstate()),
    }


@contextmanager
def _own_global_state(seed: int) -> Generator[None]:
    """Seed all three, and put them back as they were."""
    python, numpy, own = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(own)


def inputs_untouched(subject: Subject) -> None:
    """Values and masks of x and of the ys are what they were, after the call and all operations that take x alone."""
    mask = torch.rand(2, 120, generator=cases.generator(1)) < 0.8
    for x, ys in subject.examples((2,)):
        given = [with_values(v, v.values.clone(), mask.clone() if v.kind != "identity" else None) for v in (x, *ys)]
        for variables in (given, [with_values(v, v.values) for v in given]):
            kept = [(v.values.clone(), None if v.mask is None else v.mask.clone()) for v in variables]
            subject.call(variables[0], variables[1:])
            if "entropy" in subject.spec.operations:
                subject.operation("entropy", variables[0])
            for name, variable, (values, was) in zip(["x", *["y"] * len(ys)], variables, kept, strict=True):
                require(identical(variable.values, values), f"a call changes the values of a {variable.kind} {name}")
                require(identical(variable.mask, was), f"a call changes the mask of a {variable.kind} {name}")


def threads(subject: Subject) -> None:
    """One thread and two give the same estimate."""
    before = torch.get_num_threads()
    try:
        for x, ys in subject.examples((2,), samples=300):
            torch.set_num_threads(1)
            one, spreads = subject.call(x, ys), [subject.spread(x, y) for y in ys]
            torch.set_num_threads(2)
            two = subject.call(x, ys)
            for y, a, b, spread in zip(ys, one, two, spreads, strict=True):
                same(b, a, f"{x.kind} x, {y.kind} y, two threads against one", spread=spread)
    finally:
        torch.set_num_threads(before)


def single_precision(subject: Subject) -> None:
    """float32 gives what the same numbers give in float64, within 0.001 bit."""
    _in_type(subject, torch.float32)


def half_precision(subject: Subject) -> None:
    """float16 and bfloat16 are taken, and give what the same numbers give in float64, within 0.001 bit."""
    _in_type(subject, torch.float16)
    _in_type(subject, torch.bfloat16)


def _in_type(subject: Subject, dtype: torch.dtype) -> None:
    for x, ys in subject.examples():
        for y in ys:
            narrow_x, narrow_y = _typed(x, dtype), _typed(y, dtype)
            wide_x, wide_y = _typed(narrow_x, torch.float64), _typed(narrow_y, torch.float64)
            found, wanted = subject.one(narrow_x, narrow_y), subject.one(wide_x, wide_y)
            what, spread = f"{x.kind} x, {y.kind} y, {dtype} against float64", subject.spread(wide_x, wide_y)
            same(found, wanted, what, tolerance=_SINGLE, spread=spread, flags=False)


def _typed(variable: Variable, dtype: torch.dtype) -> Variable:
    return with_values(variable, variable.values.to(dtype)) if variable.kind == "continuous" else variable


def memory_layout(subject: Subject) -> None:
    """Strided, transposed and expanded values give what contiguous ones give."""
    for x, ys in subject.examples():
        plain = subject.call(x, ys)
        spreads = [subject.spread(x, y) for y in ys]
        for name in ("strided", "transposed"):
            found = subject.call(_laid_out(x, name), [_laid_out(y, name) for y in ys])
            for y, a, b, spread in zip(ys, found, plain, spreads, strict=True):
                same(a, b, f"{x.kind} x, {y.kind} y, {name} values", spread=spread)
        if x.kind == "identity":
            continue
        wide = [with_values(v, v.values.expand(3, *v.values.shape)) if v.kind != "identity" else v for v in (x, *ys)]
        for y, a, b, spread in zip(ys, subject.call(wide[0], wide[1:]), plain, spreads, strict=True):
            for i in range(3):
                same(at(a, (i,)), b, f"{x.kind} x, {y.kind} y, expanded values", spread=spread)


def _laid_out(variable: Variable, name: str) -> Variable:
    values = variable.values
    if values.ndim == 1:
        return with_values(variable, values.repeat_interleave(2, 0)[::2])
    if name == "transposed":
        return with_values(variable, values.T.contiguous().T)
    return with_values(variable, values.repeat_interleave(2, 0).repeat_interleave(2, 1)[::2, ::2])


def device(subject: Subject) -> None:
    """On a GPU the estimate is what it is on the CPU, within 1e-6 bit, and lies on the GPU."""
    for x, ys in subject.examples((2,)):
        for y in ys:
            found = subject.one(with_values(x, x.values.cuda()), with_values(y, y.values.cuda()))
            require(found.value.is_cuda, f"{x.kind} x, {y.kind} y: the value lies on {found.value.device}")
            what = f"{x.kind} x, {y.kind} y, on the GPU"
            same(found, subject.one(x, y), what, tolerance=1e-6, spread=subject.spread(x, y))


def error_covers_seeds(subject: Subject) -> None:
    """An estimator that draws at random gives an ``error`` that is no smaller than a third of its spread over seeds."""
    told = False
    for x, ys in subject.examples():
        for y in ys:
            spread, error = subject.spread(x, y), subject.one(x, y).error
            if spread and error is not None:
                told = True
                said = f"error is {float(error):.3g}, and the spread over seeds {spread:.3g}"
                require(float(error) >= spread / 3, f"{x.kind} x, {y.kind} y: {said}")
    if not told:
        raise NotApplicable("does not depend on the seed, or gives no error")


def memory(subject: Subject) -> None:
    """A call takes no more memory beyond its input and output than is declared (measured in a process of its own).

    6000 samples of 32 units, or of 30 000 different labels out of 100 000 samples where x is labels.
    """
    taken = beyond_input(subject.spec, subject.options)
    require(taken <= subject.spec.memory, f"a call takes {taken:.0f} MiB, and {subject.spec.memory} are declared")


def _no_gpu(_: EstimatorSpec) -> str:
    return "" if torch.cuda.is_available() else "there is no CUDA device"


CHECKS = (
    Check(error_covers_seeds),
    Check(global_random_state),
    Check(inputs_untouched),
    Check(threads),
    Check(single_precision, (continuous_x,)),
    Check(half_precision, (continuous_x,)),
    Check(memory_layout),
    Check(device, (_no_gpu,)),
    Check(memory),
)
