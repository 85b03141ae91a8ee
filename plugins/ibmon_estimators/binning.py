"""Information of a discretised layer: plug-in entropies of whole rows.

For a deterministic network T = f(X), I(X; T̂) = H(T̂), also where inputs repeat, and I(T̂; Y) = H(T̂) − Σ p(y) H(T̂ | y)
(Shwartz-Ziv & Tishby 2017, arXiv:1703.00810, section 3; Saxe et al. 2018, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .estimates import estimate
from .nulls import check_permutations, permutations
from .samples import (
    LN2,
    Samples,
    check_kinds,
    data_of,
    distinct,
    entropy,
    entropy_of_codes,
    label_codes,
    mask_key,
    multipliers,
    number_hashes,
    owners,
    samples_of,
)

_DEFAULT_WIDTH = 0.07
_OUTERMOST = 2.0**62
"""Bins beyond this are merged, so that they fit 64-bit integers."""
_CHUNK = {"cpu": 2**17, "cuda": 2**24}
"""Elements that are discretised at once: a few stay in the cache of a core; a GPU wants more."""


@dataclass(frozen=True, slots=True)
class Binning:
    """Plug-in information of the layer discretised elementwise, in bits.

    One convention is chosen by one option; none means ``width=0.07``:

    - ``width``: cells floor(t / width), for bounded and unbounded activations.
    - ``edges``: the cells between ``edges`` equally spaced edges on [-1, 1]; t ≥ 1 is a cell of its own, t < -1 belongs
      to the first. For activations bounded to [-1, 1] only.
    - ``quantile``: so many cells of equal mass for each unit.
    - ``range="observed"``: ``bins`` equal cells over the range of the whole layer.

    ``miller_madow`` adds the bias correction (cells − 1) / 2N to every entropy (Miller 1955). ``permutations`` of the labels
    make the null beside I(T̂; Y), with a p-value from 19 on; 0 leaves it out.
    Raises ValueError for two conventions at once, and for options out of their domain.
    """

    width: float | None = None
    edges: int | None = None
    quantile: int | None = None
    range: Literal["observed"] | None = None
    bins: int = 30
    miller_madow: bool = False
    permutations: int = 5

    def __post_init__(self) -> None:
        conventions = {"width": self.width, "edges": self.edges, "quantile": self.quantile, "range": self.range}
        given = [name for name, value in conventions.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"binning takes one of width, edges, quantile and range, not {' and '.join(given)}")
        if not given:
            # Written back so that the parameter of the result can be read from the estimator.
            object.__setattr__(self, "width", _DEFAULT_WIDTH)
        if self.width is not None and not (isfinite(self.width) and self.width > 0):
            raise ValueError(f"binning: width must be positive, not {self.width}")
        if self.edges is not None and self.edges < 2:
            raise ValueError(f"binning: edges must be at least 2, not {self.edges}")
        if self.quantile is not None and self.quantile < 2:
            raise ValueError(f"binning: quantile must be at least 2, not {self.quantile}")
        if self.range not in (None, "observed"):
            raise ValueError(f"binning: range must be observed, not {self.range}")
        if self.bins < 1 or (self.bins != 30 and self.range is None):
            raise ValueError(f"binning: bins={self.bins} needs range=observed and at least 1")
        check_permutations(self.permutations, "binning")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(T̂; y) for each of ``ys``, identities or labels (samples,) or (..., samples).

        ``value`` is clipped to [0, ``limit``], H(Y) or log2 of the distinct inputs; ``raw`` is not. ``null`` is the mean of
        ``raw`` over the permutations, which ``rng`` draws for each labels in turn.
        Flags: ``saturated`` (H(T̂) within 5 % of log2 of the distinct inputs, or more distinct rows than half the
        samples), ``label_saturated`` (the null exceeds half of H(Y)), ``edges`` (over half of the activations in the outer
        cells; with ``edges`` only), ``few_samples`` (under 50), ``nonfinite`` (the value is NaN) and ``empty`` (no sample is
        data; the value is NaN).
        Raises ValueError for other kinds of variables and shapes that do not fit.
        """
        check_kinds(ys, "binning")
        samples = samples_of(x, "binning")
        layers: dict[int | None, _Layer] = {}
        estimates: list[Estimate] = []
        for y in ys:
            key = mask_key(x, y)
            if key not in layers:
                layers[key] = _layer(self, samples if key is None else samples.masked_by(y.mask))
            layer = layers[key]
            inputs = distinct(layer.samples, y).log2()
            estimates.append(self._whole(layer, inputs) if y.kind == "identity" else self._about(layer, y.values, inputs, rng))
        return tuple(estimates)

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        """H(T̂), at most log2 of the samples. ``rng`` is not used.

        Flags as in the call, every sample being taken for a distinct input. Raises ValueError for a variable that is not
        continuous.
        """
        layer = _layer(self, samples_of(x, "binning"))
        return self._whole(layer, layer.samples.count.log2())

    def _whole(self, layer: _Layer, inputs: Tensor) -> Estimate:
        bits = layer.bits + (layer.occupied - 1) * layer.per_cell if self.miller_madow else layer.bits
        return self._estimate(layer, bits, inputs, inputs)

    def _about(self, layer: _Layer, labels: Tensor, inputs: Tensor, rng: torch.Generator) -> Estimate:
        samples = layer.samples
        codes, number = label_codes(samples, labels)
        limit, classes = entropy_of_codes(samples, codes, number)

        def information(codes: Tensor) -> Tensor:
            both, pairs = layer.joint(codes, number)
            bits = layer.bits + limit - both  # H(T̂) − Σ p(y) H(T̂ | y), because H(T̂, Y) = H(Y) + H(T̂ | Y)
            return bits + (layer.occupied - 1 - (pairs - classes)) * layer.per_cell if self.miller_madow else bits

        permuted = [information(codes.gather(1, order)) for order in permutations(samples, self.permutations, rng)]
        return self._estimate(layer, information(codes), limit, inputs, permuted)

    def _estimate(
        self, layer: _Layer, raw: Tensor, limit: Tensor, inputs: Tensor, permuted: list[Tensor] | None = None
    ) -> Estimate:
        """``inputs`` is log2 of how many inputs are distinct: of the identity, and for labels of the samples."""
        cells, samples, count = layer.cells, layer.samples, layer.samples.count
        saturated = (layer.bits >= 0.95 * inputs) | (layer.occupied > count / 2)
        flags = {"saturated": saturated & (count > 0), "nonfinite": cells.nonfinite}
        if cells.outer is not None:
            outer = cells.outer if samples.mask is None else cells.outer * samples.mask
            flags["edges"] = outer.sum(-1, dtype=torch.float64) > 0.5 * count * samples.values.shape[-1]
        # Without its units, for the values have been looked at.
        seen = Samples(samples.values[..., :0], samples.mask, samples.batch)
        return estimate(seen, raw.masked_fill(cells.nonfinite, torch.nan), limit=limit, permuted=permuted, flags=flags)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Which distinct discretised row each sample has.

    ``rows`` (elements, samples) are integers in [0, ``number``), different in different elements; ``outer`` (elements,
    samples) counts units in outer cells; ``nonfinite`` (elements,).
    """

    rows: Tensor
    number: int
    outer: Tensor | None
    nonfinite: Tensor


@dataclass(frozen=True, slots=True)
class _Layer:
    """What all estimates with the same mask share; by element (elements,), except where it is of single samples.

    A sample whose row no other has makes one pair with its label, whatever that is: the joint entropy is counted over the
    others, ``repeated`` (places in the data), their ``rows`` in [0, ``number``) and ``owner``; ``alone`` counts the rest.
    """

    cells: _Cells
    samples: Samples
    repeated: Tensor
    rows: Tensor
    number: int
    owner: Tensor | None
    alone: Tensor
    bits: Tensor
    occupied: Tensor

    @property
    def per_cell(self) -> Tensor:
        """The Miller–Madow correction, in bits, for each cell."""
        return 1 / (2 * LN2 * self.samples.count)

    def joint(self, codes: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """H(T̂, Y) in bits for labels ``codes`` (elements, samples) in [0, ``number``), and the pairs that occur."""
        labels = data_of(self.samples, codes)[self.repeated]
        return _with_alone(
            self.alone,
            self.samples.count,
            entropy(self.rows * number + labels, self.number * number, self.owner, self.samples.count),
        )


def _with_alone(alone: Tensor, count: Tensor, others: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Entropy in bits, and cells, of ``others`` together with ``alone`` samples that have a cell for themselves."""
    bits, cells = others
    return bits + alone * torch.special.entr(1 / count.clamp(min=1)) / LN2, cells + alone


def _layer(options: Binning, samples: Samples) -> _Layer:
    cells = _cells(options, samples)
    owner, count, rows = owners(samples), samples.count, data_of(samples, cells.rows)
    often = torch.bincount(rows, minlength=cells.number) > 1
    chosen = often[rows]
    repeated = chosen.nonzero()[:, 0]
    rows, number = (often.cumsum(0) - 1)[rows[repeated]], int(often.sum())
    if owner is None:
        alone = count - len(repeated)
    else:
        alone = torch.zeros_like(count).index_add_(0, owner, (~chosen).double())
        owner = owner[repeated]
    # Summed as the joint entropy is, so that one class leaves exactly nothing.
    bits, occupied = _with_alone(alone, count, entropy(rows, number, owner, count))
    return _Layer(cells, samples, repeated, rows, number, owner, alone, bits, occupied)


def _cells(options: Binning, samples: Samples) -> _Cells:
    values, nonfinite, largest = _finite(samples)
    elements, size, units = values.shape
    weights = multipliers(units).to(values.device)
    hashes = torch.zeros(2, elements, size, dtype=torch.long, device=values.device)
    outer = None if options.edges is None else torch.zeros(elements, size, dtype=torch.long, device=values.device)
    for chunk, bins in _digitised(options, Samples(values, samples.mask, samples.batch), largest):
        for hashed, weight in zip(hashes, weights, strict=True):
            torch.sum(bins * weight, -1, out=hashed[chunk])
        if outer is not None and options.edges is not None:
            outer[chunk] = ((bins == 0) | (bins >= options.edges - 2)).sum(-1)
    rows, number = number_hashes(samples, hashes)
    return _Cells(rows, number, outer, nonfinite)


def _finite(samples: Samples) -> tuple[Tensor, Tensor, float]:
    """Values with NaN and infinities replaced by 0, which elements (elements,) have them in data, and the largest |t|."""
    values = samples.values
    none = torch.zeros(values.shape[0], dtype=torch.bool, device=values.device)
    if values.numel() == 0:
        return values, none, 0.0
    largest = max(abs(float(v)) for v in values.aminmax())  # one pass, and no temporary; NaN comes through
    if isfinite(largest):
        return values, none, largest
    bad = ~values.isfinite()
    rows = bad.any(-1)
    if samples.mask is not None:
        rows &= samples.mask
    return values.masked_fill(bad, 0), rows.any(-1), torch.finfo(values.dtype).max


def _digitised(options: Binning, samples: Samples, largest: float) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
    """Chunks (elements, samples) of the values as integer cells (elements, samples, units)."""
    values = samples.values
    elements, size, units = values.shape
    if values.numel() == 0:
        return
    low = step = quantiles = boundaries = values.new_tensor(0)
    width = 1.0
    if options.width is not None:
        width = options.width
        # A tensor, because a GPU multiplies by the reciprocal of a scalar, which moves values across edges.
        step = values.new_tensor(width)
    elif options.edges is not None:
        boundaries = _edges(options.edges, values)
    elif options.quantile is not None:
        quantiles = _quantiles(samples, options.quantile)
    else:
        low, step = _observed(samples, options.bins)
    clamped = largest / width >= _OUTERMOST
    for chunk in _chunks(elements, size, units, values.device):
        part, element = values[chunk], chunk[0]
        if options.width is not None:
            cells = (part / step).floor_()
            bins = (cells.clamp_(-_OUTERMOST, _OUTERMOST) if clamped else cells).long()
        elif options.edges is not None:
            bins = torch.bucketize(part.contiguous(), boundaries, right=True).sub_(1).clamp_(min=0)
        elif options.quantile is not None:
            bins = torch.zeros(part.shape, dtype=torch.long, device=values.device)
            for edge in quantiles[:, element]:
                bins += part >= edge
        else:
            bins = ((part - low[element]) / step[element]).floor_().clamp_(0, options.bins - 1).long()
        yield chunk, bins


def _chunks(elements: int, size: int, units: int, device: torch.device) -> Iterator[tuple[slice, slice]]:
    rows = max(1, _CHUNK.get(device.type, 2**24) // units)
    together = max(1, rows // size)
    for e in range(0, elements, together):
        for s in range(0, size, rows if together == 1 else size):
            yield slice(e, min(e + together, elements)), slice(s, min(s + (rows if together == 1 else size), size))


def _edges(number: int, like: Tensor) -> Tensor:
    """np.linspace(-1, 1, number), in a float32 that divides float32 values exactly as the float64 edges do."""
    edges = torch.from_numpy(np.linspace(-1, 1, number))
    if like.dtype == torch.float32:
        near = edges.float()
        # t ≥ edge holds for a float32 t exactly if t ≥ the smallest float32 that is not below the edge.
        edges = torch.where(near.double() < edges, torch.nextafter(near, near.new_tensor(torch.inf)), near)
    return edges.to(like.device)


def _quantiles(samples: Samples, cells: int) -> Tensor:
    """Inner quantiles of each unit, linearly interpolated: (cells − 1, elements, 1, units)."""
    values = samples.values
    if samples.mask is not None:
        values = values.masked_fill(~samples.mask[..., None], torch.inf)
    ordered = values.sort(dim=1).values
    last = (samples.count - 1).clamp(min=0)
    edges: list[Tensor] = []
    for k in range(1, cells):
        place = last * (k / cells)
        below = place.floor().long()
        above = torch.minimum(below + 1, last.long())
        a, b = (ordered.gather(1, i[:, None, None].expand(-1, 1, values.shape[-1])) for i in (below, above))
        edges.append(a + (b - a) * (place - below)[:, None, None].to(values.dtype))
    return torch.stack(edges)


def _observed(samples: Samples, bins: int) -> tuple[Tensor, Tensor]:
    """Lowest value and width of the cells for each element (elements, 1, 1)."""
    values = samples.values
    if samples.mask is None:
        low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    else:
        outside = ~samples.mask[..., None]
        low = values.masked_fill(outside, torch.inf).amin((1, 2), keepdim=True)
        high = values.masked_fill(outside, -torch.inf).amax((1, 2), keepdim=True)
    width = (high - low) / bins
    usable = (width > 0) & width.isfinite()
    return torch.where(usable, low, 0), torch.where(usable, width, torch.inf)
