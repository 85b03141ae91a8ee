"""Nearest-neighbour information between continuous variables, what a third variable leaves of it, and entropy.

Kraskov, Stögbauer & Grassberger 2004, "Estimating mutual information", Phys. Rev. E 69, 066138. In nats, with distances in
the maximum norm:

- KSG 1 (equation 8): I(X; Y) = ψ(k) + ψ(N) − ⟨ψ(n_x + 1) + ψ(n_y + 1)⟩, n_x and n_y the other samples whose distance in x,
  and in y, is strictly less than that of the k-th neighbour in (x, y);
- KSG 2 (equation 9): I(X; Y) = ψ(k) − 1/k + ψ(N) − ⟨ψ(n_x) + ψ(n_y)⟩, n_x the other samples no further in x than the
  furthest there of the k neighbours, n_y likewise. Where several samples are at the distance of the k-th, all count as
  neighbours, so that the order of the samples does not matter.

Given a third variable, Frenzel & Pompe 2007 (Phys. Rev. Lett. 99, 204101):
I(X; Y | Z) = ψ(k) − ⟨ψ(n_xz + 1) + ψ(n_yz + 1) − ψ(n_z + 1)⟩. Entropy is that of Kozachenko & Leonenko 1987, as equation 20
of Kraskov et al. gives it: h(X) = ψ(N) − ψ(k) + d⟨ln 2r⟩, r the distance to the k-th neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from . import neighbours
from .compiled import use
from .estimates import about_identity, estimate
from .nulls import LEAST_FOR_P, check_permutations, permutations
from .readings import Beside, Reading, by_pairs, stacked
from .ross import Ross, standard_error
from .samples import LN2, Samples, check_kinds, samples_of
from .standardised import Columns, standardised

_HIGH = 4
"""Columns above which neighbours are too far away for the estimate to be near the truth."""

Measure = Callable[..., Tensor]
"""Bits from the rows (samples, columns) of one variable or of several."""


@dataclass(frozen=True, slots=True)
class KSG:
    """Nearest-neighbour information in bits: KSG between continuous variables, ``Ross`` for labels.

    It has little bias in few dimensions and much in many: 1 nat between d and d Gaussian columns reads 1.02, 0.93, 0.46 and
    0.22 for d = 1, 3, 10 and 20 (k = 3, 2000 samples).

    Args:
        k: the neighbour whose distance is the radius; more have less variance and more bias.
        algorithm: 1 or 2, of Kraskov et al.; 2 has less bias in many dimensions and more variance.
        standardise: give every column mean 0 and standard deviation 1 first, over the samples that are data.
        jitter: noise on columns with duplicates, as a share of the column's standard deviation; 0 adds none.
        permutations: of the labels, for the null; from 19 on, where they give a p-value, also of the samples of a continuous y.
        subsamples: for the standard error, take the data apart into 2, 3, ... up to so many parts; 0 gives none.
        backend: numba compiles the counting, torch does without and runs on a GPU, auto takes numba where it can.

    Raises ValueError for options out of their domain.
    """

    k: int = 3
    algorithm: int = 1
    standardise: bool = True
    jitter: float = 1e-10
    permutations: int = 5
    subsamples: int = 0
    backend: Literal["auto", "numba", "torch"] = "auto"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"ksg: k must be at least 1, not {self.k}")
        if self.algorithm not in (1, 2):
            raise ValueError(f"ksg: algorithm must be 1 or 2, not {self.algorithm}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"ksg: jitter must be at least 0 and less than 1, not {self.jitter}")
        check_permutations(self.permutations, "ksg")
        if self.subsamples < 0 or self.subsamples == 1:
            raise ValueError(f"ksg: subsamples must be 0 or at least 2, not {self.subsamples}")
        if self.backend not in ("auto", "numba", "torch"):
            raise ValueError(f"ksg: backend must be auto, numba or torch, not {self.backend}")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(x; y) of all columns of ``x`` together and each of ``ys``, of any kind, with the batch of ``x`` or without.

        Continuous y: ``limit`` is log2 of the samples; ``error``, ``null`` and ``p_value`` as the options say. Labels: what
        ``Ross`` of the same options gives. An identity says what a layer without noise says: see ``about_identity``.
        ``rng`` gives a seed: an estimate does not depend on what else is asked for, and a masked one is in all its parts that
        of the compressed samples.

        Flags for a continuous y: ``high_dimension`` (more than 4 columns in x or y), ``ties`` (a column that varies holds a
        value twice), ``constant`` (x or y does not vary: the value is 0), ``few_samples`` (without more than k the value is
        NaN), ``nonfinite`` and ``empty`` (the value is NaN).
        Raises ValueError for other kinds of variables and shapes that do not fit, and where ``backend`` cannot be had.
        """
        check_kinds(ys, "ksg", ("continuous", "labels", "identity"))
        samples = samples_of(x, "ksg")
        labels = [y for y in ys if y.kind == "labels"]
        as_given = torch.Generator(rng.device)  # so that labels get what Ross gives them, whatever else is asked for
        as_given.set_state(rng.get_state())
        with_labels = iter(self._ross()(x, labels, rng=as_given))
        seed, null = _seed(rng), self.permutations >= LEAST_FOR_P
        estimates: list[Estimate] = []
        for y in ys:
            if y.kind == "labels":
                estimates.append(next(with_labels))
            elif y.kind == "identity":
                estimates.append(about_identity(samples, y))
            else:
                estimates.append(self._estimate(samples, [y], self._information, seed, null))
        return tuple(estimates)

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        """Differential entropy h(x) of all columns together in bits: of any sign, and log2 |c| more a column for c·x.

        Without a limit; ``error`` as the options say. Flags are those of the call, but ``constant`` means that a column does
        not vary: there is no density, and the value is NaN. Where a sample has k equals there is none either: the value is −∞
        with ``jitter=0``, and that of the jitter without.
        """
        return self._estimate(samples_of(x, "ksg"), [], self._entropy, _seed(rng), null=False)

    def conditional(self, x: Variable, y: Variable, z: Variable, *, rng: torch.Generator) -> Estimate:
        """I(x; y | z), all continuous (..., samples, dims), by Frenzel & Pompe, whatever ``algorithm`` is.

        Limit, error and flags are those of the call, ``high_dimension`` for z too; there is no null. A constant z leaves
        I(x; y). Raises ValueError for other kinds of variables and shapes that do not fit.
        """
        check_kinds([y, z], "ksg", ("continuous",))
        return self._estimate(samples_of(x, "ksg"), [y, z], self._conditional, _seed(rng), null=False)

    @torch.no_grad()
    def pairwise(self, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
        """I(x_i(t); y_j(t + lag)) of every pair of columns of x (..., samples, I) and y (..., samples, J): (..., I, J).

        Everything in the estimate has this shape and is what the call gives for the two columns, taken and standardised over
        the times t that pair: those where x is data at t and y at t + lag. ``lag`` may be negative. A column that is not
        finite spoils its own pairs only. Permuted are the times of y, all columns alike.
        Raises ValueError for variables that are not continuous and shapes that do not fit.
        """
        check_kinds([y], "ksg", ("continuous",))
        samples, seed = samples_of(x, "ksg"), _seed(rng)
        beside = Beside(samples, y, "ksg")
        overlap = max(samples.values.shape[1] - abs(lag), 0)
        now, then = (slice(first, first + overlap) for first in (max(-lag, 0), max(lag, 0)))
        mask = None if samples.mask is None else samples.mask[:, now]
        paired = Samples(samples.values[:, now], mask, samples.batch)
        if y.mask is not None:
            paired = paired.masked_by(samples.spread(y.mask, "a mask")[:, then].reshape(*samples.batch, overlap))
        symmetric = lag == 0 and _same(x, y)
        readings: list[Reading] = []
        for e in range(len(paired.values)):
            data = slice(None) if paired.mask is None else paired.mask[e]
            left = self._columns(paired.values[e][data], seed)
            right = left if symmetric else self._columns(beside[e][then][data], seed + 1)
            rows = (left.values,) if symmetric else (left.values, right.values)
            reading = self._read(rows, self._pairs, seed, null=self.permutations >= LEAST_FOR_P)
            finite = left.finite[:, None] & right.finite
            reading.spoil(~finite if len(left.values) else torch.ones_like(finite))
            reading.flags = {
                "ties": left.tied[:, None] | right.tied,
                "constant": (left.constant[:, None] | right.constant) & finite,
                "nonfinite": ~finite,
            }
            readings.append(reading)
        shape = (samples.values.shape[-1], beside.columns)
        return by_pairs(paired, stacked(readings, shape, samples.values.device))

    def _ross(self) -> Ross:
        return Ross(self.k, self.standardise, self.jitter, self.permutations, self.subsamples, self.backend)

    def _kernels(self, device: torch.device) -> _Kernels:
        if not use(self.backend, device, "ksg"):
            return neighbours
        from . import neighbours_numba

        return neighbours_numba

    def _columns(self, rows: Tensor, seed: int) -> Columns:
        return standardised(rows, standardise=self.standardise, jitter=self.jitter, seed=seed)

    @torch.no_grad()
    def _estimate(self, samples: Samples, others: Sequence[Variable], measure: Measure, seed: int, null: bool) -> Estimate:
        """``measure`` of the samples and the ``others``, all columns of each together; of the entropy if there are none."""
        for other in others:
            samples = samples.masked_by(other.mask)
        sources = [samples.values, *(Beside(samples, other, "ksg") for other in others)]
        widths = [samples.values.shape[-1], *(other.values.shape[-1] for other in others)]
        readings: list[Reading] = []
        for e in range(len(samples.values)):
            data = slice(None) if samples.mask is None else samples.mask[e]
            parts = [self._columns(source[e][data], seed + i) for i, source in enumerate(sources)]
            reading = self._read(tuple(part.values for part in parts), measure, seed, null)
            constant = torch.stack([part.constant.all() if others else part.constant.any() for part in parts[:2]]).any()
            finite = torch.stack([part.finite.all() for part in parts]).all()
            if not others:  # for values a column, and for no density where one is constant
                reading.raw = (reading.raw + parts[0].deviation.log2().sum()).masked_fill(constant, torch.nan)
            reading.spoil(~finite)
            reading.flags = {
                "ties": torch.stack([part.tied.any() for part in parts]).any(),
                "constant": constant & finite & (len(parts[0].values) > 0),
                "nonfinite": ~finite,
            }
            readings.append(reading)
        found = stacked(readings, (), samples.values.device)
        found.flags["high_dimension"] = torch.full_like(samples.count, max(widths) > _HIGH, dtype=torch.bool)
        limit = samples.count.log2() if others else None
        floor = 0.0 if others else None
        made = estimate(
            samples, found.raw, limit=limit, error=found.error, permuted=found.permuted, flags=found.flags, floor=floor
        )
        return replace(made, flags={name: flag for name, flag in made.flags.items() if name != "label_saturated"})

    def _read(self, rows: tuple[Tensor, ...], measure: Measure, seed: int, null: bool) -> Reading:
        """``measure`` of the ``rows``, its standard error and what it gives for permutations of the last."""
        reading = Reading(measure(*rows))
        size, device = len(rows[0]), rows[0].device
        if self.subsamples and size:

            def of(part: Tensor) -> Tensor:
                return measure(*(values[part] for values in rows))

            reading.error = standard_error(of, size, self.subsamples, _generator(seed + 3), device)
        if null and size:
            frame = Samples(rows[0][None], None, ())
            for order in permutations(frame, self.permutations, _generator(seed + 4)):
                reading.permuted.append(measure(rows[0], rows[-1][order[0]]))
        return reading

    def _information(self, x: Tensor, y: Tensor) -> Tensor:
        """I(x; y) in bits, of rows (samples, columns)."""
        if self.algorithm == 1 and x.shape[1] == y.shape[1] == 1:
            return self._pairs(x, y)[0, 0]
        if (trivial := self._trivial(x, y)) is not None:
            return trivial
        psi, kernels = _digammas(x), self._kernels(x.device)
        if self.algorithm == 2:
            in_x, in_y = kernels.counts_projected(x, y, self.k)
            constant = psi[self.k] - 1 / self.k + psi[-1]
        else:
            in_x, in_y, _ = kernels.counts_within(x, y, None, self.k)
            constant = psi[self.k] + psi[-1]
        return (constant - (psi[in_x] + psi[in_y]).mean()) / LN2

    def _conditional(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """I(x; y | z) in bits, of rows (samples, columns)."""
        if (trivial := self._trivial(x, y)) is not None:
            return trivial
        psi = _digammas(x)
        in_xz, in_yz, in_z = self._kernels(x.device).counts_within(x, y, z, self.k)
        assert in_z is not None
        return (psi[self.k] - (psi[in_xz] + psi[in_yz] - psi[in_z]).mean()) / LN2

    def _entropy(self, x: Tensor) -> Tensor:
        """h(x) in bits, of rows (samples, columns)."""
        if len(x) <= self.k:
            return x.new_full((), torch.nan)
        psi = _digammas(x)
        radius = self._kernels(x.device).kth_distances(x, self.k)
        return (psi[-1] - psi[self.k]) / LN2 + x.shape[1] * (2 * radius).log2().mean()

    def _pairs(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """I(x_i; y_j) in bits (I, J), of rows (samples, columns); without ``y`` that of x with itself, which is symmetric."""
        other = x if y is None else y
        left, right = (values.T.contiguous() for values in (x, other))
        if y is None:
            right = left
        bits = x.new_zeros(len(left), len(right))
        left_varies, right_varies = ((values != values[:, :1]).any(1) for values in (left, right))
        pairs = (left_varies[:, None] & right_varies).nonzero()
        if y is None:
            pairs = pairs[pairs[:, 0] <= pairs[:, 1]]
        if len(x) <= self.k:
            found = x.new_full((len(pairs),), torch.nan)
        elif self.algorithm == 1:
            psi = _digammas(x)
            sums = self._kernels(x.device).pair_sums(left, right, pairs, self.k, psi)
            found = (psi[self.k] + psi[-1] - sums / len(x)) / LN2
        else:
            found = x.new_empty(len(pairs))
            for n, (i, j) in enumerate(pairs.tolist()):
                found[n] = self._information(left[i][:, None], right[j][:, None])
        bits[pairs[:, 0], pairs[:, 1]] = found
        if y is None:
            bits[pairs[:, 1], pairs[:, 0]] = found
        return bits

    def _trivial(self, x: Tensor, y: Tensor) -> Tensor | None:
        """0 where ``x`` or ``y`` does not vary, NaN where no sample has k others, else None."""
        if any(bool((values == values[:1]).all()) for values in (x, y)):
            return x.new_zeros(())
        return x.new_full((), torch.nan) if len(x) <= self.k else None


class _Kernels(Protocol):
    """What ``neighbours`` and ``neighbours_numba`` have in common."""

    def counts_within(self, x: Tensor, y: Tensor, z: Tensor | None, k: int) -> tuple[Tensor, Tensor, Tensor | None]: ...

    def counts_projected(self, x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]: ...

    def kth_distances(self, x: Tensor, k: int) -> Tensor: ...

    def pair_sums(self, x: Tensor, y: Tensor, pairs: Tensor, k: int, psi: Tensor) -> Tensor: ...


def _digammas(rows: Tensor) -> Tensor:
    """ψ(n) at index n, up to the number of ``rows``; what is at index 0 is never asked for."""
    return torch.arange(len(rows) + 1, dtype=torch.float64, device=rows.device).clamp_(min=1).digamma_()


def _seed(rng: torch.Generator) -> int:
    """Drawn once, so that what is drawn for one thing does not depend on how much another takes."""
    return int(torch.randint(2**62, (), generator=rng, device=rng.device))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _same(x: Variable, y: Variable) -> bool:
    """Whether two variables are one, or look at the same numbers."""

    def alike(a: Tensor | None, b: Tensor | None) -> bool:
        if a is None or b is None:
            return a is b
        return a is b or (a.data_ptr(), a.shape, a.stride(), a.dtype) == (b.data_ptr(), b.shape, b.stride(), b.dtype)

    return x is y or (alike(x.values, y.values) and alike(x.mask, y.mask))
