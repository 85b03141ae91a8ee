"""Estimators that are broken on purpose, one slip each, and the check that must find it: numbers, contract, invariances.

Each is one of ``reference`` but for that slip. ``broken_calls`` has the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

import torch
from torch import Tensor

from ibmon import Estimate, EstimatorSpec, Variable
from testing.reference import (
    COPULA_SPEC,
    KSG,
    KSG2,
    KSG2_SPEC,
    KSG_SPEC,
    LN2,
    NOISY_SPEC,
    PLUG_IN_SPEC,
    ROSS_SPEC,
    PlugIn,
    Ross,
    psi,
)


@dataclass(frozen=True)
class Broken:
    """A declaration, the check that must fail for it, and words that its message must have."""

    spec: EstimatorSpec
    check: str
    words: str

    def __str__(self) -> str:
        return f"{self.spec.name}-{self.check}"


BROKEN: list[Broken] = []
Estimates = tuple[Estimate, ...]


def slip(base: EstimatorSpec, *caught: tuple[str, str], method: str = "__call__") -> Callable[[Callable[..., Any]], type]:
    """Make a function the ``method`` of an estimator that is otherwise ``base``; ``caught`` are checks and their words."""

    def entered(function: Callable[..., Any]) -> type:
        name, module = function.__name__, function.__module__
        kind = type(name, (base.load(),), {method: function, "__module__": module, "__qualname__": name})
        spec = replace(base, name=name, target=f"{module}:{name}")
        BROKEN.extend(Broken(spec, check, words) for check, words in caught)
        return kind

    return entered


def changed(found: Estimates, change: Callable[[Tensor], Tensor]) -> Estimates:
    """Estimates with another raw, and the value that goes with it."""
    raws = [change(e.raw) for e in found if e.raw is not None]
    return tuple(replace(e, raw=r, value=r.clamp(min=0)) for e, r in zip(found, raws, strict=True))


# What published implementations of nearest neighbours get wrong.


@slip(KSG_SPEC, ("few-samples-of-nothing", "independent variables"), method="terms")
def non_strict_counts(self: KSG, dx: Tensor, dy: Tensor, k: int) -> Tensor:
    radius = torch.maximum(dx, dy).topk(k, largest=False).values[:, -1:]
    return psi((dx <= radius).sum(1) + 1) + psi((dy <= radius).sum(1) + 1) - psi(k)


@slip(KSG2_SPEC, ("gaussian", "correlation"), ("few-samples-of-nothing", "independent variables"), method="terms")
def joint_radius(self: KSG2, dx: Tensor, dy: Tensor, k: int) -> Tensor:
    radius = torch.maximum(dx, dy).topk(k, largest=False).values[:, -1:]
    return psi((dx <= radius).sum(1)) + psi((dy <= radius).sum(1)) - psi(k) + 1 / k


@slip(
    KSG2_SPEC,
    ("gaussian", "correlation 0"),
    ("gaussian-sum", "sum of two"),
    ("gamma-and-exponential", "gamma"),
    ("few-samples-of-nothing", "independent variables"),
    method="terms",
)
def missing_inverse_k(self: KSG2, dx: Tensor, dy: Tensor, k: int) -> Tensor:
    return KSG2.terms(self, dx, dy, k) - 1 / k


@slip(KSG_SPEC, ("few-samples-of-nothing", "independent variables"), method="size")
def log_for_psi(self: KSG, samples: int) -> float:
    return log(samples)


@slip(ROSS_SPEC, ("few-samples-of-nothing", "independent classes"), method="size")
def log_for_psi_of_classes(self: Ross, samples: int) -> float:
    return log(samples)


@slip(KSG_SPEC, ("raw-falls-below-zero", "the least of 200"), method="raw")
def clipped_raw(self: KSG, x: Tensor, y: Tensor) -> float:
    return max(0.0, KSG.raw(self, x, y))


@slip(ROSS_SPEC, ("classes", "2 Gaussian classes"), method="size")
def size_less_a_tenth(self: Ross, samples: int) -> float:
    return float(psi(samples)) - 0.06 * (samples > 100)


@slip(KSG_SPEC, ("gaussian", "correlation 0.9"), method="raw")
def nats_called_bits(self: KSG, x: Tensor, y: Tensor) -> float:
    return KSG.raw(self, x, y) * LN2


@slip(KSG_SPEC, ("entropy-of-known-distributions", "N(0, 4)"), method="entropy")
def entropy_of_the_standardised(self: KSG, x: Variable, *, rng: torch.Generator) -> Estimate:
    return KSG.entropy(self, replace(x, values=x.values / x.values.std(-2, keepdim=True)), rng=rng)


@slip(KSG_SPEC, ("conditional-of-known-distributions", "share z only"), method="given")
def ignores_the_condition(self: KSG, x: Tensor, y: Tensor, z: Tensor) -> float:
    return KSG.raw(self, x, y)


@slip(PLUG_IN_SPEC, ("counts", "A xor B"), method="raw")
def plug_in_nats(self: PlugIn, x: Tensor, y: Tensor) -> float:
    return PlugIn.raw(self, x, y) * LN2


@slip(KSG_SPEC, ("converges", "the error is"))
def never_better(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    return changed(KSG.__call__(self, x, ys, rng=rng), lambda raw: raw + 0.3 * torch.randn(raw.shape, generator=rng))


# The contract.


@dataclass
class Thawed:
    k: int = 3


@dataclass(frozen=True)
class ComputedDefault(KSG):
    k: int = int("3")


@dataclass(frozen=True, eq=False)
class NeverEqual(KSG):
    k: int = 3

    def __eq__(self, other: object) -> bool:
        return self is other


def declared(base: EstimatorSpec, check: str, words: str, **changes: Any) -> None:
    """Enter an estimator that is as it should be, under a declaration that is not."""
    name = f"{base.name}({', '.join(changes)})"
    BROKEN.append(Broken(replace(base, name=name, **changes), check, words))


declared(KSG_SPEC, "options", "not frozen", target=f"{__name__}:Thawed")
declared(KSG_SPEC, "options", "must be a literal", target=f"{__name__}:ComputedDefault")
declared(KSG_SPEC, "pickles", "does not equal", target=f"{__name__}:NeverEqual")
declared(KSG_SPEC, "declaration", "invariances has scales", invariances=("scales",))
declared(KSG_SPEC, "declaration", "consistent for discrete", consistent=("discrete",))
declared(KSG_SPEC, "kinds", "ksg takes continuous", kinds=("continuous", "labels"))
declared(PLUG_IN_SPEC, "kinds", "with identity y, which is not declared is not refused", kinds=("labels",))
declared(PLUG_IN_SPEC, "kinds", "identity x, which is not declared is not refused", x_kinds=("labels",))
declared(KSG_SPEC, "operations", "entropy is there, and not declared", operations=("conditional", "pairwise"))
declared(PLUG_IN_SPEC, "operations", "pairwise is missing, and declared", operations=("entropy", "conditional", "pairwise"))
declared(KSG_SPEC, "unit", "gives bits and declares nats", unit="nats")
declared(KSG_SPEC, "bounds", "lower is missing, and bounds=True", bounds=True)
declared(NOISY_SPEC, "bounds", "lower is given, and bounds=False", bounds=False)
declared(NOISY_SPEC, "scale", "columns times", invariances=("scale",))
declared(COPULA_SPEC, "rotation", "rotated", invariances=("rotation",))
declared(KSG_SPEC, "monotone", "exponentials", invariances=("monotone",))
declared(COPULA_SPEC, "uniform", "uniform noise", consistent=("continuous",))
declared(KSG_SPEC, "memory", "and 16 are declared", memory=16)


@slip(KSG_SPEC, ("one-estimate-per-y", "not a tuple"))
def gives_a_list(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> list[Estimate]:
    return list(KSG.__call__(self, x, ys, rng=rng))


@slip(PLUG_IN_SPEC, ("one-estimate-per-y", "reversed"))
def gives_labels_first(self: PlugIn, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    return PlugIn.__call__(self, x, sorted(ys, key=lambda y: y.kind, reverse=True), rng=rng)


@slip(KSG_SPEC, ("unit", "gives nats and declares bits"))
def says_nats(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    return tuple(replace(e, unit="nats") for e in KSG.__call__(self, x, ys, rng=rng))


@slip(KSG_SPEC, ("shapes", "value has shape (6,) for a batch of (2, 3)"))
def flattens_the_batch(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    found = KSG.__call__(self, x, ys, rng=rng)
    return tuple(replace(e, value=e.value.flatten() if e.value.ndim == 2 else e.value) for e in found)


@slip(KSG_SPEC, ("shapes", "flag few_samples has shape ()"))
def one_flag_for_all(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    found = KSG.__call__(self, x, ys, rng=rng)
    return tuple(replace(e, flags={name: flag.any() for name, flag in e.flags.items()}) for e in found)


@slip(PLUG_IN_SPEC, ("ranges", "exceeds its limit"), ("raw-is-the-value-before-clipping", "clipped raw differ"))
def beyond_its_limit(self: PlugIn, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    return changed(PlugIn.__call__(self, x, ys, rng=rng), lambda raw: raw + 3)


@slip(KSG_SPEC, ("ranges", "is negative"))
def negative(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    return tuple(replace(e, value=e.value - 2) for e in KSG.__call__(self, x, ys, rng=rng))


@slip(ROSS_SPEC, ("dependence", "shuffled"), method="raw")
def blind(self: Ross, x: Tensor, labels: Tensor) -> float:
    return float(x.std())


@slip(ROSS_SPEC, ("null", "mean over shuffles"))
def null_of_its_own(self: Ross, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    return tuple(replace(e, null=e.value) for e in Ross.__call__(self, x, ys, rng=rng))


@slip(ROSS_SPEC, ("null", "p_value is not within"))
def p_value_of_zero(self: Ross, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    found = Ross.__call__(self, x, ys, rng=rng)
    return tuple(replace(e, p_value=e.value * 0) for e in found)


@slip(KSG_SPEC, ("misfits", "is not refused"))
def cuts_to_the_shorter(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    size = min(v.samples for v in (x, *ys))
    short = [replace(v, values=v.values[..., :size, :]) for v in (x, *ys)]
    return KSG.__call__(self, short[0], short[1:], rng=rng)


# What must not matter.


@slip(KSG_SPEC, ("symmetry", "continuous and continuous"), method="terms")
def wider_in_y(self: KSG, dx: Tensor, dy: Tensor, k: int) -> Tensor:
    return KSG.terms(self, dx, 2 * dy, k)


@slip(KSG_SPEC, ("sample-order", "another order"), method="raw")
def first_hundred(self: KSG, x: Tensor, y: Tensor) -> float:
    return KSG.raw(self, x[:100], y[:100])


@slip(PLUG_IN_SPEC, ("relabelling", "other names"), method="raw")
def labels_of_32_bits(self: PlugIn, x: Tensor, y: Tensor) -> float:
    return PlugIn.raw(self, x, y.int())


@slip(KSG_SPEC, ("column-order", "columns in another order"), method="raw")
def first_column(self: KSG, x: Tensor, y: Tensor) -> float:
    return KSG.raw(self, x[:, :1], y[:, :1])


@slip(KSG_SPEC, ("scale", "columns times"), method="raw")
def small_is_constant(self: KSG, x: Tensor, y: Tensor) -> float:
    return KSG.raw(self, x * (x.std(0) > 1e-6), y)


@slip(KSG_SPEC, ("offset", "shifted"), method="raw")
def in_single_precision(self: KSG, x: Tensor, y: Tensor) -> float:
    return KSG.raw(self, x.float().double(), y)
