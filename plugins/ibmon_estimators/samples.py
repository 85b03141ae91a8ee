"""What the estimators share: batches and masks in one shape, labels as codes, distinct rows, entropies of counts in bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, prod

import numpy as np
import torch
from torch import Tensor

from ibmon import Variable

LN2 = log(2)
_ROWS, _ELEMENTS = 20170310, 20170311
"""Seeds of the hashes' multipliers: of a row's cells, and of the element it belongs to."""


@dataclass(frozen=True, slots=True)
class Samples:
    """A continuous variable with its batch flattened.

    ``values`` (elements, samples, units) in a floating type that can be computed in, ``mask`` (elements, samples) or
    None where every sample is data, ``batch`` the shape that results are given back in.
    """

    values: Tensor
    mask: Tensor | None
    batch: tuple[int, ...]

    @property
    def count(self) -> Tensor:
        """Samples that are data, by element (elements,), float64."""
        elements, samples = self.values.shape[:2]
        if self.mask is None:
            return torch.full((elements,), float(samples), dtype=torch.float64, device=self.values.device)
        return self.mask.sum(-1, dtype=torch.float64)

    def spread(self, values: Tensor, what: str) -> Tensor:
        """``values`` (..., samples) of another variable, broadcast over the batch, as (elements, samples)."""
        shape = (*self.batch, self.values.shape[1])
        try:
            wide = values.to(self.values.device).expand(shape)
        except RuntimeError:
            raise ValueError(f"{what} of shape {tuple(values.shape)} do not fit samples of shape {shape}") from None
        return wide.reshape(self.values.shape[:2])

    def spread_rows(self, values: Tensor, what: str) -> Tensor:
        """``values`` (..., samples, dims) of another variable, broadcast over the batch, as float64 (elements, samples, dims)."""
        shape = (*self.batch, *self.values.shape[1:2], values.shape[-1])
        try:
            wide = values.detach().to(self.values.device, torch.float64).expand(shape)
        except RuntimeError:
            raise ValueError(f"{what} of shape {tuple(values.shape)} does not fit samples of shape {shape[:-1]}") from None
        return wide.reshape(-1, *shape[-2:])

    def elements(self, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """What is data, element by element: values (data, units), and the same rows of ``others`` (elements, samples, ...)."""
        for e in range(len(self.values)):
            everything = (self.values[e], *(other[e] for other in others))
            yield everything if self.mask is None else tuple(part[self.mask[e]] for part in everything)

    def masked_by(self, mask: Tensor | None) -> Samples:
        """The same samples without those that a further ``mask`` (..., samples) leaves out."""
        if mask is None:
            return self
        wide = self.spread(mask, "a mask")
        return Samples(self.values, wide if self.mask is None else wide & self.mask, self.batch)


def samples_of(x: Variable, estimator: str) -> Samples:
    """``x`` as ``Samples``. Half types become float32 and integers float64.

    Raises ValueError for a variable that is not continuous.
    """
    if x.kind != "continuous" or x.values.ndim < 2:
        raise ValueError(f"{estimator} estimates for a continuous variable (..., samples, units), not for {x.kind}")
    values = x.values.detach()
    if values.device.type == "mps":  # has no float64, which the sums need
        values = values.cpu()
    if values.dtype not in (torch.float32, torch.float64):
        values = values.to(torch.float32 if values.is_floating_point() else torch.float64)
    *batch, samples, units = values.shape
    plain = Samples(values.reshape(prod(batch), samples, units), None, tuple(batch))
    return plain.masked_by(x.mask)


def check_kinds(ys: Sequence[Variable], estimator: str, kinds: Sequence[str] = ("identity", "labels")) -> None:
    """Raise ValueError unless every one of ``ys`` is of one of the ``kinds``."""
    for y in ys:
        if y.kind not in kinds:
            raise ValueError(f"{estimator} takes {' or '.join(kinds)} as the other variable, not {y.kind}")


def mask_key(x: Variable, y: Variable) -> int | None:
    """What those of the ys share that leave out the same samples of ``x``: their work on ``x`` is done once. None: no more."""
    return None if y.mask is None or y.mask is x.mask else id(y.mask)


def label_codes(samples: Samples, labels: Tensor) -> tuple[Tensor, int]:
    """``labels`` (..., samples) as codes 0, 1, ... (elements, samples), and how many codes there may be."""
    if labels.numel() == 0:
        return samples.spread(labels, "labels"), 1
    low, high = (int(v) for v in labels.aminmax())
    if high - low < 4 * labels.shape[-1] + 1024:  # dense enough for counting without a sort
        codes, number = labels - low, high - low + 1
    else:
        found, codes = torch.unique(labels, return_inverse=True)
        number = len(found)
    return samples.spread(codes, "labels"), number


def owners(samples: Samples) -> Tensor | None:
    """The element that each sample which is data belongs to (data,), or None where there is one element."""
    elements, size = samples.values.shape[:2]
    if elements == 1:
        return None
    index = torch.arange(elements, device=samples.values.device)[:, None].expand(elements, size)
    return data_of(samples, index)


def data_of(samples: Samples, values: Tensor) -> Tensor:
    """Of ``values`` (elements, samples) those that are data, in one row (data,)."""
    return values.reshape(-1) if samples.mask is None else values[samples.mask]


def entropy(cells: Tensor, number: int, owner: Tensor | None, count: Tensor) -> tuple[Tensor, Tensor]:
    """Plug-in entropy in bits of ``cells`` (data,), integers in [0, ``number``), and how many are occupied; (elements,).

    A cell belongs to one element only. ``owner`` and ``count`` are the element of each sample and the samples of each
    element. Sums −p log2 p, whose terms are never negative: a single cell gives exactly 0.
    """
    if number > 8 * len(cells) + 65536:  # too sparse for a table
        found, cells = torch.unique(cells, return_inverse=True)
        number = len(found)
    counts = torch.bincount(cells, minlength=number)
    if owner is None:
        # Counts of counts: few logarithms, however large the table is.
        sizes = torch.bincount(counts)
        p = torch.arange(len(sizes), dtype=torch.float64, device=cells.device) / count
        bits = (sizes * torch.special.entr(p)).sum() / LN2
        return bits.reshape(1), sizes[1:].sum(dtype=torch.float64).reshape(1)
    of = torch.zeros(number, dtype=torch.long, device=cells.device).scatter_(0, cells, owner)
    terms = torch.special.entr(counts / count[of].clamp(min=1))
    bits = torch.zeros_like(count).index_add_(0, of, terms) / LN2
    return bits, torch.zeros_like(count).index_add_(0, of, (counts > 0).double())


def entropy_of_codes(samples: Samples, codes: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Entropy in bits of the distribution of ``codes`` (elements, samples) in each element, and the codes that occur."""
    owner, cells = owners(samples), data_of(samples, codes)
    if owner is not None:
        cells = cells + owner * number
    return entropy(cells, number * samples.values.shape[0], owner, samples.count)


def distinct(samples: Samples, y: Variable) -> Tensor:
    """How many distinct inputs each element has (elements,): of ``y`` where it is an identity, else its samples."""
    if y.kind != "identity":
        return samples.count
    codes, number = label_codes(samples, y.values)
    # Masked samples mark one more column, which is then left out.
    columns = codes if samples.mask is None else codes.masked_fill(~samples.mask, number)
    seen = torch.zeros(samples.values.shape[0], number + 1, dtype=torch.bool, device=codes.device)
    seen.scatter_(1, columns, True)
    return seen[:, :number].sum(-1, dtype=torch.float64)


def shaped(samples: Samples, values: Tensor) -> Tensor:
    """``values`` (elements,) in the shape of the batch."""
    return values.reshape(samples.batch)


def distinct_rows(samples: Samples) -> tuple[Tensor, Tensor]:
    """Entropy in bits of the rows themselves, equal only where all values are, and how many differ; (elements,).

    For a deterministic layer T of distinct inputs that is I(X; T) of the empirical distribution, for it has no noise.
    """
    bits = (samples.values.double() + 0.0).contiguous().view(torch.long)  # + 0.0 makes one of -0.0 and 0.0
    # Small whole numbers differ in their highest bits alone, of which a product keeps nothing but the highest ones: spread them.
    bits = bits ^ (bits >> 32)
    rows, number = numbered_rows(samples, bits ^ (bits >> 16))
    return entropy(data_of(samples, rows), number, owners(samples), samples.count)


def numbered_rows(samples: Samples, integers: Tensor) -> tuple[Tensor, int]:
    """Which distinct row of ``integers`` (elements, samples, units) each sample has, and how many rows there are.

    Numbers (elements, samples) start at 0 and differ between elements; those of masked samples mean nothing.
    """
    weights = multipliers(integers.shape[-1]).to(integers.device)
    hashes = torch.stack([(integers * weight).sum(-1) for weight in weights])
    return number_hashes(samples, hashes)


def number_hashes(samples: Samples, hashes: Tensor) -> tuple[Tensor, int]:
    """Numbers (elements, samples) of the distinct pairs of ``hashes`` (2, elements, samples), made different by element."""
    elements, size = samples.values.shape[:2]
    if elements > 1:  # rows of different elements must differ
        weights = multipliers(1, seed=_ELEMENTS).to(hashes.device)
        hashes = hashes + torch.arange(elements, device=hashes.device)[:, None] * weights[:, :, None]
    rows, number = _numbered(*(data_of(samples, h) for h in hashes))
    if samples.mask is not None:
        rows = torch.zeros_like(hashes[0]).masked_scatter_(samples.mask, rows)
    return rows.reshape(elements, size), number


@lru_cache(maxsize=64)
def multipliers(units: int, seed: int = _ROWS) -> Tensor:
    """Two rows of fixed odd 64-bit multipliers (2, units)."""
    drawn = np.random.default_rng(seed).integers(-(2**63), 2**63 - 1, (units, 2), dtype=np.int64) | 1
    return torch.from_numpy(drawn.T.copy())


def _numbered(first: Tensor, second: Tensor) -> tuple[Tensor, int]:
    """Consecutive numbers for equal pairs of hashes (data,), and how many there are."""
    if len(first) == 0:
        return torch.zeros_like(first), 0
    order = order_of(first)
    changed = first[order].diff() != 0
    differs = second[order].diff() != 0
    if bool((differs & ~changed).any()):
        # Two rows share the first hash: order by both, so that rows are one only where 128 bits agree.
        order = second.argsort(stable=True)
        order = order[first[order].argsort(stable=True)]
        changed, differs = first[order].diff() != 0, second[order].diff() != 0
    rank = torch.zeros_like(first)
    torch.cumsum(changed | differs, 0, out=rank[1:])
    return torch.empty_like(rank).scatter_(0, order, rank), int(rank[-1]) + 1


def order_of(values: Tensor) -> Tensor:
    """An order that sorts the last axis. numpy's vectorised sort takes a quarter of torch's time on a CPU."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.argsort(values.numpy()))
    return values.argsort()
