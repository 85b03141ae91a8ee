"""Matrix-based Rényi information of kernel matrices: entropies of their spectra, without a density.

With A = K / tr K, S_α(A) = log2(Σ λ_i(A)^α) / (1 − α), and S_α(A, B) that of A ∘ B / tr(A ∘ B), I_α = S_α(A) + S_α(B) −
S_α(A, B) (Sánchez Giraldo, Rao & Príncipe 2015, IEEE Trans. Inf. Theory 61, 535; Yu et al. 2019 for several variables,
Wickstrøm et al. 2019 for networks). It depends on the width of the kernel and is not Shannon's information: its unit is
"Renyi bits". For orders from 2 on I_α may fall below 0, by .2 at most in 1200 draws of 5 to 30 samples: ``raw`` has it, and the
value is 0 then. For α = 2, Σ λ² = ‖A‖²_F takes no eigenvalues, and no matrix need be held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log2, sqrt

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .aligned import Other, aligned
from .estimates import estimate
from .nulls import check_permutations, permutations
from .samples import Samples, check_kinds, label_codes, mask_key, samples_of

_MOST = 4096
"""Samples up to which eigenvalues are computed: three matrices of 128 MiB, and some ten seconds."""
TILE = {"cpu": 512}
"""Side of the tiles for α = 2: 2 MiB, which stays in a core's cache; a GPU wants more."""
_PERMUTATIONS = 5


@dataclass(frozen=True, slots=True)
class Renyi:
    """Matrix-based Rényi information with the kernel exp(−‖a − b‖² / 2σ²), in Rényi bits.

    ``alpha``: the order, positive but not 1; 1.01 is close to Shannon's, 2 is quick and takes any number of samples.
    ``sigma``: the width for every continuous variable. None takes for each variable its own root mean squared distance of
    two samples, √(2 tr Cov): the rule of the median distance with a mean in its place, which neither a scale, an offset
    nor a rotation of the variable changes, and which many equal rows cannot make 0.
    ``permutations`` of y give ``null``, and from 19 on ``p_value``. None means 5 for labels, whose joint spectrum is that of
    the blocks of the classes, and for continuous y 5 with α = 2 and none otherwise, where each takes the eigenvalues of
    another matrix of all samples. Identities have no null.
    Raises ValueError for options out of their domain.
    """

    alpha: float = 1.01
    sigma: float | None = None
    permutations: int | None = None

    def __post_init__(self) -> None:
        if self.alpha == 1:
            raise ValueError("renyi: alpha=1 is Shannon's limit, where the formula has none; use 1.01")
        if not (isfinite(self.alpha) and self.alpha > 0):
            raise ValueError(f"renyi: alpha must be positive, not {self.alpha}")
        if self.sigma is not None and not (isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"renyi: sigma must be positive, not {self.sigma}")
        check_permutations(self.permutations or 0, "renyi")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I_α(x; y) for each of ``ys``. Labels and identities have the kernel that is 1 where they are equal, else 0.

        ``limit`` is S_α of y, which I_α cannot exceed since S_α(A, B) ≥ S_α(A). Flags: ``saturated`` (S_α of x within 5 % of
        log2 N: the kernel tells all samples apart), ``constant`` (x or y has no variance: 0), ``few_samples``,
        ``label_saturated``, ``nonfinite`` and ``empty`` (the value is NaN).
        Raises ValueError for more than 4096 samples unless ``alpha`` is 2, and for shapes that do not fit.
        """
        check_kinds(ys, "renyi", ("continuous", "labels", "identity"))
        samples = samples_of(x, "renyi")
        seed = int(torch.randint(2**62, (), generator=rng)) if any(self._number(y) for y in ys) else 0
        groups: dict[int | None, list[int]] = {}
        for i, y in enumerate(ys):
            groups.setdefault(mask_key(x, y), []).append(i)
        estimates: dict[int, Estimate] = {}
        for members in groups.values():
            chosen = samples.masked_by(ys[members[0]].mask)
            estimates.update(zip(members, self._group(chosen, [ys[i] for i in members], seed), strict=True))
        return tuple(estimates[i] for i in range(len(ys)))

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        """S_α of x, at most log2 N, with the flags and errors of the call. ``rng`` is not used."""
        # Every sample tells its own identity: I_α(x; identity) = S_α(x) + log2 N − log2 N.
        return self._group(samples_of(x, "renyi"), [Variable.identity(x.samples)], 0)[0]

    @torch.no_grad()
    def _group(self, samples: Samples, ys: Sequence[Variable], seed: int) -> list[Estimate]:
        """I_α of ``ys``, which have no mask but that of ``samples``."""
        most = int(samples.count.max()) if len(samples.values) else 0
        if self.alpha != 2 and most > _MOST:
            raise ValueError(f"renyi: eigenvalues of {most} samples take too long; use alpha=2, or at most {_MOST} samples")
        others = [aligned(samples, y, "renyi") if y.kind == "continuous" else label_codes(samples, y.values)[0] for y in ys]
        numbers = [self._number(y) for y in ys]
        readings = [_element(self, samples, e, others, numbers, seed) for e in range(len(samples.values))]
        found: list[Estimate] = []
        for k, number in enumerate(numbers):
            mine = [reading[k] for reading in readings]
            like = samples.count
            flags = {
                "saturated": like.new_tensor([r.saturated for r in mine]).bool(),
                "constant": like.new_tensor([r.constant for r in mine]).bool(),
                "nonfinite": ~like.new_tensor([r.finite for r in mine]).bool(),
            }
            raw = like.new_tensor([r.raw for r in mine]).masked_fill(flags["nonfinite"], torch.nan)
            limit = like.new_tensor([r.limit for r in mine]).masked_fill(flags["nonfinite"], torch.nan)
            permuted = [like.new_tensor([r.permuted[p] for r in mine]) for p in range(number)]
            found.append(estimate(samples, raw, limit=limit, permuted=permuted, flags=flags, unit="Renyi bits"))
        return found

    def _number(self, y: Variable) -> int:
        """Permutations of ``y``."""
        if y.kind == "identity":
            return 0
        if self.permutations is not None:
            return self.permutations
        return _PERMUTATIONS if y.kind == "labels" or self.alpha == 2 else 0


@dataclass(frozen=True, slots=True)
class _Reading:
    """I_α of one element with one other variable, what it cannot exceed, and what it is with permutations of the other."""

    raw: float
    limit: float
    permuted: list[float]
    saturated: bool
    constant: bool
    finite: bool


def _element(
    options: Renyi, samples: Samples, e: int, others: Sequence[Other | Tensor], numbers: Sequence[int], seed: int
) -> list[_Reading]:
    """Readings of element ``e`` with each of ``others``: rows, or codes (elements, samples) of labels."""
    kept = None if samples.mask is None else samples.mask[e].nonzero()[:, 0]

    def compressed(values: Tensor) -> Tensor:
        return values if kept is None else values[kept]

    x = _scaled(compressed(samples.values[e]), options.sigma)
    size = len(x.values)
    if size == 0:
        return [_Reading(0, 0, [0.0] * number, False, False, True) for number in numbers]
    orders = _orders(samples, e, max(numbers, default=0), seed)
    ys = [
        _scaled(compressed(other.part(slice(e, e + 1))[0]), options.sigma)
        if isinstance(other, Other)
        else _Kernel(compressed(other[e]), False, True)
        for other in others
    ]
    pairs = [(y.values, [None, *orders[:number]]) for y, number in zip(ys, numbers, strict=True)]
    own, sums = (_squares if options.alpha == 2 else _powers)(x.values, pairs, options.alpha)

    def bits(total: float) -> float:
        return log2(total) / (1 - options.alpha)

    readings: list[_Reading] = []
    for y, (alone, joint) in zip(ys, sums, strict=True):
        constant = x.constant or y.constant
        raw, *permuted = (0.0 if constant else bits(own) + bits(alone) - bits(total) for total in joint)
        limit = max(0.0, bits(alone))
        saturated = size > 1 and bits(own) >= 0.95 * log2(size)
        readings.append(_Reading(raw, limit, permuted, saturated, constant, x.finite and y.finite))
    return readings


def _orders(samples: Samples, e: int, number: int, seed: int) -> list[Tensor]:
    """Permutations of what is data in element ``e``, each (data,); the same for all elements and variables."""
    mask = None if samples.mask is None else samples.mask[e : e + 1]
    one = Samples(samples.values[e : e + 1], mask, ())
    drawn = permutations(one, number, torch.Generator().manual_seed(seed))
    if mask is None:
        return [order[0] for order in drawn]
    place = mask[0].cumsum(0) - 1
    return [place[order[0, mask[0]]] for order in drawn]


@dataclass(frozen=True, slots=True)
class _Kernel:
    """What a kernel matrix is made of: rows u (samples, dims), k_ij = exp(−‖u_i − u_j‖²), or codes (samples,), [c_i = c_j]."""

    values: Tensor
    constant: bool
    finite: bool


def _scaled(rows: Tensor, sigma: float | None) -> _Kernel:
    """``rows`` (samples, dims) centred and divided by √2 σ, in float64; 0 where they are constant or not finite."""
    if rows.numel() == 0:
        return _Kernel(rows.double(), len(rows) > 0, True)
    z = rows.to(torch.float64, copy=True)
    z -= z[0].clone()  # before the mean, so that constant rows become exactly 0
    z -= z.mean(0)
    largest = max(abs(float(v)) for v in z.aminmax())
    if not isfinite(largest) or largest == 0:
        return _Kernel(z.zero_(), largest == 0, isfinite(largest))
    z /= largest  # squares neither overflow nor vanish
    if sigma is None:
        squared = 2 * float(torch.linalg.vector_norm(z)) ** 2 / (len(z) - 1)
        return _Kernel(z.div_(sqrt(2 * squared)), False, True)
    # Distances of more than 1e6 widths are all alike.
    return _Kernel(z.mul_(min(largest / sigma, 1e6) / sqrt(2)), False, True)


Pairs = Sequence[tuple[Tensor, list[Tensor | None]]]
"""Kernels of other variables, and the orders that each is taken in; None is its own."""
Sums = tuple[float, list[tuple[float, list[float]]]]
"""Σ λ^α of a kernel, and for each other variable that of its own kernel and those of the products by order."""


def _powers(rows: Tensor, pairs: Pairs, alpha: float) -> Sums:
    """Sums of powers of eigenvalues; three matrices (samples, samples) are held at a time."""
    kernel = _matrix(rows)
    own = _spectrum(kernel, len(rows), alpha)
    sums: list[tuple[float, list[float]]] = []
    for other, orders in pairs:
        if other.is_floating_point():
            alone = _spectrum(_matrix(other), len(rows), alpha)
            moved = (other if order is None else other[order] for order in orders)
            sums.append((alone, [_spectrum(_matrix(part).mul_(kernel), len(rows), alpha) for part in moved]))
        else:
            counts = torch.bincount(other)
            alone = float((counts[counts > 0].double() / len(rows)).pow(alpha).sum())
            moved = (other if order is None else other[order] for order in orders)
            single = int((counts > 0).sum()) == 1  # the product is the kernel itself
            sums.append((alone, [own if single else _blocks(kernel, codes, alpha) for codes in moved]))
    return own, sums


def _matrix(rows: Tensor) -> Tensor:
    """exp(−‖u_i − u_j‖²) of ``rows`` u (samples, samples)."""
    half = rows.square().sum(-1)
    kernel = torch.mm(rows, rows.T).mul_(2).sub_(half).sub_(half[:, None]).clamp_(-700, 0)
    kernel.diagonal().zero_()
    return kernel.exp_()


def _spectrum(matrices: Tensor, size: int, alpha: float) -> float:
    """Σ (λ / size)^α over the eigenvalues λ of ``matrices`` (..., n, n)."""
    return float((torch.linalg.eigvalsh(matrices) / size).clamp_(min=0).pow_(alpha).sum())


def _blocks(kernel: Tensor, codes: Tensor, alpha: float) -> float:
    """Σ (λ / N)^α of the product of ``kernel`` with [c_i = c_j], whose eigenvalues are those of the blocks of the codes."""
    size = len(codes)
    order, counts = codes.argsort(), torch.bincount(codes)
    counts = counts[counts > 0]
    starts = counts.cumsum(0) - counts
    total = float((counts == 1).sum()) * (1 / size) ** alpha
    for n in counts[counts > 1].unique().tolist():
        places = order[starts[counts == n][:, None] + torch.arange(n, device=codes.device)]
        total += _spectrum(kernel[places[:, :, None], places[:, None]], size, alpha)
    return total


def _squares(rows: Tensor, pairs: Pairs, alpha: float) -> Sums:
    """Sums of squared eigenvalues, Σ_ij (k_ij / N)², over tiles of the upper triangle. ``alpha`` is 2."""
    size = len(rows)
    tile = TILE.get(rows.device.type, 4096)
    blocks = [slice(s, min(s + tile, size)) for s in range(0, size, tile)]
    sums = [rows.new_zeros(1), *(rows.new_zeros(1 + len(orders)) for _, orders in pairs)]
    for p, i in enumerate(blocks):
        for j in blocks[p:]:
            weight = 1 if i == j else 2
            own = _tile(rows, None, i, j)
            sums[0] += weight * own.sum()
            for (other, orders), total in zip(pairs, sums[1:], strict=True):
                for k, order in enumerate(orders):
                    squared = _tile(other, order, i, j)
                    if order is None:
                        total[0] += weight * squared.sum()
                    total[1 + k] += weight * torch.dot(own.view(-1), squared.view(-1))
    own, *rest = ((total / size**2).tolist() for total in sums)
    return own[0], [(alone, joint) for alone, *joint in rest]


def _tile(values: Tensor, order: Tensor | None, i: slice, j: slice) -> Tensor:
    """k² of the pairs (i, j) of a kernel whose samples are taken in ``order``."""
    left, right = (values[part] if order is None else values[order[part]] for part in (i, j))
    if not values.is_floating_point():
        return (left[:, None] == right).double()
    squared = torch.mm(left, right.T).mul_(4).sub_(2 * right.square().sum(-1)).sub_(2 * left.square().sum(-1)[:, None])
    squared = squared.clamp_(-700, 0)
    if i == j:
        squared.diagonal().zero_()
    return squared.exp_()
