"""Checks against distributions whose information is known, for what an estimator is declared consistent for.

An estimate is compared, before clipping, with the information of the very samples drawn (``Case.of_samples``). The mean
error over independent data sets may be an allowance in bits and four standard errors of that mean. The allowances leave
room for the bias of correct nearest-neighbour, Gaussian and plug-in estimators at these sizes, k from 3 to 10.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch

from ibmon.specs import EstimatorSpec

from .cases import (
    Case,
    disjoint_classes,
    exact_counts,
    gamma_exponential,
    gaussian_classes,
    gaussian_columns,
    independent,
    noisy_channel,
    uniform_noise,
)
from .cases import gaussian as gaussian_pair
from .check import Check, converges_for
from .subject import Subject, raw, require

_ERRORS = 4


def gaussian(subject: Subject) -> None:
    """Gaussian variables of correlation 0, 0.3 and 0.9 read −½ log2(1 − ρ²), within 0.03 bit (32 × 400 samples)."""
    for rho in (0.0, 0.3, 0.9):
        _near(subject, gaussian_pair(rho, samples=400, replicas=32), 0.03)


def gaussian_sum(subject: Subject) -> None:
    """Two Gaussian columns against their noisy sum read ½ log2 3, within 0.05 bit (16 × 800 samples)."""
    _near(subject, gaussian_columns(samples=800, replicas=16), 0.05)


def gamma_and_exponential(subject: Subject) -> None:
    """A skewed pair, gamma and exponential, reads its closed form, within 0.05 bit (24 × 400 samples)."""
    _near(subject, gamma_exponential(3, samples=400, replicas=24), 0.05)


def uniform(subject: Subject) -> None:
    """A uniform variable plus uniform noise, dependent in a way no covariance tells, reads its closed form, within 0.08 bit.

    16 × 800 samples. An estimator of Gaussian information is 0.19 bit below.
    """
    _near(subject, uniform_noise(2.0, samples=800, replicas=16), 0.08)


def classes(subject: Subject) -> None:
    """Gaussian classes read what quadrature gives, and two classes that do not meet 1 bit, within 0.03 (24 × 400 samples)."""
    _near(subject, gaussian_classes((0.0, 2.0), (200, 200), replicas=24), 0.03)
    _near(subject, gaussian_classes((0.0, 1.5, 4.0), (80, 120, 200), replicas=24), 0.03)
    _near(subject, disjoint_classes(samples=400, replicas=24), 0.03)


def counts(subject: Subject) -> None:
    """Labels in exact proportions (exclusive or, symmetric channel) read their information, within 0.003 bit."""
    for case in exact_counts():
        _near(subject, case, 0.003)


def few_samples_of_nothing(subject: Subject) -> None:
    """Twelve samples of independent variables read 0 on average, over 800 data sets, within 0.01 bit.

    Nearest-neighbour estimators are free of bias there (Kraskov et al. 2004, section III), and it is where the smallest
    slips show: log N in place of ψ(N) is 0.061 bit. A correct estimator of another family may list this check among its
    expected failures.
    """
    for distribution, number in (("continuous", 0), ("classes", 2)):
        if distribution in subject.spec.consistent:
            _near(subject, independent(samples=12, replicas=800, classes=number), 0.01)


def converges(subject: Subject) -> None:
    """With sixteen times the samples (100 to 1600) the root mean square error falls by two fifths, or below 0.005 bit."""
    make: dict[str, Callable[[int, int], Case]] = {
        "gaussian": lambda n, r: gaussian_pair(0.6, samples=n, replicas=r),
        "continuous": lambda n, r: uniform_noise(2.0, samples=n, replicas=r),
        "classes": lambda n, r: gaussian_classes((0.0, 1.5, 4.0), (n // 5, 3 * n // 10, n // 2), replicas=r),
        "discrete": lambda n, r: noisy_channel(samples=n, replicas=r),
    }
    for distribution in subject.spec.consistent:
        few, many = make[distribution](100, 24), make[distribution](1600, 12)
        before, after = (float(_errors(subject, case).square().mean().sqrt()) for case in (few, many))
        said = f"{few.name}: the error is {before:.4f} bit for 100 samples and {after:.4f} for 1600"
        require(after < max(0.6 * before, 0.005), said)


def _errors(subject: Subject, case: Case) -> torch.Tensor:
    """Estimates before clipping less the information of the samples drawn, by data set."""
    return raw(subject.one(case.x, case.y)).double().cpu() - case.of_samples


def _near(subject: Subject, case: Case, allowance: float) -> None:
    errors = _errors(subject, case)
    replicas, samples = len(errors), case.x.samples
    require(errors.isfinite().all(), f"{case.name}: not all estimates of {samples} samples are finite")
    mean, deviation = float(errors.mean()), float(errors.std()) if replicas > 1 else 0.0
    allowed = allowance + _ERRORS * deviation / sqrt(replicas)
    sets = f"{replicas} × {samples} samples"
    said = f"{case.name} reads {case.truth + mean:.4f} bit where the truth is {case.truth:.4f}"
    require(abs(mean) <= allowed, f"{said} ({sets}; the mean may be off by {allowed:.4f})")


def _any_consistent(spec: EstimatorSpec) -> str:
    return converges_for(*spec.consistent)(spec) if spec.consistent else "is declared consistent for nothing"


CHECKS = (
    Check(gaussian, (converges_for("gaussian", "continuous"),)),
    Check(gaussian_sum, (converges_for("gaussian", "continuous"),)),
    Check(gamma_and_exponential, (converges_for("continuous"),)),
    Check(uniform, (converges_for("continuous"),)),
    Check(classes, (converges_for("classes"),)),
    Check(counts, (converges_for("discrete"),)),
    Check(few_samples_of_nothing, (converges_for("continuous", "classes"),)),
    Check(converges, (_any_consistent,)),
)
