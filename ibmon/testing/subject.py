"""What a check is given: an estimator with its declaration, and the few things that all checks do with variables.

Estimates are compared where they may differ by rounding only, or, for an estimator that draws at random, by its spread over
seeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ibmon.specs import EstimatorSpec
from ibmon.tensors import Estimate, Variable

from . import cases

COMPANIONS = ("raw", "lower", "upper", "error", "null", "p_value", "limit")
"""What an estimate may carry beside its value, in the value's shape."""
_COMPARED = ("value", "raw", "lower", "upper", "limit")
_DRAWN_FLAGS = ("label_saturated",)
"""Flags that depend on permutations, which differ where random numbers are drawn in another order."""
_SEEDS = 8
_SPREADS = 10
"""How many standard deviations over ``_SEEDS`` seeds two estimates of a random estimator may differ by."""


class NotApplicable(Exception):
    """A check does not fit what this estimator gives; its text says why."""


def require(condition: object, message: str) -> None:
    """Raise AssertionError with ``message`` unless ``condition`` holds (also under ``python -O``)."""
    if not condition:
        raise AssertionError(message)


@dataclass(frozen=True, slots=True)
class Subject:
    """An estimator under test, built from ``spec`` with ``options``."""

    spec: EstimatorSpec
    options: Mapping[str, Any]
    estimator: Any
    _spreads: dict[tuple[bytes, ...], float] = field(default_factory=dict[tuple[bytes, ...], float])

    @classmethod
    def of(cls, spec: EstimatorSpec, options: Mapping[str, Any]) -> Subject:
        return cls(spec, options, spec.load()(**options))

    def call(self, x: Variable, ys: Sequence[Variable], seed: int = 0) -> tuple[Estimate, ...]:
        return self.estimator(x, ys, rng=cases.generator(seed))

    def one(self, x: Variable, y: Variable, seed: int = 0) -> Estimate:
        return self.call(x, [y], seed)[0]

    def operation(self, name: str, *variables: Variable, seed: int = 0, **options: Any) -> Estimate:
        return getattr(self.estimator, name)(*variables, **options, rng=cases.generator(seed))

    def examples(
        self, batch: tuple[int, ...] = (), samples: int = 120, units: int = 2, seed: int = 0
    ) -> Iterator[tuple[Variable, list[Variable]]]:
        """For each declared kind of x: x, and one y of each declared kind that depends on it.

        An identity is never batched, so it is not x where there is a ``batch``.
        """
        for kind in self.spec.x_kinds:
            if kind != "identity" or not batch:
                x = cases.example(kind, samples=samples, batch=batch, units=units, seed=seed)
                yield x, [cases.example(k, part=1, samples=samples, batch=batch, units=units, seed=seed) for k in self.spec.kinds]

    def spread(self, x: Variable, y: Variable) -> float:
        """Standard deviation of the estimate over seeds; exactly 0 where two seeds agree bit for bit. Computed once."""
        key = tuple(part.double().numpy().tobytes() for v in (x, y) for part in (v.values, v.mask) if part is not None)
        if key not in self._spreads:
            self._spreads[key] = spread(lambda seed: self.one(x, y, seed))
        return self._spreads[key]


def spread(draw: Callable[[int], Estimate]) -> float:
    """Standard deviation over seeds of what ``draw`` gives, as root mean square over the batch; exactly 0 without any."""
    drawn = [raw(draw(seed)).double() for seed in (0, 1)]
    if identical(*drawn):
        return 0.0
    drawn += [raw(draw(seed)).double() for seed in range(2, _SEEDS)]
    deviations = torch.stack(drawn).std(0)
    deviations = deviations[deviations.isfinite()]
    return float(deviations.square().mean().sqrt()) if len(deviations) else 0.0


def raw(estimate: Estimate) -> Tensor:
    """The estimate before clipping."""
    return estimate.value if estimate.raw is None else estimate.raw


def identical(a: Tensor | None, b: Tensor | None) -> bool:
    """Whether two tensors are equal bit for bit, NaN included."""
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())


def same(
    found: Estimate,
    wanted: Estimate,
    what: str,
    *,
    tolerance: float = 1e-9,
    spread: float = 0.0,
    parts: Sequence[str] = _COMPARED,
    flags: bool = True,
) -> None:
    """Require two estimates to agree: within ``tolerance`` (of 1, or of larger values), or ten times the ``spread``."""
    for part in parts:
        a, b = getattr(found, part), getattr(wanted, part)
        require((a is None) == (b is None), f"{what}: {part} is given for one of the two only")
        if a is not None and b is not None:
            close(a, b, f"{what}: {part}", tolerance=tolerance, spread=0.0 if part == "limit" else spread)
    if flags and not spread:
        for name in (found.flags.keys() | wanted.flags.keys()) - set(_DRAWN_FLAGS):
            a, b = found.flags.get(name), wanted.flags.get(name)
            require(identical(_cpu(a), _cpu(b)), f"{what}: the flag {name} is {_shown(a)} against {_shown(b)}")


def close(a: Tensor, b: Tensor, what: str, *, tolerance: float, spread: float = 0.0) -> None:
    """Require two tensors of one shape to agree, NaN with NaN."""
    require(a.shape == b.shape, f"{what} has shape {tuple(a.shape)} against {tuple(b.shape)}")
    a, b = a.detach().cpu().double(), b.detach().cpu().double()
    require(bool((a.isnan() == b.isnan()).all()), f"{what} is {_shown(a)} against {_shown(b)}")
    difference = torch.where(a == b, 0, (a - b).abs()).nan_to_num(0, torch.inf)
    allowed = tolerance * b.abs().nan_to_num(0).clamp(min=1) + _SPREADS * spread
    worst = (difference - allowed).argmax() if difference.numel() else None
    if worst is not None and bool(difference.flatten()[worst] > allowed.flatten()[worst]):
        here, there = float(a.flatten()[worst]), float(b.flatten()[worst])
        raise AssertionError(f"{what} is {here:.12g} against {there:.12g}, which may differ by {float(allowed.max()):.2g}")


def _cpu(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.cpu()


def _shown(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    listed = str(tensor.tolist())
    return listed if len(listed) < 120 else listed[:117] + "..."


def raised(estimate: Estimate, *names: str) -> Tensor:
    """Where any of the named flags is raised, or any flag at all without names; in the value's shape."""
    where = torch.zeros(estimate.value.shape, dtype=torch.bool, device=estimate.value.device)
    for name, flag in estimate.flags.items():
        if not names or name in names:
            where = where | flag
    return where


def places(batch: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Indices of all elements of a batch."""
    return product(*(range(size) for size in batch))


def at(estimate: Estimate, place: tuple[int, ...]) -> Estimate:
    """The estimate of one element of the batch."""
    tensors = {f.name: getattr(estimate, f.name) for f in fields(Estimate)}
    chosen = {name: value[place] for name, value in tensors.items() if isinstance(value, Tensor)}
    return replace(estimate, **chosen, flags={name: flag[place] for name, flag in estimate.flags.items()})


def with_values(variable: Variable, values: Tensor, mask: Tensor | None = None) -> Variable:
    """The same kind of variable with other ``values``, and ``mask`` in place of its own."""
    return Variable(values, variable.kind, mask)


def element(variable: Variable, place: tuple[int, ...]) -> Variable:
    """One element of a batched variable; a variable without a batch serves all elements."""
    if variable.values.ndim == (2 if variable.kind == "continuous" else 1):
        return variable
    return with_values(variable, variable.values[place])


def chosen(variable: Variable, samples: Tensor) -> Variable:
    """A variable with the samples that an index or a boolean mask (samples,) names, in the index's order."""
    return with_values(
        variable, variable.values[..., samples, :] if variable.kind == "continuous" else variable.values[..., samples]
    )


@contextmanager
def quiet() -> Generator[None]:
    """Make a warning an error: degenerate data are an estimator's daily bread."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
