"""Checks of the operations beside the call: entropy, conditional and pairwise information."""

from __future__ import annotations

from math import e, log2, pi

import torch

from ibmon.tensors import Estimate, Variable

from . import cases
from .cases import generator
from .check import Check, converges_for, operates
from .checks_batch import padded
from .checks_contract import well_formed
from .subject import NotApplicable, Subject, at, chosen, close, element, places, raw, require, same, spread, with_values

_BATCH = (2, 3)


def entropy(subject: Subject) -> None:
    """``entropy(x)`` has the batch's shape and the declared unit; batched it equals looped, and masked compressed."""
    mask = torch.rand(*_BATCH, 120, generator=generator(8)) < 0.75
    for kind in subject.spec.x_kinds:
        if kind == "identity":
            continue
        x = cases.example(kind, batch=_BATCH)
        whole, masked = subject.operation("entropy", x), subject.operation("entropy", padded(x, mask))
        for name, found in (("", whole), (", masked", masked)):
            _like_the_call(subject, found, _BATCH, f"entropy of {kind}{name}")
        first = element(x, (0, 0))
        varies = spread(lambda seed, v=first: subject.operation("entropy", v, seed=seed))
        for place in places(_BATCH):
            one = element(x, place)
            few = subject.operation("entropy", chosen(one, mask[place]))
            same(at(whole, place), subject.operation("entropy", one), f"entropy of {kind}, batched", spread=varies)
            same(at(masked, place), few, f"entropy of {kind}, masked", spread=1.2 * varies)


def entropy_of_known_distributions(subject: Subject) -> None:
    """The entropy of N(0, 4) is ½ log2(8πe) bits, within 0.06, and that of eight equally frequent labels 3 bits."""
    if {"gaussian", "continuous"} & set(subject.spec.consistent):
        x = 2 * torch.randn(24, 400, 1, generator=generator(0), dtype=torch.float64)
        found = raw(subject.operation("entropy", Variable.continuous(x))).double()
        mean, truth = float(found.mean()), 0.5 * log2(8 * pi * e)
        require(abs(mean - truth) <= 0.06, f"N(0, 4) reads {mean:.4f} bits, and has {truth:.4f} (24 × 400 samples)")
    if "discrete" in subject.spec.consistent:
        found = raw(subject.operation("entropy", Variable.labels(torch.arange(4000) % 8)))
        require(abs(float(found) - 3) <= 0.003, f"eight equally frequent labels read {float(found):.4f} bits, and have 3")


def conditional(subject: Subject) -> None:
    """``conditional(x, y, z)`` has the batch's shape, is symmetric in x and y; batched equals looped, masked compressed."""
    kind = _one_kind(subject)
    mask = torch.rand(*_BATCH, 120, generator=generator(8)) < 0.75
    x, y, z = (cases.example(kind, part=part, batch=_BATCH, units=1) for part in range(3))
    whole, masked = subject.operation("conditional", x, y, z), subject.operation("conditional", padded(x, mask), y, z)
    for name, found in (("", whole), (", masked", masked)):
        _like_the_call(subject, found, _BATCH, f"conditional of {kind}{name}")
    first = [element(v, (0, 0)) for v in (x, y, z)]
    varies = spread(lambda seed: subject.operation("conditional", *first, seed=seed))
    for place in places(_BATCH):
        three = [element(v, place) for v in (x, y, z)]
        few = [chosen(v, mask[place]) for v in three]
        single = subject.operation("conditional", *three)
        same(at(whole, place), single, "conditional, batched", spread=varies)
        same(at(masked, place), subject.operation("conditional", *few), "conditional, masked", spread=1.2 * varies)
        back = subject.operation("conditional", three[1], three[0], three[2])
        close(raw(back), raw(single), "conditional, x and y exchanged", tolerance=1e-9, spread=varies)


def conditional_of_known_distributions(subject: Subject) -> None:
    """I(x; y | z) is that of the distribution: partial correlation for Gaussians, exact counts for the exclusive or.

    Gaussians: x and y that share only z read 0, y = x + noise as strong as what z leaves of x ½ bit, within 0.08 bit.
    """
    spec = subject.spec
    if {"gaussian", "continuous"} & set(spec.consistent) and "continuous" in spec.kinds:
        z, a, b, c = torch.randn(4, 24, 600, 1, generator=generator(0), dtype=torch.float64)
        for name, x, y, truth in (
            ("x and y that share z only", z + a, z + b, 0.0),
            ("x = z + noise and y = x + noise", z + a, z + a + c, 0.5),
            ("x and y that share nothing", a, b, 0.0),
        ):
            found = subject.operation("conditional", *(Variable.continuous(v) for v in (x, y, z)))
            mean = float(raw(found).double().mean())
            require(abs(mean - truth) <= 0.08, f"{name}: {mean:.4f} bit given z, where it is {truth:.4f} (24 × 600 samples)")
    if "discrete" in spec.consistent:
        a, b = torch.arange(4000) % 2, torch.arange(4000) // 2 % 2
        c = torch.arange(4000) // 4 % 2
        for name, three, truth in (
            ("A and B given A xor B", (a, b, a ^ b), 1.0),
            ("A and B given C", (a, b, c), 0.0),
            ("A and A xor B given A", (a, a ^ b, a), 0.0),
        ):
            found = float(raw(subject.operation("conditional", *(Variable.labels(v) for v in three))))
            require(abs(found - truth) <= 0.003, f"{name}: reads {found:.4f} bit, and is {truth:g}")


def pairwise(subject: Subject) -> None:
    """``pairwise(x, y)`` gives for each pair of columns what the call gives for it alone; with labels for each column of x."""
    _pairwise(subject, lag=0)


def pairwise_with_lag(subject: Subject) -> None:
    """``pairwise(x, y, lag=2)`` compares x at t with y at t + 2: what the call gives for the shifted columns."""
    _pairwise(subject, lag=2)


def pairwise_masked(subject: Subject) -> None:
    """``pairwise`` with a mask gives what it gives for the samples that are data."""
    x, y = _of_columns(subject)
    mask = torch.rand(2, 120, generator=generator(8)) < 0.75
    found = subject.operation("pairwise", padded(x, mask), y, lag=0)
    for i in range(2):
        few = [chosen(element(v, (i,)), mask[i]) for v in (x, y)]
        varies = spread(lambda seed, v=few: subject.operation("pairwise", *v, lag=0, seed=seed))
        same(at(found, (i,)), subject.operation("pairwise", *few, lag=0), "pairwise, masked", spread=varies)


def _pairwise(subject: Subject, lag: int) -> None:
    x, y = _of_columns(subject)
    found = subject.operation("pairwise", x, y, lag=lag)
    columns = 2 if y.kind == "continuous" else 1
    _like_the_call(subject, found, (2, 3, 2) if y.kind == "continuous" else (2, 3), f"pairwise of continuous and {y.kind}")
    shape = (2, 3, columns)
    for b, i, j in places(shape):
        ahead = y.values[b, lag:, j : j + 1] if y.kind == "continuous" else y.values[b, lag:]
        pair = with_values(x, x.values[b, : 120 - lag, i : i + 1]), with_values(y, ahead)
        wanted, varies = subject.one(*pair), subject.spread(*pair)
        what = f"pairwise, lag {lag}, columns {i} and {j}: before clipping it"
        close(raw(found).reshape(shape)[b, i, j], raw(wanted), what, tolerance=1e-9, spread=varies)
        close(found.value.reshape(shape)[b, i, j], wanted.value, what, tolerance=1e-9, spread=varies)


def _of_columns(subject: Subject) -> tuple[Variable, Variable]:
    """x (2, 120, 3), and y (2, 120, 2), or labels (2, 120) where y cannot be continuous; both slowly varying in time."""
    kind = "continuous" if "continuous" in subject.spec.kinds else "labels"
    if "continuous" not in subject.spec.x_kinds or kind not in subject.spec.kinds:
        raise NotApplicable("takes no continuous x with a continuous y or labels")
    x, y = cases.example("continuous", batch=(2,), units=3), cases.example(kind, part=1, batch=(2,), units=2)
    if kind == "continuous":  # y follows x after two steps, so that the sign of a lag shows
        y = with_values(y, 0.5 * y.values + x.values[..., :2].roll(2, -2))
    return x, y


def _one_kind(subject: Subject) -> str:
    for kind in ("continuous", "labels"):
        if kind in subject.spec.kinds and kind in subject.spec.x_kinds:
            return kind
    raise NotApplicable("takes neither continuous variables nor labels on both sides")


def _like_the_call(subject: Subject, found: Estimate, shape: tuple[int, ...], what: str) -> None:
    well_formed(found, shape, what)
    require(found.unit == subject.spec.unit, f"{what} is in {found.unit}, and {subject.spec.unit} is declared")
    require(found.value.isfinite().all(), f"{what} is not finite: {found.value.tolist()}")


CHECKS = (
    Check(entropy, (operates("entropy"),)),
    Check(entropy_of_known_distributions, (operates("entropy"), converges_for("gaussian", "continuous", "discrete"))),
    Check(conditional, (operates("conditional"),)),
    Check(conditional_of_known_distributions, (operates("conditional"), converges_for("gaussian", "continuous", "discrete"))),
    Check(pairwise, (operates("pairwise"),)),
    Check(pairwise_with_lag, (operates("pairwise"),)),
    Check(pairwise_masked, (operates("pairwise"),)),
)
