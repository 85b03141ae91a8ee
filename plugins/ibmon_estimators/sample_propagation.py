"""Monte Carlo of the information of T + Z, Z ~ N(0, v I), unbiased and with a standard error.

The second opinion on the kernel bounds, under the same noise. With T uniform on the N activations t_i, T + Z has the
density p(u) = mean_j N(u; t_j, v I), and

    I(X; T + Z) = mean_i E_z log [ N(z; 0, v I) / p(t_i + z) ] = mean_i E_z [ −log mean_j exp((‖z‖² − ‖t_i + z − t_j‖²) / 2v) ]

is averaged over noise drawn for each sample (Goldfeld et al., "Estimating Information Flow in Deep Neural Networks", ICML
2019, arXiv:1810.05728; Goldfeld, Greenewald, Niles-Weed & Polyanskiy, "Convergence of Smoothed Empirical Measures with
Applications to Entropy Estimation", IEEE Trans. Inf. Theory 2020, arXiv:1905.13576). Both densities are taken at the same
noise, so what they have in common cancels: where the samples lie far apart every term is log N, whatever the noise, while
h(T + Z) alone would scatter by √(D/2) nats a draw and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import e as EULER
from math import isfinite, pi
from typing import Literal

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .estimates import estimate, finite
from .nulls import check_permutations, permutations
from .samples import LN2, Samples, check_kinds, distinct, entropy_of_codes, label_codes, mask_key, samples_of

_TILE = {"cpu": 256, "cuda": 2048}
"""Side of the tiles of the matrix of kernels, a multiple of ``_NOISE``: with two draws they stay in a core's cache."""
_NOISE = 16
"""Rows of noise that are drawn at once: the noise must not depend on the size of the tiles."""
_DRAWN, _KEPT = 2**22, 2**25
"""Most numbers of noise in a block of rows, and most activations of which a scaled copy is kept: they bound the memory."""
_LOW = {torch.float32: -80.0, torch.float64: -100.0}
"""Least exponent of a kernel: below it would be denormal, where arithmetic is slow, beside a sum that is at least 1."""
_HIGH = 60.0
"""Greatest exponent, which is half the square of a normal number and comes near this through rounding only."""
_RESOLUTION = 0.002
"""Error of an exponent, from rounding, above which ``auto`` computes in float64, and which is flagged there."""
_COLUMNS = 256
"""Most columns of labels that are summed by a matrix product; for more of them a comparison of labels is faster."""
_IMPRECISE = 0.05
"""Standard error in bits above which an estimate is flagged ``imprecise``."""


@dataclass(frozen=True, slots=True)
class SamplePropagation:
    """Information of the layer plus Gaussian noise by Monte Carlo, in bits, with a standard error.

    ``variance`` v is the noise's, for each unit, or with ``relative`` a share of the total: v = variance · tr Cov(T), for
    each element of the batch, as for the kernel bounds. ``draws`` of noise are made for each sample: from two on, the spread
    within the samples gives the error. ``permutations`` of the labels give the null. ``dtype`` auto computes in the type of
    the activations (half types in float32), but in float64 where float32 could not resolve distances against the noise.
    Time is that of ``draws`` · N² kernels, with ``permutations`` + 1 sums of each for each label variable.

    Raises ValueError unless ``variance`` is positive, ``draws`` at least 1, ``permutations`` at least 0 and ``dtype`` known.
    """

    variance: float = 0.1
    relative: bool = False
    draws: int = 2
    permutations: int = 5
    dtype: Literal["auto", "float32", "float64"] = "auto"

    def __post_init__(self) -> None:
        if not (isfinite(self.variance) and self.variance > 0):
            raise ValueError(f"sample-propagation: variance must be positive, not {self.variance}")
        if self.draws < 1:
            raise ValueError(f"sample-propagation: draws must be at least 1, not {self.draws}")
        check_permutations(self.permutations, "sample-propagation")
        if self.dtype not in ("auto", "float32", "float64"):
            raise ValueError(f"sample-propagation: dtype must be auto, float32 or float64, not {self.dtype}")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(T + Z; y) for each of ``ys``, identities or labels (samples,) or (..., samples), from the same noise.

        Labels: the mean of log2 [p(t + z | y) / p(t + z)], with p(· | y) the mixture of the samples of the class. T is fixed
        to the evaluation set, so that only the noise is random: ``error`` is √(Σ_i s_i² / draws) / N, with s_i² the variance
        within sample i. One draw cannot tell it from the spread between samples: then ``error`` is that of all terms
        together, which is too large. ``null`` is the mean over permuted labels, of the same kernels.

        The noise belongs to the rank of a sample among those that are data, so that a masked estimate is that of the
        compressed samples; its null has other permutations. ``rng`` gives seeds: an estimate does not depend on what else
        is asked for. Flags: ``saturated`` (I(X; T + Z) within 5 % of log2 of the distinct inputs, which beside labels are
        the samples), ``imprecise`` (an error over .05 bit, or noise too small beside the activations to be resolved),
        ``constant`` (no variance: the value is 0), ``label_saturated``, ``few_samples``, ``nonfinite`` (also where squares
        overflow) and ``empty`` (the value is NaN).
        Raises ValueError for other kinds of variables and shapes that do not fit.
        """
        check_kinds(ys, "sample-propagation")
        samples = samples_of(x, "sample-propagation")
        seeds = _seeds(rng)
        estimates: dict[int, Estimate] = {}
        groups: dict[int | None, list[int]] = {}
        for i, y in enumerate(ys):
            groups.setdefault(mask_key(x, y), []).append(i)
        for members in groups.values():
            chosen = samples.masked_by(ys[members[0]].mask)
            labels = [i for i in members if ys[i].kind == "labels"]
            codes = [label_codes(chosen, ys[i].values) for i in labels]
            result = _propagate(self, chosen, [c for c, _ in codes], seeds)
            for i in members:
                row = labels.index(i) + 1 if i in labels else 0
                inputs = distinct(chosen, ys[i]).log2()
                limit = entropy_of_codes(chosen, *codes[row - 1])[0] if row else inputs
                raw, error = result.values[row, 0], result.errors[row]
                permuted = list(result.values[row, 1:]) if row else None
                flags = {**result.flags(chosen, inputs), "imprecise": (error > _IMPRECISE) | result.coarse}
                estimates[i] = estimate(chosen, raw, limit=limit, error=error, permuted=permuted, flags=flags)
        return tuple(estimates[i] for i in range(len(ys)))

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        """Differential entropy h(T + Z) in bits: I(X; T + Z) + (D/2) log2(2πe v), not clipped, which may be negative.

        A layer without variance has that of the noise, which is −∞ for a relative one. Flags and errors are those of the call.
        """
        samples = samples_of(x, "sample-propagation")
        result = _propagate(self, samples, [], _seeds(rng))
        noise = samples.values.shape[-1] / 2 * (2 * pi * EULER * result.noise).log2()
        flags = result.flags(samples, samples.count.log2())
        flags["imprecise"] = (result.errors[0] > _IMPRECISE) | result.coarse
        return estimate(samples, result.values[0, 0] + noise, error=result.errors[0], flags=flags, floor=None)


def _seeds(rng: torch.Generator) -> tuple[int, int]:
    """Seeds of the noise and of the permutations."""
    noise, order = torch.randint(2**62, (2,), generator=rng, device=rng.device).tolist()
    return noise, order


@dataclass(frozen=True, slots=True)
class _Result:
    """Information in bits: ``values`` (1 + tasks, 1 + permutations, elements), of the identity in the first row, where only
    the first column is filled, and of labels as they are and permuted. ``errors`` (1 + tasks, elements). ``noise`` v,
    ``constant``, ``overflow`` of the squares and ``coarse``, where rounding hides the noise (elements,)."""

    values: Tensor
    errors: Tensor
    noise: Tensor
    constant: Tensor
    overflow: Tensor
    coarse: Tensor

    def flags(self, samples: Samples, inputs: Tensor) -> dict[str, Tensor]:
        """Flags that all estimates share, with ``inputs`` the log2 of how many are distinct (elements,)."""
        return {
            "saturated": (self.values[0, 0] >= 0.95 * inputs) & (samples.count > 0),
            "constant": self.constant,
            "nonfinite": self.overflow | ~finite(samples),
        }


@torch.no_grad()
def _propagate(options: SamplePropagation, samples: Samples, codes: list[Tensor], seeds: tuple[int, int]) -> _Result:
    elements = len(samples.values)
    values = torch.zeros(1 + len(codes), 1 + options.permutations, elements, dtype=torch.float64, device=samples.values.device)
    constant, overflow, coarse = (torch.zeros(elements, dtype=torch.bool, device=values.device) for _ in range(3))
    noise = torch.full_like(values[0, 0], options.variance)
    result = _Result(values, torch.zeros_like(values[:, 0]), noise, constant, overflow, coarse)
    orders: list[Tensor] = []
    if codes:
        orders = list(permutations(samples, options.permutations, torch.Generator().manual_seed(seeds[1])))
    labels = [torch.stack([c, *(c.gather(1, order) for order in orders)], -1) for c in codes]
    for element, (rows, *tasks) in enumerate(samples.elements(*labels)):
        if not len(rows):
            continue
        layer = _layer(rows, options)
        result.noise[element] = layer.noise
        result.constant[element], result.overflow[element], result.coarse[element] = layer.constant, layer.overflow, layer.coarse
        if layer.overflow:
            values[..., element] = result.errors[:, element] = torch.nan
        elif not layer.constant:
            generator = torch.Generator().manual_seed(seeds[0])
            for row, ratios in enumerate(_log_ratios(layer, tasks, options.draws, generator)):
                values[row, : len(ratios), element] = ratios.mean((1, 2)) / LN2
                result.errors[row, element] = _error(ratios[0]) / LN2
    return result


def _error(terms: Tensor) -> Tensor:
    """Standard error of the mean of ``terms`` (draws, samples), whose samples are fixed and whose draws are not."""
    draws, size = terms.shape
    if draws == 1:
        return terms.std() / size**0.5 if size > 1 else torch.zeros_like(terms[0, 0])
    return (terms.var(0).sum() / draws).sqrt() / size


@dataclass(frozen=True, slots=True)
class _Layer:
    """One element in units of the noise's standard deviation √``noise``: u = (t − ``centre``) / √v.

    ``rows`` (data, units) are u, or t where ``centre`` (units,) is given; ``half`` (data,) is ‖u‖²/2, in the type that kernels
    are computed in; ``side`` is the rows of a block.
    """

    rows: Tensor
    centre: Tensor | None
    half: Tensor
    noise: float
    side: int
    constant: bool
    overflow: bool
    coarse: bool

    def blocks(self) -> list[slice]:
        return _blocks(len(self.rows), self.side)

    def block(self, part: slice) -> Tensor:
        """The rows u (rows, units)."""
        if self.centre is None:
            return self.rows[part]
        return _scaled(self.rows[part], self.centre, self.noise).to(self.half.dtype)


def _blocks(size: int, side: int) -> list[slice]:
    return [slice(start, min(start + side, size)) for start in range(0, size, side)]


def _scaled(rows: Tensor, centre: Tensor, noise: float) -> Tensor:
    return (rows.double() - centre).mul_(noise**-0.5)


def _layer(rows: Tensor, options: SamplePropagation) -> _Layer:
    size, units = rows.shape
    side = min(_TILE.get(rows.device.type, 2048), max(1, _DRAWN // max(1, units * options.draws * _NOISE)) * _NOISE)
    blocks = _blocks(size, side)
    # The first row is taken off before the mean, so that a constant layer becomes exactly 0.
    first = rows[0].double()
    centre = first + torch.stack([(rows[b].double() - first).sum(0) for b in blocks]).sum(0) / size
    squares = torch.cat([(rows[b].double() - centre).square_().sum(1) for b in blocks])
    trace = float(squares.mean())
    noise = options.variance * trace if options.relative else options.variance
    overflow, constant = not isfinite(trace), trace == 0 or noise == 0
    if overflow or constant:
        return _Layer(rows, centre, squares, noise, side, constant, overflow, coarse=False)
    half = squares / (2 * noise)
    largest = float(half.max())
    dtype = {"auto": rows.dtype, "float32": torch.float32, "float64": torch.float64}[options.dtype]
    if options.dtype == "auto" and not largest * torch.finfo(dtype).eps <= _RESOLUTION:
        dtype = torch.float64
    coarse = not largest * torch.finfo(dtype).eps <= _RESOLUTION
    if rows.numel() > _KEPT:
        return _Layer(rows, centre, half.to(dtype), noise, side, constant, overflow, coarse)
    scaled = torch.empty_like(rows, dtype=dtype)
    for part in blocks:
        scaled[part] = _scaled(rows[part], centre, noise)
    return _Layer(scaled, None, half.to(dtype), noise, side, constant, overflow, coarse)


def _log_ratios(layer: _Layer, tasks: list[Tensor], draws: int, rng: torch.Generator) -> list[Tensor]:
    """Terms in nats: of the identity (1, draws, data), and of each of ``tasks``, labels (data, columns), (columns, draws, data).

    With u = t / √v and noise ε, the exponent of the kernel between u_i + ε and u_j, less that between it and u_i, is
    (u_i + ε)·u_j − ‖u_j‖²/2 − (‖u_i‖²/2 + ε·u_i). It is 0 for j = i, so that sums over j are at least 1.
    """
    size, units = layer.rows.shape
    classes = [_Classes.of(task, layer.half.dtype) for task in tasks]
    everything = torch.empty(draws, size, dtype=torch.float64, device=layer.rows.device)
    own = [torch.empty(task.shape[1], draws, size, dtype=torch.float64, device=layer.rows.device) for task in tasks]
    low = _LOW[layer.half.dtype]
    buffer = torch.empty(draws * min(layer.side, size) ** 2, dtype=layer.half.dtype, device=layer.rows.device)
    for i in layer.blocks():
        u = layer.block(i)
        noise = torch.cat([torch.randn(_NOISE, draws, units, generator=rng) for _ in range(0, len(u), _NOISE)])
        noise = noise[: len(u)].transpose(0, 1).to(u)
        at_own = layer.half[i] + torch.linalg.vecdot(noise, u)
        points = (noise + u).reshape(-1, units)
        sums = torch.zeros(draws, len(u), dtype=torch.float64, device=u.device)
        parts = [torch.zeros(o.shape[0], draws, len(u), dtype=torch.float64, device=u.device) for o in own]
        for j in layer.blocks():
            others = layer.block(j)
            kernel = buffer[: len(points) * len(others)].view(len(points), len(others))
            torch.mm(points, others.T, out=kernel)
            kernel = kernel.view(draws, len(u), len(others))
            kernel.sub_(at_own[..., None]).sub_(layer.half[j])
            if i == j:
                kernel.diagonal(dim1=1, dim2=2).zero_()
            kernel.clamp_(low, _HIGH).exp_()
            sums += kernel.sum(-1)
            for part, task in zip(parts, classes, strict=True):
                part += task.sums(kernel, i, j)
        everything[:, i] = (sums / size).log_()
        for total, part, task in zip(own, parts, classes, strict=True):
            total[..., i] = (part / task.counts[i].T[:, None]).log_()
    return [-everything[None], *(total - everything for total in own)]


@dataclass(frozen=True, slots=True)
class _Classes:
    """Labels of one element as codes (data, columns), how many samples have each one's label (data, columns), and the labels
    of all columns as one matrix of zeros and ones (data, columns · classes), where it is not too wide."""

    codes: Tensor
    counts: Tensor
    members: Tensor | None

    @classmethod
    def of(cls, labels: Tensor, dtype: torch.dtype) -> _Classes:
        found, codes = torch.unique(labels, return_inverse=True)
        number, columns = len(found), labels.shape[1]
        counts = torch.bincount(codes[:, 0], minlength=number).double()[codes]
        if number * columns > _COLUMNS:
            return cls(codes.to(dtype), counts, None)  # comparing floats writes a float mask without a conversion
        members = torch.zeros(*codes.shape, number, dtype=dtype, device=codes.device).scatter_(2, codes[..., None], 1)
        return cls(codes, counts, members.flatten(1))

    def sums(self, kernel: Tensor, i: slice, j: slice) -> Tensor:
        """Sums of ``kernel`` (draws, i, j) over those of j that have i's label: (columns, draws, i)."""
        if self.members is not None:
            all_classes = (kernel.flatten(0, 1) @ self.members[j]).view(*kernel.shape[:2], self.codes.shape[1], -1)
            wanted = self.codes[i].expand(*all_classes.shape[:3])[..., None]
            return all_classes.gather(3, wanted)[..., 0].permute(2, 0, 1)
        same = torch.empty_like(kernel[0])
        columns = zip(self.codes[i].T, self.codes[j].T, strict=True)
        return torch.stack([torch.linalg.vecdot(kernel, torch.eq(a[:, None], b, out=same)) for a, b in columns])
