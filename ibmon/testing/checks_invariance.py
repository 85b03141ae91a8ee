"""Checks of what must not change an estimate: order, names, and the declared invariances.

Values are chosen so that scaling by 2^±30 (1e9, 1e-9) and shifting by 2^27 (1.3e8) are exact in float64: an estimate may
differ by its own rounding only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ibmon.tensors import Variable

from . import cases
from .check import Check, continuous_x, invariant, takes
from .subject import NotApplicable, Subject, chosen, raw, require, same, with_values

_HUGE = torch.tensor([2**62, -(2**62), -1, 7])
"""Names of the four classes of ``cases.example``."""
_ROUNDING = 1e-6


def symmetry(subject: Subject) -> None:
    """I(x; y) = I(y; x), for the kinds that are taken on both sides."""
    spec = subject.spec
    both = [(a, b) for a in spec.x_kinds for b in spec.kinds if b in spec.x_kinds and a in spec.kinds]
    if not both:
        raise NotApplicable("takes no two kinds of variable on both sides")
    for a, b in both:
        x, y = cases.example(a), cases.example(b, part=1, units=1)
        there, back = raw(subject.one(x, y)), raw(subject.one(y, x))
        allowed = 1e-9 + 10 * subject.spread(x, y)
        said = f"{a} and {b}: {float(there):.9g} against {float(back):.9g}"
        require((there - back).abs() <= allowed, f"{said}, which may differ by {allowed:.2g}")


def sample_order(subject: Subject) -> None:
    """The order of the samples does not matter."""
    order = torch.randperm(120, generator=cases.generator(1))
    _unchanged(subject, lambda v: chosen(v, order), lambda v: chosen(v, order), "samples in another order", 1e-9)


def relabelling(subject: Subject) -> None:
    """The names of labels do not matter, be they huge, negative or in another order; nor do those of identities."""
    numbers = torch.randperm(120, generator=cases.generator(1)) * 10**15 - 3

    def renamed(variable: Variable) -> Variable:
        if variable.kind == "continuous":
            return variable
        names = _HUGE if variable.kind == "labels" else numbers
        return with_values(variable, names[variable.values])

    _unchanged(subject, renamed, renamed, "other names", 1e-9)


def column_order(subject: Subject) -> None:
    """The order of the columns of a continuous variable does not matter."""

    def turned(variable: Variable) -> Variable:
        return with_values(variable, variable.values.flip(-1)) if variable.kind == "continuous" else variable

    _unchanged(subject, turned, turned, "columns in another order", _ROUNDING)


def scale(subject: Subject) -> None:
    """A continuous variable times 1e9 or 1e-9, all columns alike or each by its own factor, leaves the estimate alone."""
    for factors in ([2.0**30, 2.0**30], [2.0**-30, 2.0**-30], [2.0**30, 2.0**-30]):
        _continuous(subject, lambda v, f=factors: v * torch.tensor(f, dtype=v.dtype), f"columns times {factors}")


def offset(subject: Subject) -> None:
    """A continuous variable plus 1e8 leaves the estimate alone."""
    _continuous(subject, lambda v: v + torch.tensor([2.0**27, -(2.0**26)], dtype=v.dtype), "columns shifted by 1e8")


def rotation(subject: Subject) -> None:
    """A rotation of a continuous variable's columns leaves the estimate alone."""
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    _continuous(subject, lambda v: v @ turn, "rotated")


def monotone(subject: Subject) -> None:
    """An increasing function of each column leaves the estimate alone."""
    _continuous(subject, torch.exp, "exponentials")
    _continuous(subject, lambda v: v**3 + v, "cubes")


def _continuous(subject: Subject, change: Callable[[Tensor], Tensor], what: str) -> None:
    """Change the continuous ones of x and of the ys, first one side, then the other."""

    def changed(variable: Variable) -> Variable:
        return with_values(variable, change(variable.values)) if variable.kind == "continuous" else variable

    def gridded(variable: Variable) -> Variable:
        if variable.kind != "continuous":
            return variable
        return with_values(variable, (variable.values * 2**20).round() / 2**20)

    _unchanged(subject, changed, lambda v: v, f"x: {what}", _ROUNDING, gridded)
    _unchanged(subject, lambda v: v, changed, f"y: {what}", _ROUNDING, gridded)


def _unchanged(
    subject: Subject,
    of_x: Callable[[Variable], Variable],
    of_y: Callable[[Variable], Variable],
    what: str,
    tolerance: float,
    prepared: Callable[[Variable], Variable] = lambda v: v,
) -> None:
    for x, ys in subject.examples():
        for y in ys:
            plain_x, plain_y = prepared(x), prepared(y)
            before = subject.one(plain_x, plain_y)
            after = subject.one(of_x(plain_x), of_y(plain_y))
            spread = subject.spread(plain_x, plain_y)
            same(after, before, f"{what} ({x.kind} x, {y.kind} y)", tolerance=tolerance, spread=spread)


CHECKS = (
    Check(symmetry),
    Check(sample_order),
    Check(relabelling, (takes("labels", "identity"),)),
    Check(column_order, (continuous_x,)),
    Check(scale, (continuous_x, invariant("scale"))),
    Check(offset, (continuous_x, invariant("offset"))),
    Check(rotation, (continuous_x, invariant("rotation"))),
    Check(monotone, (continuous_x, invariant("monotone"))),
)
