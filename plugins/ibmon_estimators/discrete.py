"""Plug-in information between labels: entropies of counts.

I(X; Y) = H(X) + H(Y) − H(X, Y), and I(X; Y | Z) = H(X, Z) + H(Y, Z) − H(X, Y, Z) − H(Z), of the empirical distribution. It is
biased upwards, by about (cells of X − 1)(cells of Y − 1) / 2N nats where all cells occur (Miller 1955, "Note on the bias of
information estimates").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .estimates import estimate
from .nulls import check_permutations, permutations
from .samples import LN2, Samples, check_kinds, entropy_of_codes, label_codes

_ENTRIES = 2**21
"""Samples that are counted at once, over the elements of a batch."""

Codes = tuple[Tensor, int]
"""Integers (elements, samples) in [0, number), and that number."""


@dataclass(frozen=True, slots=True)
class Discrete:
    """Plug-in information between labels, in bits.

    Args:
        miller_madow: correct every entropy by (occupied cells − 1) / 2N nats.
        permutations: of the labels, for the null; from 19 on there is a p-value.

    Raises ValueError for a negative number of permutations.
    """

    miller_madow: bool = False
    permutations: int = 5

    def __post_init__(self) -> None:
        check_permutations(self.permutations, "discrete")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(x; y) for each of ``ys``; all are labels (samples,) or (..., samples), or identities. Batches are broadcast.

        ``limit`` is the lesser plug-in entropy of the two; ``null`` is given where y is labels. ``rng`` gives a seed: an
        estimate does not depend on what else is asked for. Flags: ``sparse`` (more pairs of values occur than half the
        samples: it says little but that they differ), ``few_samples``, ``label_saturated`` and ``empty`` (the value is NaN).
        Raises ValueError for continuous variables and shapes that do not fit.
        """
        seed = _seed(rng)
        return tuple(self._information(seed, x, y) for y in ys)

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        """H(x). ``limit`` is log2 of the samples, without the correction, which may exceed it. ``rng`` is not used.

        Flags: ``sparse`` (more values than half the samples), ``few_samples`` and ``empty``.
        Raises ValueError for a continuous variable.
        """
        frame = _frame(x)
        bits, occupied = _entropy(frame, _codes(frame, x))
        limit = None
        if self.miller_madow:
            bits = bits + (occupied - 1) / (2 * LN2 * frame.count)
        else:
            limit = frame.count.log2()
        return estimate(frame, bits, limit=limit, flags={"sparse": occupied > frame.count / 2})

    def conditional(self, x: Variable, y: Variable, z: Variable, *, rng: torch.Generator) -> Estimate:
        """I(x; y | z) of three labels or identities; otherwise as the call.

        ``limit`` is the lesser of H(x | z) and H(y | z). The labels y are permuted among samples of the same z, which keeps
        what z tells of each: where few samples share a z the null is near the estimate, and neither says anything.
        """
        return self._information(_seed(rng), x, y, z)

    @torch.no_grad()
    def _information(self, seed: int, x: Variable, y: Variable, z: Variable | None = None) -> Estimate:
        frame = _frame(x, y) if z is None else _frame(x, y, z)
        number = self.permutations if y.kind == "labels" else 0
        first, second = _codes(frame, x), _codes(frame, y)
        given = (torch.zeros_like(first[0]), 1) if z is None else _codes(frame, z)
        found: list[tuple[Tensor, ...]] = []
        for part in _blocks(frame):
            some = Samples(frame.values[part], None if frame.mask is None else frame.mask[part], ())
            a, b, c = ((codes[part], cells) for codes, cells in (first, second, given))
            both = _joined(a, c)
            (h_both, n_both), (h_y, n_y), (h_z, n_z) = (_entropy(some, codes) for codes in (both, _joined(b, c), c))
            joint = [_entropy(some, _joined(both, b))]
            for order in permutations(some, number, torch.Generator().manual_seed(seed)):
                within = order if z is None else _within(some, order, c)
                joint.append(_entropy(some, _joined(both, (b[0].gather(1, within), b[1]))))
            bits = [h_both + h_y - h_all - h_z for h_all, _ in joint]
            if self.miller_madow:
                unit = 1 / (2 * LN2 * some.count)
                bits = [v + (n_both + n_y - n_all - n_z) * unit for v, (_, n_all) in zip(bits, joint, strict=True)]
            found.append((torch.minimum(h_both, h_y) - h_z, joint[0][1] > some.count / 2, *bits))
        if not found:  # an empty batch
            return estimate(frame, frame.count, flags={"sparse": frame.count > 0})
        limit, sparse, raw, *permuted = (torch.cat(parts) for parts in zip(*found, strict=True))
        return estimate(frame, raw, limit=limit.clamp(min=0), permuted=permuted, flags={"sparse": sparse})


def _seed(rng: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=rng, device=rng.device))


def _frame(x: Variable, *others: Variable) -> Samples:
    """The samples that are data in all variables, in the batch that they have in common; it has no values.

    Raises ValueError for continuous variables and shapes that do not fit.
    """
    if x.kind == "continuous":
        raise ValueError("discrete estimates for labels or an identity, not for continuous")
    check_kinds(others, "discrete")
    shapes = [v.values.shape for v in (x, *others)]
    try:
        if any(v.samples != x.samples for v in others):
            raise RuntimeError
        shape = torch.broadcast_shapes(*shapes)
    except RuntimeError:
        said = " and ".join(str(tuple(s)) for s in shapes)
        raise ValueError(f"discrete: variables of shapes {said} do not fit each other") from None
    device = "cpu" if x.values.device.type == "mps" else x.values.device  # which has no float64
    frame = Samples(torch.empty(shape[:-1].numel(), shape[-1], 0, device=device), None, tuple(shape[:-1]))
    for v in (x, *others):
        frame = frame.masked_by(v.mask)
    return frame


def _blocks(frame: Samples) -> Iterator[slice]:
    elements, size = frame.values.shape[:2]
    step = max(1, _ENTRIES // max(1, size))
    for first in range(0, elements, step):
        yield slice(first, min(first + step, elements))


def _codes(frame: Samples, x: Variable) -> Codes:
    return label_codes(frame, x.values.detach().long())


def _joined(a: Codes, b: Codes) -> Codes:
    """Codes of the pairs of values, numbered anew where there could be far more of them than samples."""
    cells, number = a[0] * b[1] + b[0], a[1] * b[1]
    if number > 8 * cells.numel() + 65536:
        found, cells = torch.unique(cells, return_inverse=True)
        number = len(found)
    return cells, number


def _entropy(frame: Samples, codes: Codes) -> tuple[Tensor, Tensor]:
    """Entropy in bits and the values that occur, by element."""
    return entropy_of_codes(frame, *codes)


def _within(frame: Samples, order: Tensor, given: Codes) -> Tensor:
    """From random ``order`` (elements, samples) one that moves samples among those of the same ``given`` code only."""
    codes, number = given
    if frame.mask is not None:
        codes = codes.masked_fill(~frame.mask, number)
    to = codes.argsort(dim=1, stable=True)
    source = order.gather(1, codes.gather(1, order).argsort(dim=1, stable=True))
    return torch.empty_like(to).scatter_(1, to, source)
