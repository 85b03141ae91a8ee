"""Sums of Gaussian kernels over all pairs of samples and over the pairs of one class, in one pass over tiles.

One tile serves both kernels (the narrower is the fourth power of the wider) and every set of labels: the true ones and
their permutations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from .nulls import permutations
from .samples import Samples, entropy_of_codes, label_codes

TILE = {"cpu": 512, "cuda": 4096}
"""Side of the tiles of the distance matrix: 1 MB of float32, which stays in a core's cache; a GPU wants more."""
FLOOR = {torch.float32: -21.5, torch.float64: -150.0}
"""Least exponent of the wider kernel: its fourth power must not become denormal, where arithmetic is many times slower.

It adds at most N e^-21.5 to a sum that is at least 1: under 1e-5 bit for 10 000 samples in float32.
"""
RESOLUTION = 0.001
"""Error of the wider kernel's exponent, from float32's rounding, above which ``dtype`` None computes in float64.

The narrower kernel's is four times that: at worst 0.006 bits of pairs nearer to each other than the noise.
"""


@dataclass(frozen=True, slots=True)
class Labels:
    """One label variable: ``codes`` (elements, samples) in [0, ``number``), its ``entropy`` in bits (elements,), and the
    same codes in random orders of the samples, ``permuted`` (elements, permutations, samples)."""

    codes: Tensor
    number: int
    entropy: Tensor
    permuted: Tensor

    @classmethod
    def of(cls, samples: Samples, labels: Tensor, times: int, rng: torch.Generator) -> Labels:
        """``labels`` (..., samples), integers, and as many permutations as ``times`` says, which alone advance ``rng``."""
        codes, number = label_codes(samples, labels.long())
        entropy = entropy_of_codes(samples, codes, number)[0]
        if number > codes.shape[1]:  # ranks among those of the element, so that no table by class is larger than the samples
            ordered, order = codes.sort(1)
            ranks = torch.zeros_like(codes)
            torch.cumsum(ordered.diff(dim=1) != 0, 1, out=ranks[:, 1:])
            codes, number = torch.empty_like(codes).scatter_(1, order, ranks), max(1, codes.shape[1])
        permuted = [codes.gather(1, order) for order in permutations(samples, times, rng)]
        nothing = codes.new_zeros(len(codes), 0, codes.shape[1])
        return cls(codes, number, entropy, torch.stack(permuted, 1) if permuted else nothing)


@dataclass(frozen=True, slots=True)
class KernelLogs:
    """Means over samples of ln mean_j k_ij, in nats; NaN for elements without data or with ``nonfinite`` data.

    ``whole`` (2, elements) is over all j, ``own`` (labels, 2, elements) over the j of the same label, the second axis being
    the kernel: exp(−d / 8v), then exp(−d / 2v). ``permuted``, of each labels (elements, permutations), is of the latter
    kernel. ``noise`` (elements,) is v; ``constant`` elements have no variance.
    """

    whole: Tensor
    own: Tensor
    permuted: tuple[Tensor, ...]
    noise: Tensor
    constant: Tensor
    nonfinite: Tensor


@torch.no_grad()
def kernel_logs(
    samples: Samples, labels: Sequence[Labels], *, variance: float, relative: bool, dtype: torch.dtype | None
) -> KernelLogs:
    """All that the kernel estimates are made of. ``dtype`` None takes that of the values where it can resolve distances."""
    elements, size, _ = samples.values.shape
    device = samples.values.device
    whole, own = (torch.zeros(*n, 2, elements, dtype=torch.float64, device=device) for n in ((), (len(labels),)))
    permuted = [whole.new_zeros(y.permuted.shape[:2]) for y in labels]
    noise = whole.new_full((elements,), torch.nan)
    constant, nonfinite = (torch.zeros(elements, dtype=torch.bool, device=device) for _ in range(2))
    tile = TILE.get(device.type, 4096)
    together = max(1, tile**2 // max(1, size) ** 2)
    for first in range(0, elements if size else 0, together):
        part = slice(first, min(first + together, elements))
        values, mask = samples.values[part], None if samples.mask is None else samples.mask[part]
        codes, shuffled = [y.codes[part, None] for y in labels], [y.permuted[part] for y in labels]
        if len(values) == 1 and (mask is not None or (codes and size > tile)):
            # Without the masked samples there are fewer pairs; sorted by label most tiles hold no pair of one class.
            order = torch.arange(size, device=device) if mask is None else mask[0].nonzero()[:, 0]
            if codes:
                order = order[codes[0][0, 0, order].argsort(stable=True)]
            values, mask = values[:, order], None
            codes, shuffled = [c[..., order] for c in codes], [c[..., order] for c in shuffled]
            if not len(order):
                continue
        rows = _scaled(values, mask, variance, relative, dtype)
        noise[part], constant[part], nonfinite[part] = rows.noise, rows.constant, rows.nonfinite
        blocks = [slice(s, min(s + tile, values.shape[1])) for s in range(0, values.shape[1], tile)]
        true = [_Partition(c, y.number, blocks, rows.z.dtype, (0, 1)) for c, y in zip(codes, labels, strict=True)]
        null = [_partitions(c, y.number, blocks, rows.z.dtype) for c, y in zip(shuffled, labels, strict=True)]
        sums = _sums(rows, mask, blocks, true, [p for parts in null for p in parts])
        data = torch.ones(values.shape[:2], dtype=torch.float64, device=device) if mask is None else mask.double()
        count = data.sum(-1, keepdim=True)
        for kernel in (0, 1):
            whole[kernel, part] = _mean_log(sums[kernel] / count.clamp(min=1), data)
            for t, partition in enumerate(true):
                own[t, kernel, part] = partition.mean_logs(kernel, data)[:, 0]
        for kept, parts in zip(permuted, null, strict=True):
            if parts:
                kept[part] = torch.cat([p.mean_logs(1, data) for p in parts], 1)
    nothing = nonfinite | (samples.count == 0)
    for logs in (whole, own):
        logs.masked_fill_(nothing, torch.nan)
    for logs in permuted:
        logs.masked_fill_(nothing[:, None], torch.nan)
    return KernelLogs(whole, own, tuple(permuted), noise, constant, nonfinite)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Centred rows z = (t − mean) / √4v (elements, samples, units) and −‖z‖² / 2 (elements, samples).

    So that −d_ij / 8v = z_i·z_j + half_i + half_j.
    """

    z: Tensor
    half: Tensor
    noise: Tensor
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
    scale = noise.masked_fill(nonfinite | constant, 1)
    if bool(nonfinite.any()):
        z.masked_fill_(nonfinite[:, None, None], 0)
        half = half.masked_fill(nonfinite[:, None], 0)
    half = half * (-0.125 / scale)[:, None].to(z.dtype)
    if dtype is None and z.dtype == torch.float32:
        error = -float(half.amin()) * torch.finfo(torch.float32).eps
        if not error <= RESOLUTION:
            return _scaled(values, mask, variance, relative, torch.float64)
    z *= (0.5 / scale.sqrt())[:, None, None].to(z.dtype)
    return _Rows(z, half, noise, constant, nonfinite)


def _sums(rows: _Rows, mask: Tensor | None, blocks: list[slice], true: list[_Partition], null: list[_Partition]) -> Tensor:
    """Sums over all j (2, elements, samples) of both kernels, and those over the own class, left in the partitions.

    Only tiles of the upper triangle are computed. With a mask there is one tile only.
    """
    z, half = rows.z, rows.half
    elements, size, _ = z.shape
    sums = torch.zeros(2, elements, size, dtype=torch.float64, device=z.device)
    buffer = torch.empty(elements * (blocks[0].stop - blocks[0].start) ** 2, dtype=z.dtype, device=z.device)
    for p, i in enumerate(blocks):
        for r, j in enumerate(blocks[p:], p):
            shape = (elements, i.stop - i.start, j.stop - j.start)
            k = buffer[: shape[0] * shape[1] * shape[2]].view(shape)
            torch.bmm(z[:, i], z[:, j].mT, out=k)
            k.add_(half[:, None, j]).add_(half[:, i, None]).clamp_(FLOOR[z.dtype], 0)
            if r == p:
                k.diagonal(dim1=1, dim2=2).zero_()
            k.exp_()
            if mask is not None:
                k.mul_(mask[:, :, None])
            meeting = [y for y in true if y.meets(p, r)]
            for kernel, partitions in ((0, meeting), (1, [*meeting, *null])):
                if kernel:
                    k.square_().square_()
                sums[kernel, :, j] += k.sum(1)
                for y in partitions:
                    y.add(kernel, k, p, r)
                if r != p:
                    sums[kernel, :, i] += k.sum(2)
                    turned = k.mT if all(y.narrow for y in partitions) else k.mT.contiguous()
                    for y in partitions:
                        y.add(kernel, turned, r, p)
    return sums


def _partitions(codes: Tensor, number: int, blocks: list[slice], dtype: torch.dtype) -> list[_Partition]:
    """Permuted labels (elements, sets, samples), together as long as their class sums are no larger than a tile."""
    side = blocks[0].stop
    return [_Partition(c, number, blocks, dtype, (1,)) for c in codes.split(max(1, side // min(number, side)), 1) if c.shape[1]]


class _Partition:
    """Sets of labels, ``codes`` (elements, sets, samples) in [0, ``number``), and the kernel sums over a sample's own class.

    The rows of each class in a tile are added up by ``embedding_bag``, whose work does not grow with the classes. For the sums
    over a tile's columns it needs a transposed copy; where there are few classes (``narrow``) a matrix product with their
    indicators, which takes the tile as it is, costs less.
    """

    def __init__(self, codes: Tensor, number: int, blocks: list[slice], dtype: torch.dtype, kernels: tuple[int, ...]) -> None:
        elements, sets, size = codes.shape
        self.codes, self.number, self.blocks = codes, number, blocks
        self.totals = {n: torch.zeros(elements, sets, size, dtype=torch.float64, device=codes.device) for n in kernels}
        first = torch.arange(elements * sets, device=codes.device).view(elements, sets, 1) * number
        self.cells = codes + first
        self.bags = [_Bags.of(self.cells[..., b], elements * sets * number) for b in blocks]
        self.spans: list[tuple[int, int]] = []
        if len(blocks) > 1 and sets == 1:
            self.spans = [(int(codes[..., b].amin()), int(codes[..., b].amax())) for b in blocks]
        self.narrow = number <= 4 + 40 / sets
        if len(blocks) > 1 and self.narrow:  # then there is one element
            self.indicators = torch.zeros(sets * number, size, dtype=dtype, device=codes.device).scatter_(0, self.cells[0], 1)

    def meets(self, p: int, r: int) -> bool:
        """Whether a class may have samples both in block ``p`` and in block ``r``."""
        return not self.spans or (self.spans[p][0] <= self.spans[r][1] and self.spans[r][0] <= self.spans[p][1])

    def add(self, kernel: int, k: Tensor, p: int, r: int) -> None:
        """Add to the samples of block ``r``, the columns of ``k``, its rows of their class, which are block ``p``."""
        cells = self.cells[..., self.blocks[r]]
        if k.is_contiguous():
            bags = self.bags[p]
            by_class = embedding_bag(bags.rows, k.view(-1, k.shape[-1]), bags.offsets, mode="sum")
            places = bags.place[cells].long()
        else:
            by_class, places = self.indicators[:, self.blocks[p]] @ k[0], cells
        self.totals[kernel][..., self.blocks[r]] += by_class.gather(0, places.flatten(0, 1)).view(cells.shape)

    def mean_logs(self, kernel: int, data: Tensor) -> Tensor:
        """Means of ln mean_j k_ij over the j of i's class (elements, sets), ``data`` (elements, samples) being 0 or 1."""
        weights = data[:, None].expand(self.codes.shape)
        members = torch.zeros(*self.codes.shape[:2], self.number, dtype=torch.float64, device=data.device)
        members.scatter_add_(2, self.codes, weights)
        return _mean_log(self.totals[kernel] / members.gather(2, self.codes).clamp(min=1), weights)


@dataclass(frozen=True, slots=True)
class _Bags:
    """The rows of a block by class, as ``embedding_bag`` takes them, and the ``place`` of each class among its sums.

    A class that is not in the block has the place of the last bag, which is empty.
    """

    rows: Tensor
    offsets: Tensor
    place: Tensor

    @classmethod
    def of(cls, cells: Tensor, number: int) -> _Bags:
        """``cells`` (elements, sets, rows) in [0, ``number``), different in different elements and sets."""
        elements, _, side = cells.shape
        rows = torch.arange(elements * side, device=cells.device).view(elements, 1, side).expand(cells.shape).reshape(-1)
        cells, order = cells.reshape(-1).sort(stable=True)
        classes, counts = torch.unique_consecutive(cells, return_counts=True)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        place = torch.full((number,), len(classes), dtype=torch.int32, device=cells.device)
        place[classes] = torch.arange(len(classes), dtype=torch.int32, device=cells.device)
        return cls(rows[order], offsets, place)


def _mean_log(means: Tensor, data: Tensor) -> Tensor:
    """Mean over the samples that are data of ln of ``means`` (..., samples)."""
    return means.log().masked_fill_(data == 0, 0).sum(-1) / data.sum(-1).clamp(min=1)
