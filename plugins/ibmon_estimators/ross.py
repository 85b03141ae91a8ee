"""Nearest-neighbour information between a continuous variable and labels.

Ross 2014, "Mutual Information between Discrete and Continuous Data Sets", PLoS ONE 9(2), e87357, equation 4. With the
radius r_i the distance of sample i to its k-th neighbour among the N_i samples of its own label, and m_i the samples of any
label that are nearer than r_i (strictly, itself included), in nats

    I(X; Y) = ψ(N) + ⟨ψ(k_i)⟩ − ⟨ψ(N_i)⟩ − ⟨ψ(m_i)⟩,     k_i = min(k, N_i − 1).

A label that occurs once has no neighbour: its sample is left out, also of N. Distances are those of the maximum norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import inf
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .compiled import threads, use
from .estimates import about_identity, estimate
from .nulls import check_permutations, permutations
from .samples import LN2, Samples, check_kinds, entropy_of_codes, label_codes, mask_key, samples_of

_HIGH = 4
"""Columns above which neighbours are too far away for the estimate to be near the truth."""
_ENTRIES = 2**21
"""Numbers in a block of columns, or in a block of distances."""
_SEARCHED = {"cpu": 2**18, "cuda": 2**22}
"""Numbers in a block of columns that are searched without compiled kernels: a few arrays stay in the cache of a core."""
_LABELS = 2**23
"""Labels, over all permutations, that go through the distances at once."""


@dataclass(frozen=True, slots=True)
class Ross:
    """Nearest-neighbour information between a continuous variable and labels, in bits.

    Columns with a value that occurs twice break the assumption of a density: their samples are told apart by a little noise.
    What is discrete then counts as well as its ranks allow, and the flag ``ties`` says so.

    Args:
        k: the neighbour in the own class whose distance is the radius; more have less variance and more bias.
        standardise: give every column mean 0 and standard deviation 1 first (of no effect on a single column).
        jitter: standard deviation of the noise on columns with duplicates, as a share of the column's own; 0 adds none.
        permutations: of the labels, for the null; from 19 on there is a p-value.
        subsamples: for the standard error, take the data apart into 2, 3, ... up to so many parts; 0 gives none.
        backend: numba compiles the counting, torch does without and runs on a GPU, auto takes numba where it can.

    Raises ValueError for options out of their domain.
    """

    k: int = 3
    standardise: bool = True
    jitter: float = 1e-10
    permutations: int = 5
    subsamples: int = 0
    backend: Literal["auto", "numba", "torch"] = "auto"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"ross: k must be at least 1, not {self.k}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"ross: jitter must be at least 0 and less than 1, not {self.jitter}")
        check_permutations(self.permutations, "ross")
        if self.subsamples < 0 or self.subsamples == 1:
            raise ValueError(f"ross: subsamples must be 0 or at least 2, not {self.subsamples}")
        if self.backend not in ("auto", "numba", "torch"):
            raise ValueError(f"ross: backend must be auto, numba or torch, not {self.backend}")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(x; y) of all columns of ``x`` together and each of ``ys``, labels (samples,) or (..., samples).

        ``limit`` is H(Y), ``error`` the standard error (with ``subsamples``). An identity says what a layer without noise
        says: see ``about_identity``. ``rng`` gives seeds: an estimate does not depend on what else is asked for, and a masked
        one is in all its parts that of the compressed samples.

        Flags: ``ties`` (a column holds a value twice), ``singletons`` (labels that occur once were left out),
        ``high_dimension`` (more than 4 columns), ``constant`` (no column varies: the value is 0), ``few_samples``,
        ``label_saturated``, ``nonfinite`` and ``empty`` (the value is NaN). A single class gives 0.
        Raises ValueError for other kinds of variables and shapes that do not fit.
        """
        check_kinds(ys, "ross")
        samples = samples_of(x, "ross")
        seeds = _Seeds.drawn(rng)
        estimates: dict[int, Estimate] = {}
        groups: dict[int | None, list[int]] = {}
        for i, y in enumerate(ys):
            groups.setdefault(mask_key(x, y), []).append(i)
        for members in groups.values():
            chosen = samples.masked_by(ys[members[0]].mask)
            labels = [i for i in members if ys[i].kind == "labels"]
            found = self._estimates(chosen, [ys[i].values for i in labels], seeds, together=True)
            estimates |= dict(zip(labels, found, strict=True))
            for i in set(members) - set(labels):
                estimates[i] = about_identity(chosen, ys[i])
        return tuple(estimates[i] for i in range(len(ys)))

    def pairwise(self, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
        """I(x_i(t); y(t + lag)) of every column x_i on its own with the labels ``y`` (samples,) or (..., samples): (..., I).

        What each unit tells about the labels. The samples are in the order of time; ``lag`` may be negative. Everything is as
        for the call with that column alone: limit, null, error and flags, but for ``high_dimension``.
        Raises ValueError for other kinds of variables and shapes that do not fit.
        """
        check_kinds([y], "ross: pairwise", ("labels",))
        if x.kind == "continuous" and x.samples != y.samples:
            raise ValueError(f"ross: pairwise takes as many labels as samples, not {y.samples} for {x.samples}")
        size = max(y.samples - abs(lag), 0)
        now, then = (slice(start, start + size) for start in (max(-lag, 0), max(lag, 0)))
        x_mask, y_mask = (None if v.mask is None else v.mask[..., at] for v, at in ((x, now), (y, then)))
        values = x.values[..., now, :] if x.kind == "continuous" else x.values
        samples = samples_of(Variable(values, x.kind, x_mask), "ross").masked_by(y_mask)
        return self._estimates(samples, [y.values[..., then]], _Seeds.drawn(rng), together=False)[0]

    @torch.no_grad()
    def _estimates(self, samples: Samples, labels: Sequence[Tensor], seeds: _Seeds, *, together: bool) -> list[Estimate]:
        """Of all columns together, or of each on its own; one estimate for each of ``labels``."""
        if not labels:
            return []
        elements, _, units = samples.values.shape
        device, width = samples.values.device, 1 if together else units
        tasks = [label_codes(samples, y.long()) for y in labels]
        bits = torch.full((elements, width, len(tasks), 2 + self.permutations), torch.nan, dtype=torch.float64, device=device)
        tied, constant = (torch.zeros(elements, width, dtype=torch.bool, device=device) for _ in range(2))
        singletons = torch.zeros(elements, width, len(tasks), dtype=torch.bool, device=device)
        for e, (data, *codes) in enumerate(samples.elements(*(c for c, _ in tasks))):
            if not len(data):
                continue
            singletons[e] = torch.stack([(c.bincount() == 1).any() for c in codes])
            for part in [slice(0, units)] if together else _blocks(units, len(data)):
                columns = torch.empty(part.stop - part.start, len(data), dtype=torch.float64, device=device).copy_(data.T[part])
                usable = columns.isfinite().all(1)
                if together and not usable.all():
                    continue
                ties, flat = _prepare(columns.masked_fill_(~usable[:, None], 0), self, seeds.generator(0), together)
                at, rows = (slice(0, 1), slice(None)) if together else (part, ~flat)
                tied[e, at], constant[e, at] = (ties.any(), flat.all()) if together else (ties & usable, flat & usable)
                # A constant says nothing: 0, where the estimate would read the noise of its rounding.
                bits[e, at], columns = 0, columns if not flat.any() else columns[~flat]
                if len(columns):
                    bits[e, at][rows] = self._bits(columns, codes, seeds, together and len(columns) > 1)
        frame = samples if together else _by_column(samples)
        flags = {"ties": tied, "constant": constant}
        if together:
            flags["high_dimension"] = torch.full_like(tied, units > _HIGH)
        result: list[Estimate] = []
        for y, (codes, number) in enumerate(tasks):
            raw, error, *permuted = (b.reshape(-1) for b in bits[:, :, y].unbind(-1))
            limit = entropy_of_codes(samples, codes, number)[0].repeat_interleave(width)
            raised = {name: flag.reshape(-1) for name, flag in {**flags, "singletons": singletons[..., y]}.items()}
            error = error if self.subsamples else None
            result.append(estimate(frame, raw, limit=limit, error=error, permuted=permuted, flags=raised))
        return result

    def _bits(self, columns: Tensor, codes: Sequence[Tensor], seeds: _Seeds, together: bool) -> Tensor:
        """Estimate, standard error and permuted estimates of one element's labels: (1 or columns, labels, 2 + permutations)."""

        def of(part: Tensor) -> Tensor:
            return self._values(columns[:, part], [c[part] for c in codes], 0, seeds, together)[:, 0]

        values = self._values(columns, codes, self.permutations, seeds, together)
        error = torch.full_like(values[:, 0], torch.nan)
        if self.subsamples:
            error = standard_error(of, columns.shape[1], self.subsamples, seeds.generator(2), columns.device)
        return torch.cat([values[:, :1], error[:, None], values[:, 1:]], 1).permute(2, 0, 1)

    def _values(self, columns: Tensor, codes: Sequence[Tensor], number: int, seeds: _Seeds, together: bool) -> Tensor:
        """Estimates of the labels and ``number`` permutations in bits: (labels, 1 + number, 1 or columns)."""
        out = columns.new_zeros(len(codes), 1 + number, 1 if together else len(columns))
        classes: dict[int, tuple[Tensor, Tensor]] = {}
        for y, labels in enumerate(codes):
            sizes = labels.bincount()
            twice = sizes[labels] > 1
            if not twice.all():  # what is left of them is measured by itself, for it is another set of samples
                out[y] = self._values(columns[:, twice], [labels[twice]], number, seeds, together)[0]
            elif (sizes > 0).sum() > 1:
                classes[y] = ((sizes > 0).cumsum(0)[labels] - 1, sizes[sizes > 0])
        if not classes:
            return out
        size = columns.shape[1]
        psi = torch.arange(size + 1, dtype=torch.float64, device=columns.device).clamp_(min=1).digamma_()
        starts = torch.full((len(classes), 1 + max(len(s) for _, s in classes.values())), size, device=columns.device)
        terms = columns.new_zeros(len(classes), 1, 1)
        for row, (_, sizes) in enumerate(classes.values()):
            starts[row, : len(sizes)] = sizes.cumsum(0) - sizes
            terms[row] = psi[size] + ((psi[(sizes - 1).clamp(max=self.k)] - psi[sizes]) * sizes).sum() / size
        frame = Samples(columns[:1].T[None], None, ())
        orders = chain([torch.arange(size, device=columns.device)[None]], permutations(frame, number, seeds.generator(1)))
        at, done = list(classes), 0
        while block := list(islice(orders, max(1, _LABELS // (size * len(classes))))):
            permuted = torch.cat(block)
            sets = torch.stack([labels[permuted] for labels, _ in classes.values()]).int()
            out[at, done : done + len(block)] = (terms - self._means(columns, sets, starts, psi, together)) / LN2
            done += len(block)
        flat = columns.amin(1) == columns.amax(1)  # among what is left: its ties are no neighbours
        return out.masked_fill_(flat.all() if together else flat, 0)

    def _means(self, columns: Tensor, sets: Tensor, starts: Tensor, psi: Tensor, together: bool) -> Tensor:
        """⟨ψ(m)⟩ for ``sets`` (labels, permutations, samples): (labels, permutations, 1 or columns).

        ``starts`` (labels, classes + 1) says where each class begins, once the samples are grouped by class.
        """
        k = min(self.k, columns.shape[1])
        if not use(self.backend, columns.device, "ross"):
            return _rows(columns, sets, starts, k, psi) if together else _columns(columns, sets, starts, k, psi)
        from . import ross_numba

        labels, begins, table = sets.flatten(0, 1).numpy(), starts.numpy(), psi.numpy()
        with threads():
            if together:
                means = ross_numba.rows(columns.contiguous().numpy(), labels, begins, k, table)
            else:
                ordered, order = _sorted(columns)
                means = ross_numba.columns(ordered.numpy(), order.numpy(), labels, begins, k, table)
        return torch.from_numpy(means).unflatten(0, sets.shape[:2])


def standard_error(
    measure: Callable[[Tensor], Tensor], size: int, parts: int, rng: torch.Generator, device: torch.device
) -> Tensor:
    """Standard error of ``measure(all samples)``, in the shape of what ``measure(indices)`` gives.

    The variance of a nearest-neighbour estimate falls as B / N. B is fitted to the scatter between disjoint subsamples,
    2 of N / 2, 3 of N / 3, ... ``parts`` of N / ``parts``, each weighted by its degrees of freedom (Holmes & Nemenman 2019,
    "Estimation of mutual information for real-valued data with error bars and controlled bias", Phys. Rev. E 100, 022404).
    """
    total, freedom = torch.zeros((), dtype=torch.float64, device=device), 0
    for number in range(2, parts + 1):
        order = torch.randperm(size, generator=rng).to(device)
        values = torch.stack([measure(part) for part in order.tensor_split(number)])
        total = total + values.var(0) * ((number - 1) / number)
        freedom += number - 1
    return (total / freedom).sqrt()


@dataclass(frozen=True, slots=True)
class _Seeds:
    """Of the jitter (0), the permutations (1) and the subsamples (2): none depends on how much the others draw."""

    first: int

    @classmethod
    def drawn(cls, rng: torch.Generator) -> _Seeds:
        return cls(int(torch.randint(2**62, (), generator=rng, device=rng.device)))

    def generator(self, which: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.first + which)


def _by_column(samples: Samples) -> Samples:
    """Every column as an element of its own, in a batch (..., columns)."""
    elements, size, units = samples.values.shape
    values = samples.values.transpose(1, 2).reshape(elements * units, size, 1)
    mask = None if samples.mask is None else samples.mask.repeat_interleave(units, 0)
    return Samples(values, mask, (*samples.batch, units))


def _blocks(rows: int, samples: int, entries: int = _ENTRIES) -> Iterator[slice]:
    """Rows of so many samples that are worked on at once."""
    step = max(1, entries // max(1, samples))
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def _prepare(columns: Tensor, options: Ross, rng: torch.Generator, together: bool) -> tuple[Tensor, Tensor]:
    """Standardise and jitter ``columns`` (columns, samples) in place; which have ties, and which are constant (columns,).

    A single column is left in its proportions: no scale changes its neighbours, but division would round equal distances
    apart, where a power of two is exact and keeps squares and sums from overflowing.
    """
    low, high = columns.aminmax(dim=1)
    constant = low == high
    exponents = low.abs().maximum(high.abs()).frexp().exponent
    if together and not options.standardise and len(columns):
        exponents = exponents.amax()  # one for all: the columns' sizes are to count
    columns *= torch.exp2(-exponents.clamp(-1000, 1000).double()).reshape(-1, 1)
    if together and options.standardise:
        columns /= _centred(columns)
    size = columns.shape[1]
    tied = torch.zeros_like(constant)
    for part in _blocks(len(columns), size):
        ordered = _sorted(columns[part])[0]
        tied[part] = (ordered[:, 1:] == ordered[:, :-1]).any(1)
        rows = (tied[part] & ~constant[part]).nonzero()[:, 0] + part.start
        if options.jitter and len(rows):
            discrete = columns[rows]
            deviation = _centred(discrete)  # beside a large mean the noise would be rounded away
            # Columns on their own get the noise that each would get alone.
            noise = torch.randn(len(rows) if together else 1, size, generator=rng, dtype=torch.float64)
            columns[rows] = discrete.addcmul_(noise.to(columns.device), options.jitter * deviation)
    return tied, constant


def _centred(columns: Tensor) -> Tensor:
    """Take the mean off ``columns`` (columns, samples) in place, and give their standard deviation (columns, 1), never 0."""
    columns -= columns[:, :1].clone()  # the first sample before the mean, so that a constant becomes exactly 0
    columns -= columns.mean(1, keepdim=True)
    deviation = torch.linalg.vector_norm(columns, dim=1, keepdim=True) / columns.shape[1] ** 0.5
    return torch.where(deviation > 0, deviation, 1)


def _sorted(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Each of ``columns`` (columns, samples) in ascending order, and that order. numpy's sort is much faster on a CPU."""
    if columns.device.type != "cpu":
        ordered, order = columns.sort(dim=1)
        return ordered, order
    order = np.argsort(columns.numpy(), axis=1)
    return torch.from_numpy(np.take_along_axis(columns.numpy(), order, axis=1)), torch.from_numpy(order)


def _rows(columns: Tensor, sets: Tensor, starts: Tensor, k: int, psi: Tensor) -> Tensor:
    """⟨ψ(m)⟩ of all ``columns`` (units, samples) together, from blocks of the distances: (labels, permutations, 1)."""
    rows, size = columns.T.contiguous(), columns.shape[1]
    nearest = starts.diff(dim=1).sub_(1).clamp_(0, k)  # of each class
    sums = psi.new_zeros(*sets.shape[:2], 1)
    for part in _blocks(size, size):
        distances = torch.cdist(rows[part], rows, p=inf)
        distances.diagonal(part.start).fill_(inf)
        for y, permuted in enumerate(sets):
            for some in _blocks(len(permuted), distances.numel()):
                own = permuted[some, part, None]
                near = distances.masked_fill(own != permuted[some, None], inf).topk(k, largest=False).values
                radius = near.gather(2, nearest[y, own.long()] - 1)
                sums[y, some, 0] += psi[1 + (distances < radius).sum(2)].sum(1)
    return sums / size


def _columns(columns: Tensor, sets: Tensor, starts: Tensor, k: int, psi: Tensor) -> Tensor:
    """⟨ψ(m)⟩ of each of ``columns`` (units, samples) on its own, from the sorted columns: (labels, permutations, units)."""
    units, size = columns.shape
    entries = _SEARCHED.get(columns.device.type, 2**22)
    means = psi.new_zeros(*sets.shape[:2], units)
    for part in _blocks(units, size, entries):
        one, order = _sorted(columns[part])
        for y, permuted in enumerate(sets):
            for some in _blocks(len(permuted), one.numel(), entries):
                at = permuted[some][:, order].argsort(dim=2, stable=True)  # the places in the column, class after class
                ordered = one.expand(at.shape).contiguous()
                values = ordered.gather(2, at)
                radius = _radii(values, starts[y], k)
                below = _edge(ordered, values, radius, at)
                above = _edge(-ordered.flip(2), -values, radius, size - 1 - at)
                means[y, some, part] = psi[(size - above - below).clamp_(min=1)].mean(2)
    return means


def _radii(values: Tensor, starts: Tensor, k: int) -> Tensor:
    """Distance to the k-th neighbour in the own class, in ``values`` (..., samples) that ascend within each class.

    The k nearest are among the k before and the k behind, and with the sample itself they are k + 1 in a row.
    """
    sizes = starts.diff()
    nearest = (sizes - 1).clamp(max=k)
    begin, end, neighbours = (t.repeat_interleave(sizes) for t in (starts[:-1], starts[1:], nearest))
    radius = torch.full_like(values, inf)
    for number in nearest[sizes > 0].unique().tolist():
        at = (neighbours == number).nonzero()[:, 0]
        least = radius[..., at]
        for behind in range(number + 1):
            first, last = at - number + behind, at + behind
            outside = (first < begin[at]) | (last >= end[at])
            first, last = values[..., first.clamp(min=0)], values[..., last.clamp(max=values.shape[-1] - 1)]
            reach = torch.maximum(values[..., at] - first, last - values[..., at])
            least = least.minimum(reach.masked_fill_(outside, inf))
        radius[..., at] = least
    return radius


def _edge(ordered: Tensor, values: Tensor, radius: Tensor, at: Tensor) -> Tensor:
    """First place in the rows of ``ordered`` whose value is less than ``radius`` below ``values``, which stand at ``at``.

    All are (..., samples). Where the radius is 0 there is no such place, and the one after the last is given.
    """
    size = ordered.shape[-1]

    def inside(place: Tensor) -> Tensor:
        return values - ordered.gather(-1, place) < radius

    # v − x < r decides. Rounding can put x < v − r elsewhere, mostly by one place.
    low = torch.searchsorted(ordered, values - radius).clamp_(max=size - 1)
    low = (low + (~inside(low)).long()).clamp_(max=size - 1)
    low = (low - inside((low - 1).clamp_(min=0)).long()).clamp_(min=0)
    wrong = (radius > 0) & (~inside(low) | ((low > 0) & inside((low - 1).clamp_(min=0))))
    if wrong.any():
        first, last = torch.zeros_like(at), at.clone()
        for _ in range(size.bit_length()):
            middle = (first + last) // 2
            within = inside(middle)
            first, last = torch.where(within, first, middle + 1).clamp_(max=size - 1), torch.where(within, middle, last)
        low = torch.where(wrong, last, low)
    return torch.where(radius > 0, low, size)
