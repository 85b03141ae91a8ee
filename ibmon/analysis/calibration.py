"""The noise of the kernel estimator, calibrated where the information is known: on labels written one-hot.

A layer that is the one-hot code of Y has I(X;T) = H(Y) exactly. Its distances are 0 or √2, so that with noise of variance v
the bounds of Kolchinsky & Tracey 2017 (Entropy 19, 361) have a closed form, in bits, p being the share of a class:

    −Σ p log2(p + (1 − p) exp(−1 / 4v))  ≤  I(X; T + Z)  ≤  −Σ p log2(p + (1 − p) exp(−1 / v))

Both fall from H(Y) to 0 as v grows. The rule: the largest v at which the lower bound is within a tolerance of H(Y).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import exp, gcd, isfinite, log, log2
from typing import Any

import numpy as np
import torch

from ibmon.records import IbmonError, UsageError
from ibmon.registry import Registry
from ibmon.runs.directory import RunDirectory
from ibmon.runs.log import printable
from ibmon.spool import read_static
from ibmon.tensors import Variable

from .estimating import ready
from .kept import chosen_evaluation, watch_of

TOLERANCE = 0.05
"""Bits by which the lower bound may miss H(Y)."""
PRECISION = 0.001
"""Bits below which a bound cannot be told from H(Y) in a plot."""
PUBLISHED = 0.0735
"""The variance of "the KDE values matched the analytical entropy of the labels within the uncertainty of the KDE"."""
MOST_ROWS = 4096
"""Rows that the estimator gets: pairs grow with their square."""
_GRID = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0)
_SMALLEST, _LARGEST = 1e-9, 1e9
_BELOW, _ABOVE = 0, 1

Bounds = Callable[[float], tuple[float, float]]
"""Lower and upper bound of I(X;T) in bits at a variance of the noise."""


@dataclass(frozen=True, slots=True)
class Row:
    """The bounds of I(X;T) in bits at a variance."""

    variance: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the rule gives for labels whose classes have ``counts`` samples, in proportions that ``reduced`` keeps.

    ``variance`` is the largest v with ``entropy`` − ``lower`` ≤ ``tolerance``, by the estimator itself; ``closed_form`` the
    same by its formula; ``relative`` is v as a share of tr Cov of the one-hot code. ``lower`` and ``upper`` are the bounds there.
    ``matching`` is the largest v whose *upper* bound is within ``precision`` of H(Y): at every smaller one a plot shows H(Y)
    within the bounds. ``table`` has the bounds at variances around these. Information in bits.
    """

    counts: tuple[int, ...]
    entropy: float
    tolerance: float
    precision: float
    variance: float
    closed_form: float
    relative: float
    lower: float
    upper: float
    matching: float
    table: tuple[Row, ...]


def calibrate(
    registry: Registry, counts: Sequence[int], *, tolerance: float = TOLERANCE, precision: float = PRECISION
) -> Calibration:
    """Calibrate the estimator ``kde`` on one-hot labels, ``counts`` samples of each class (equal counts: log2 C bits).

    Raises UsageError for fewer than two classes and for a tolerance or precision that is not between 0 and H(Y), NotFoundError
    without that estimator, and IbmonError where its bounds never come as far from H(Y), or as near.
    """
    known = reduced([count for count in counts if count > 0])
    if len(known) < 2:
        raise UsageError("Labels of fewer than two classes have no information to calibrate with.")
    shares = np.array(known) / sum(known)
    entropy = float(-(shares * np.log2(shares)).sum())
    for name, bits in (("tolerance", tolerance), ("precision", precision)):
        if not (isfinite(bits) and 0 < bits < entropy):
            raise UsageError(f"The {name} is between 0 and H(Y) = {entropy:.4g} bits, not {bits:g}.")
    bounds = estimator_bounds(registry, known)
    variance = largest_variance(bounds, entropy, tolerance, _BELOW)
    matching = largest_variance(bounds, entropy, precision, _ABOVE)
    lower, upper = bounds(variance)
    return Calibration(
        counts=tuple(int(count) for count in counts if count > 0),
        entropy=entropy,
        tolerance=tolerance,
        precision=precision,
        variance=variance,
        closed_form=largest_variance(lambda v: one_hot_bounds(known, v), entropy, tolerance, _BELOW),
        relative=variance / float(1 - (shares * shares).sum()),
        lower=lower,
        upper=upper,
        matching=matching,
        table=tuple(Row(v, *bounds(v)) for v in sorted({*_GRID, PUBLISHED, variance, matching})),
    )


def label_counts(run: RunDirectory, evaluation: str | None = None) -> dict[str, list[int]]:
    """How many samples (tokens, of labels per token) each class has, by task, in an evaluation set of a run, or its first.

    Raises NotFoundError for an evaluation set it has not, and IbmonError where there are no labels or not yet.
    """
    watch = watch_of(run)
    if watch is None or not watch.evaluation:
        raise IbmonError(f"{run.id} has not said what it watches; wait until its training has begun.")
    sets = {one.name: one for one in watch.evaluation}
    name = chosen_evaluation(run, list(sets), evaluation)
    static = read_static(run.evaluation, name)
    if not static.targets:
        raise IbmonError(f"The evaluation set {printable(name)!r} of {run.id} has no labels; say --classes instead.")
    mask = static.inputs.mask if static.inputs is not None else None
    counts: dict[str, list[int]] = {}
    for task in sets[name].tasks:  # the file has them in no order
        labels = static.targets[task]
        data = labels[mask] if mask is not None and mask.shape == labels.shape else labels
        counts[task] = torch.unique(data, return_counts=True)[1].tolist()
    return counts


def one_hot_bounds(counts: Sequence[int], variance: float) -> tuple[float, float]:
    """Lower and upper bound of I(X;T) in bits, in closed form, of one-hot labels with ``counts`` samples of each class."""
    shares = [count / sum(counts) for count in counts]
    lower, upper = (-sum(p * log2(p + (1 - p) * exp(-1 / (scale * variance))) for p in shares) for scale in (4.0, 1.0))
    return lower, upper


def estimator_bounds(registry: Registry, counts: Sequence[int]) -> Bounds:
    """The same from the estimator ``kde``, which gets ``sum(counts)`` rows of one-hot labels in double precision."""
    chosen = ready(registry, "kde:dtype=float64,permutations=0")
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(list(counts)))
    rows = Variable.continuous(torch.nn.functional.one_hot(labels, len(counts)).double())
    identity = Variable(labels, "identity")  # X reaches T through Y alone
    make: Any = chosen.spec.load()

    def bounds(variance: float) -> tuple[float, float]:
        estimator = make(variance=variance, dtype="float64", permutations=0)
        (found,) = estimator(rows, [identity], rng=torch.Generator().manual_seed(0))
        if found.lower is None or found.upper is None:
            raise IbmonError(f"kde ({chosen.provider}) gives no bounds; the rule needs them.")
        return float(found.lower), float(found.upper)

    return bounds


def largest_variance(bounds: Bounds, entropy: float, miss: float, side: int) -> float:
    """The variance at which the lower (``side`` 0) or upper (1) bound misses ``entropy`` by exactly ``miss`` bits.

    Bounds fall as the noise grows, so it is the largest one that misses by no more. Raises IbmonError where none does.
    """
    from scipy.optimize import root_scalar

    def excess(log_variance: float) -> float:
        return entropy - bounds(exp(log_variance))[side] - miss

    low = high = log(0.1)
    while excess(low) > 0 and low > log(_SMALLEST):
        low -= log(4)
    while excess(high) < 0 and high < log(_LARGEST):
        high += log(4)
    if excess(low) > 0 or excess(high) < 0:
        raise IbmonError(f"The bounds of the estimator are never {miss:g} bits from H(Y) = {entropy:.4g} bits.")
    return exp(root_scalar(excess, bracket=(low, high), method="brentq", xtol=1e-7).root)


def reduced(counts: Sequence[int], most: int = MOST_ROWS) -> list[int]:
    """As few samples in the same proportions: divided by what all counts share, and rounded where more than ``most`` remain.

    No class is rounded away.
    """
    shared = reduce(gcd, counts, 0)
    smallest = [count // shared for count in counts] if shared else list(counts)
    total = sum(smallest)
    return smallest if total <= most else [max(1, round(count * most / total)) for count in smallest]
