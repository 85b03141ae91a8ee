"""Kernel estimates of the information of T + Z, Z ~ N(0, v I), from all pairwise distances.

Kolchinsky & Tracey 2017 (Entropy 19, 361), equations 10 and 11: with d_ij = ‖t_i − t_j‖², in nats,

    −mean_i ln mean_j exp(−d_ij / 8v)  ≤  I(X; T + Z)  ≤  −mean_i ln mean_j exp(−d_ij / 2v)

(Bhattacharyya below, Kullback–Leibler above); both are at most ln N. As applied to layers by Saxe et al. 2018, and
Kolchinsky, Tracey & Wolpert 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from . import discrete
from .discrete import LN2, Samples

_TILE = {"cpu": 512, "cuda": 4096}
"""Side of the tiles of the distance matrix: 1 MB of float32, which stays in a core's cache; a GPU wants more."""
_FLOOR = {torch.float32: -21.5, torch.float64: -150.0}
"""Least exponent of the wider kernel: its fourth power must not become denormal, where arithmetic is many times slower.

It adds at most N e^-21.5 to a sum that is at least 1: under 1e-5 bit for 10 000 samples in float32.
"""
_RESOLUTION = 0.005
"""Error of an exponent, from float32's rounding, above which ``auto`` computes in float64."""
_FEW = 50


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
    float64 where float32 could not resolve distances against the noise.
    Raises ValueError unless ``variance`` is positive and ``dtype`` is known.
    """

    variance: float = 0.1
    relative: bool = False
    dtype: Literal["auto", "float32", "float64"] = "auto"

    def __post_init__(self) -> None:
        if not (isfinite(self.variance) and self.variance > 0):
            raise ValueError(f"kde: variance must be positive, not {self.variance}")
        if self.dtype not in ("auto", "float32", "float64"):
            raise ValueError(f"kde: dtype must be auto, float32 or float64, not {self.dtype}")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(T + Z; y) for each of ``ys``, identities or labels (samples,) or (..., samples). ``rng`` is not used.

        Identity: ``lower`` is the Bhattacharyya bound, ``value`` = ``upper`` the Kullback–Leibler bound. Labels: ``value``
        takes the Kullback–Leibler entropy for both terms, as Saxe et al. do, and lies between ``lower`` and ``upper``,
        which are bounds. Flags: ``saturated`` (I(X; T + Z) within 5 % of log2 of the distinct inputs), ``few_samples``
        (under 50), ``constant`` (no variance: the value is 0), ``nonfinite`` and ``empty`` (the value is NaN).
        Raises ValueError for other kinds of variables and shapes that do not fit.
        """
        discrete.check_kinds(ys, "kde")
        samples = discrete.samples_of(x, "kde")
        estimates: dict[int, Estimate] = {}
        groups: dict[int | None, list[int]] = {}
        for i, y in enumerate(ys):
            groups.setdefault(None if y.mask is None or y.mask is x.mask else id(y.mask), []).append(i)
        for members in groups.values():
            chosen = samples.masked_by(ys[members[0]].mask)
            tasks = [i for i in members if ys[i].kind == "labels"]
            result = _information(
                chosen, [ys[i].values for i in tasks], variance=self.variance, relative=self.relative, dtype=_dtype(self.dtype)
            )
            count = discrete.shaped(samples, chosen.count)
            limit = discrete.shaped(samples, discrete.distinct(chosen, ys).log2()).masked_fill(count == 0, torch.nan)
            flags = {
                "saturated": (result.upper >= 0.95 * limit) & (count > 0),
                "few_samples": count < _FEW,
                "constant": result.constant,
                "nonfinite": result.nonfinite,
                "empty": count == 0,
            }
            for i in members:
                if ys[i].kind == "identity":
                    lower, upper = result.lower.minimum(limit), result.upper.minimum(limit)
                    estimates[i] = Estimate(upper, lower=lower, upper=upper, flags=flags, limit=limit)
                else:
                    label = result.labels[tasks.index(i)]
                    estimates[i] = Estimate(label.kl, lower=label.lower, upper=label.upper, flags=flags, limit=label.entropy)
        return tuple(estimates[i] for i in range(len(ys)))


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
    samples = discrete.samples_of(Variable.continuous(values, mask), "kde")
    return _information(samples, labels, variance=variance, relative=relative, dtype=dtype)


def _dtype(name: str) -> torch.dtype | None:
    return {"auto": None, "float32": torch.float32, "float64": torch.float64}[name]


@torch.no_grad()
def _information(
    samples: Samples, labels: Sequence[Tensor], *, variance: float, relative: bool, dtype: torch.dtype | None
) -> KernelInformation:
    elements, size, _ = samples.values.shape
    tasks = [discrete.label_codes(samples, y.long()) for y in labels]
    entropies = [discrete.entropy_of_codes(samples, codes, number)[0] for codes, number in tasks]
    logs = torch.zeros(1 + len(tasks), 2, elements, dtype=torch.float64, device=samples.values.device)
    constant, nonfinite = (torch.zeros(elements, dtype=torch.bool, device=logs.device) for _ in range(2))
    tile = _TILE.get(samples.values.device.type, 4096)
    together = max(1, tile**2 // max(1, size) ** 2)
    for first in range(0, elements if size else 0, together):
        part = slice(first, min(first + together, elements))
        values, mask = samples.values[part], None if samples.mask is None else samples.mask[part]
        codes = [c[part] for c, _ in tasks]
        if len(values) == 1 and (mask is not None or (codes and size > tile)):
            # Without the masked samples there are fewer pairs; sorted by label most tiles hold no pair of one class.
            order = torch.arange(size, device=values.device) if mask is None else mask[0].nonzero()[:, 0]
            if codes:
                order = order[codes[0][0, order].argsort(stable=True)]
            values, codes, mask = values[:, order], [c[:, order] for c in codes], None
            if not len(order):
                continue
        rows = _scaled(values, mask, variance, relative, dtype)
        constant[part], nonfinite[part] = rows.constant, rows.nonfinite
        logs[:, :, part] = _mean_logs(rows, mask, codes, [number for _, number in tasks], tile)
    empty = samples.count == 0
    logs.masked_fill_(nonfinite | empty, torch.nan)
    ceiling = samples.count.log2()

    def bits(nats: Tensor, limit: Tensor) -> Tensor:
        # The clipping takes off rounding only, except from the bounds of I(T; Y).
        return discrete.shaped(samples, torch.minimum((nats / LN2).clamp(min=0), limit))

    (bd, kl), per_label = logs[0], logs[1:]
    return KernelInformation(
        upper=bits(-kl, ceiling),
        lower=bits(-bd, ceiling),
        labels=tuple(
            LabelInformation(
                kl=bits(kl_y - kl, h),
                bhattacharyya=bits(bd_y - bd, h),
                lower=bits(kl_y - bd, h),
                upper=bits(bd_y - kl, h),
                entropy=discrete.shaped(samples, h.masked_fill(empty, torch.nan)),
            )
            for (bd_y, kl_y), h in zip(per_label, entropies, strict=True)
        ),
        constant=discrete.shaped(samples, constant),
        nonfinite=discrete.shaped(samples, nonfinite),
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Centred rows z = (t − mean) / √4v (elements, samples, units) and −‖z‖² / 2 (elements, samples).

    So that −d_ij / 8v = z_i·z_j + half_i + half_j.
    """

    z: Tensor
    half: Tensor
    constant: Tensor
    nonfinite: Tensor


def _scaled(values: Tensor, mask: Tensor | None, variance: float, relative: bool, dtype: torch.dtype | None) -> _Rows:
    # The first row is taken off before the mean, so that a constant layer becomes exactly 0.
    if mask is None:
        z = values.to(dtype or values.dtype) - values[:, :1].to(dtype or values.dtype)
        count = torch.full((len(values),), float(values.shape[1]), dtype=torch.float64, device=values.device)
        z -= z.mean(1, keepdim=True)
    else:
        count = mask.sum(-1, dtype=torch.float64).clamp(min=1)
        first = mask.int().argmax(-1)
        reference = values[torch.arange(len(values), device=values.device), first][:, None]
        z = (values.to(dtype or values.dtype) - reference.to(dtype or values.dtype)).masked_fill_(~mask[..., None], 0)
        z -= z.sum(1, keepdim=True) / count[:, None, None].to(z.dtype)
        z.masked_fill_(~mask[..., None], 0)
    half = torch.linalg.vecdot(z, z)
    trace = half.sum(-1, dtype=torch.float64) / count
    nonfinite, constant = ~trace.isfinite(), trace == 0
    noise = variance * trace if relative else torch.full_like(trace, variance)
    noise = noise.masked_fill(nonfinite | constant, 1)
    if bool(nonfinite.any()):
        z.masked_fill_(nonfinite[:, None, None], 0)
        half = half.masked_fill(nonfinite[:, None], 0)
    half = half * (-0.125 / noise)[:, None].to(z.dtype)
    if dtype is None and z.dtype == torch.float32:
        error = -float(half.amin()) * torch.finfo(torch.float32).eps
        if not error <= _RESOLUTION:
            return _scaled(values, mask, variance, relative, torch.float64)
    z *= (0.5 / noise.sqrt())[:, None, None].to(z.dtype)
    return _Rows(z, half, constant, nonfinite)


def _mean_logs(rows: _Rows, mask: Tensor | None, codes: list[Tensor], numbers: list[int], tile: int) -> Tensor:
    """Means over samples of ln mean_j k_ij, over all j and over the j of the same label: (1 + tasks, 2, elements).

    The second axis is the kernel: k = exp(−d / 8v), then k⁴ = exp(−d / 2v). Only tiles of the upper triangle are computed.
    """
    z, half = rows.z, rows.half
    elements, size, _ = z.shape
    classes = [c.to(z.dtype) for c in codes]  # comparing floats writes a float mask without a conversion
    sums = torch.zeros(1 + len(codes), 2, elements, size, dtype=torch.float64, device=z.device)
    side = min(tile, size)
    buffers = torch.empty(2 + len(codes), elements * side * side, dtype=z.dtype, device=z.device)
    blocks = [slice(s, min(s + tile, size)) for s in range(0, size, tile)]
    spans = [[(int(c[:, b].amin()), int(c[:, b].amax())) for b in blocks] for c in codes] if len(blocks) > 1 else []
    for p, i in enumerate(blocks):
        for r, j in enumerate(blocks[p:], p):
            shape = (elements, i.stop - i.start, j.stop - j.start)
            k, product, *same = (b[: shape[0] * shape[1] * shape[2]].view(shape) for b in buffers)
            torch.bmm(z[:, i], z[:, j].mT, out=k)
            k.add_(half[:, None, j]).add_(half[:, i, None]).clamp_(_FLOOR[z.dtype], 0)
            if r == p:
                k.diagonal(dim1=1, dim2=2).zero_()
            k.exp_()
            if mask is not None:  # then there is one tile only
                k.mul_(mask[:, None, :])
            meeting = [t for t in range(len(codes)) if r == p or _overlap(spans[t][p], spans[t][r])]
            for t in meeting:
                torch.eq(classes[t][:, i, None], classes[t][:, None, j], out=same[t])
            for kernel in (0, 1):
                if kernel:
                    k.square_().square_()
                for row in (0, *(1 + t for t in meeting)):
                    part = torch.mul(k, same[row - 1], out=product) if row else k
                    sums[row, kernel, :, i] += part.sum(2)
                    if r != p:
                        sums[row, kernel, :, j] += part.sum(1)
    data = torch.ones(elements, size, dtype=torch.float64, device=z.device) if mask is None else mask.double()
    count = data.sum(-1, keepdim=True)
    for row, total in enumerate(sums):
        partners = count
        if row:
            members = torch.zeros(elements, numbers[row - 1], dtype=torch.float64, device=z.device)
            partners = members.scatter_add_(1, codes[row - 1], data).gather(1, codes[row - 1]).clamp(min=1)
        total.div_(partners).log_().mul_(data)
    if mask is not None:
        sums.masked_fill_(~mask, 0)
    return sums.sum(-1) / count.T.clamp(min=1)[None]


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]
