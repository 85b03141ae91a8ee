"""Kernel estimates of the information of T + Z, Z ~ N(0, v I), from all pairwise distances.

Kolchinsky & Tracey 2017 (Entropy 19, 361), equations 10 and 11: with d_ij = ‖t_i − t_j‖², in nats,

    −mean_i ln mean_j exp(−d_ij / 8v)  ≤  I(X; T + Z)  ≤  −mean_i ln mean_j exp(−d_ij / 2v)

(Bhattacharyya below, Kullback–Leibler above); both are at most ln N. With the entropy of the noise added, (D / 2) ln(2πe v),
they are bounds of the differential entropy of T + Z. As applied to layers by Saxe et al. 2018, and Kolchinsky, Tracey &
Wolpert 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import e, isfinite, pi
from typing import Literal

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .estimates import estimate
from .kernel_sums import KernelLogs, Labels, kernel_logs
from .nulls import check_permutations
from .samples import LN2, Samples, check_kinds, distinct, mask_key, samples_of, shaped

_DTYPES = {"auto": None, "float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True, slots=True)
class LabelInformation:
    """What one label variable gets out of the pairwise sums: bits, of the batch's shape.

    ``kl`` and ``bhattacharyya`` take the same entropy estimate for both terms of H(T) − Σ p(y) H(T | y): estimates, not
    bounds. ``lower`` = H_BD(T) − Σ p H_KL(T | y) and ``upper`` = H_KL(T) − Σ p H_BD(T | y) are bounds. ``entropy`` is H(Y).
    """

    kl: Tensor
    bhattacharyya: Tensor
    lower: Tensor
    upper: Tensor
    entropy: Tensor


@dataclass(frozen=True, slots=True)
class KernelInformation:
    """Bounds of I(X; T + Z) in bits, of the batch's shape, and one ``LabelInformation`` for each label variable.

    ``constant`` and ``nonfinite`` (boolean) mark elements without variance and with NaN or infinities (or an overflow of
    the squares); the numbers of the latter, and of elements without data, are NaN.
    """

    upper: Tensor
    lower: Tensor
    labels: tuple[LabelInformation, ...]
    constant: Tensor
    nonfinite: Tensor


@dataclass(frozen=True, slots=True)
class KDE:
    """Information of the layer plus Gaussian noise, in bits.

    ``variance`` v is the noise's, for each unit, or with ``relative`` a share of the total: v = variance · tr Cov(T),
    for each element of the batch. ``dtype`` auto computes in the type of the activations (half types in float32), but in
    float64 where float32 could not resolve distances against the noise. ``permutations`` of the labels make the null
    beside I(T + Z; Y), with a p-value from 19 on; 0 leaves it out.
    Raises ValueError unless ``variance`` is positive, ``dtype`` is known and ``permutations`` is 0 or more.
    """

    variance: float = 0.1
    relative: bool = False
    dtype: Literal["auto", "float32", "float64"] = "auto"
    permutations: int = 5

    def __post_init__(self) -> None:
        if not (isfinite(self.variance) and self.variance > 0):
            raise ValueError(f"kde: variance must be positive, not {self.variance}")
        if self.dtype not in _DTYPES:
            raise ValueError(f"kde: dtype must be auto, float32 or float64, not {self.dtype}")
        check_permutations(self.permutations, "kde")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(T + Z; y) for each of ``ys``, identities or labels (samples,) or (..., samples).

        Identity: ``lower`` is the Bhattacharyya bound, ``value`` = ``upper`` the Kullback–Leibler bound, both at most log2 of
        the distinct inputs. Labels: ``value`` takes the Kullback–Leibler entropy for both terms, as Saxe et al. do, and lies
        between ``lower`` and ``upper``, which are bounds; all are clipped to [0, H(Y)], ``raw`` is the value before that, and
        ``null`` is the mean of ``raw`` over the permutations, which ``rng`` draws for each labels in turn. Flags:
        ``saturated`` (I(X; T + Z) within 5 % of log2 of the distinct inputs), ``label_saturated`` (the null exceeds half of
        H(Y)), ``few_samples`` (under 50), ``constant`` (no variance: the value is 0), ``nonfinite`` and ``empty`` (the value
        is NaN).
        Raises ValueError for other kinds of variables and shapes that do not fit.
        """
        check_kinds(ys, "kde")
        samples = samples_of(x, "kde")
        labels: dict[int, Labels] = {}
        groups: dict[int | None, tuple[Samples, list[int]]] = {}
        for i, y in enumerate(ys):
            key = mask_key(x, y)
            if key not in groups:
                groups[key] = samples.masked_by(None if key is None else y.mask), []
            chosen, members = groups[key]
            members.append(i)
            if y.kind == "labels":
                labels[i] = Labels.of(chosen, y.values, self.permutations, rng)
        estimates: dict[int, Estimate] = {}
        for chosen, members in groups.values():
            tasks = [i for i in members if i in labels]
            logs = self._logs(chosen, [labels[i] for i in tasks])
            for i in members:
                limit = distinct(chosen, ys[i]).log2()
                flags = _flags(chosen, logs, limit)
                if i in labels:
                    estimates[i] = _about_labels(chosen, logs, tasks.index(i), labels[i], flags)
                else:
                    estimates[i] = _about_inputs(chosen, logs, limit, flags)
        return tuple(estimates[i] for i in range(len(ys)))

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        """Differential entropy of T + Z: ``value`` = ``upper`` and ``lower`` are its bounds, which may be negative.

        Where ``constant`` is raised and the noise is ``relative`` there is none, and the entropy is −∞. ``rng`` is not used.
        Flags as in the call. Raises ValueError for a variable that is not continuous.
        """
        samples = samples_of(x, "kde")
        logs = self._logs(samples, [])
        ceiling = samples.count.log2()
        noise = samples.values.shape[-1] / 2 * (2 * pi * e * logs.noise).log2()
        lower, upper = (_clipped(bits, ceiling) + noise for bits in _bounds(logs))
        found = _estimate(samples, upper, ceiling + noise, _flags(samples, logs, ceiling), floor=None)
        return replace(found, lower=shaped(samples, lower), upper=found.value)

    def _logs(self, samples: Samples, labels: Sequence[Labels]) -> KernelLogs:
        return kernel_logs(samples, labels, variance=self.variance, relative=self.relative, dtype=_DTYPES[self.dtype])


def kde_information(
    values: Tensor,
    labels: Sequence[Tensor] = (),
    *,
    variance: float,
    relative: bool = False,
    mask: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> KernelInformation:
    """All kernel estimates of ``values`` (..., samples, units), from one pass over the pairs of samples.

    ``labels`` are integers (samples,) or (..., samples), ``mask`` says which samples are data, ``dtype`` is float32,
    float64 or None for the ``auto`` of ``KDE``. Raises ValueError for shapes that do not fit.
    """
    samples = samples_of(Variable.continuous(values, mask), "kde")
    tasks = [Labels.of(samples, y, 0, torch.Generator()) for y in labels]
    logs = kernel_logs(samples, tasks, variance=variance, relative=relative, dtype=dtype)
    (lower, upper), ceiling = _bounds(logs), samples.count.log2()

    def bits(raw: Tensor, limit: Tensor) -> Tensor:
        return shaped(samples, _clipped(raw, limit))

    return KernelInformation(
        upper=bits(upper, ceiling),
        lower=bits(lower, ceiling),
        labels=tuple(
            LabelInformation(
                kl=bits(_gain(logs, t, y, of=1, given=1), y.entropy),
                bhattacharyya=bits(_gain(logs, t, y, of=0, given=0), y.entropy),
                lower=bits(_gain(logs, t, y, of=0, given=1), y.entropy),
                upper=bits(_gain(logs, t, y, of=1, given=0), y.entropy),
                entropy=shaped(samples, y.entropy.masked_fill(samples.count == 0, torch.nan)),
            )
            for t, y in enumerate(tasks)
        ),
        constant=shaped(samples, logs.constant),
        nonfinite=shaped(samples, logs.nonfinite),
    )


def _bounds(logs: KernelLogs) -> Tensor:
    """Lower and upper bound of I(X; T + Z) in bits (2, elements)."""
    return 0 - logs.whole / LN2  # and not its negative, which would make −0 of 0


def _gain(logs: KernelLogs, t: int, labels: Labels, *, of: int, given: int) -> Tensor:
    """H(T) − H(T | y) in bits (elements,), each term by its own kernel (0 Bhattacharyya, 1 Kullback–Leibler)."""
    return _unless_one_class((logs.own[t, given] - logs.whole[of]) / LN2, labels)


def _unless_one_class(bits: Tensor, labels: Labels) -> Tensor:
    """``bits`` (elements,), exactly 0 where there is one class: what rounding leaves there would exceed any share of H(Y)."""
    return bits * (labels.entropy > 0) + 0.0


def _clipped(bits: Tensor, limit: Tensor) -> Tensor:
    # This takes off rounding only, except from what is about labels.
    return torch.minimum(bits.clamp(min=0), limit)


def _flags(samples: Samples, logs: KernelLogs, limit: Tensor) -> dict[str, Tensor]:
    upper = _clipped(_bounds(logs)[1], samples.count.log2())
    saturated = (upper >= 0.95 * limit) & (samples.count > 0)
    return {"saturated": saturated, "constant": logs.constant, "nonfinite": logs.nonfinite}


def _about_inputs(samples: Samples, logs: KernelLogs, limit: Tensor, flags: dict[str, Tensor]) -> Estimate:
    lower, upper = _bounds(logs)
    found = _estimate(samples, upper, limit, flags)
    return replace(found, lower=shaped(samples, _clipped(lower, limit)), upper=found.value)


def _about_labels(samples: Samples, logs: KernelLogs, t: int, labels: Labels, flags: dict[str, Tensor]) -> Estimate:
    permuted = [_unless_one_class((own - logs.whole[1]) / LN2, labels) for own in logs.permuted[t].T]
    found = _estimate(samples, _gain(logs, t, labels, of=1, given=1), labels.entropy, flags, permuted=permuted)
    low, high = (_clipped(_gain(logs, t, labels, of=of, given=1 - of), labels.entropy) for of in (0, 1))
    return replace(found, lower=shaped(samples, low), upper=shaped(samples, high))


def _estimate(
    samples: Samples,
    raw: Tensor,
    limit: Tensor,
    flags: dict[str, Tensor],
    *,
    permuted: list[Tensor] | None = None,
    floor: float | None = 0.0,
) -> Estimate:
    # Without its units, for the values have been looked at: where they are not finite ``raw`` is NaN.
    seen = Samples(samples.values[..., :0], samples.mask, samples.batch)
    return estimate(seen, raw, limit=limit, permuted=permuted, flags=flags, floor=floor)
