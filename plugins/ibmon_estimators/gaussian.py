"""Information between variables that are taken to be jointly Gaussian, from their covariances alone.

With the canonical correlations ρ_i of x and y, I(x; y) = ½ log2 det Σ_x det Σ_y / det Σ_xy = −½ Σ log2(1 − ρ_i²)
(Gelfand & Yaglom 1957; Cover & Thomas 2006, section 8.5). The ρ_i are the singular values of U_xᵀ U_y, U_x and U_y orthonormal
bases of what the centred columns span: no covariance is formed, so that nothing is squared, and directions in which there
are no data can be left out. I(x; y | z) is the same of what remains of x and y after regression on z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import e, log, pi

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .aligned import aligned, blocks, parts, some_of
from .bases import Basis, Columns, Method, basis_of, columns_of, orthonormal, tolerance, triangular
from .estimates import FEW, about_identity, estimate
from .nulls import LEAST_FOR_P, check_permutations, permutations
from .samples import LN2, Samples, check_kinds, mask_key, samples_of

_SURE = 1e-10
"""Share of unexplained variance under which a dependence is perfect but for rounding: 16.6 bits in one direction."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Information of variables taken to be jointly Gaussian, in bits: elsewhere it sees linear dependence only.

    ``bias_corrected`` takes off the bias that Gaussian samples have on average. (N − 1) S is Wishart, so that
    E ln det S = ln det Σ + Σ_{i ≤ d} ψ((N − i) / 2) + d ln(2 / (N − 1)) (Goodman 1963; Misra et al. 2005), of which only the
    ψ remain in an information; they telescope, so that the chain rule holds with the correction too.
    ``permutations`` of the rows of y give ``null``, and from 19 on ``p_value``.
    Raises ValueError for a negative number of permutations.
    """

    bias_corrected: bool = False
    permutations: int = 0

    def __post_init__(self) -> None:
        check_permutations(self.permutations, "gaussian")

    def _method(self) -> Method:
        return Method("gaussian", self.bias_corrected, self.permutations)

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """I(x; y) for each of ``ys``; see ``information``."""
        return information(self._method(), x, ys, rng)

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        """Differential entropy of x in bits, which may be negative; see ``differential_entropy``. ``rng`` is not used."""
        return differential_entropy(self._method(), x)

    def conditional(self, x: Variable, y: Variable, z: Variable, *, rng: torch.Generator) -> Estimate:
        """I(x; y | z); see ``conditional``."""
        return conditional(self._method(), x, y, z, rng)

    def pairwise(self, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
        """I(x_i(t); y_j(t + lag)) of every pair of columns; see ``pairwise``."""
        return pairwise(self._method(), x, y, lag, rng)


@torch.no_grad()
def information(method: Method, x: Variable, ys: Sequence[Variable], rng: torch.Generator) -> tuple[Estimate, ...]:
    """I(x; y) for each of ``ys``, continuous (..., samples, dims) or identities, in bits.

    ``error`` is √(Σ ρ_i² / N + d_x d_y / 2N²) nats, in bits: the first term by the delta method from Var ρ̂ ≈ (1 − ρ²)² / N
    (Anderson 2003, sections 4.2 and 13.7), the second the variance of χ²(d_x d_y) / 2N, which is what is left of independent
    variables (Wilks 1938). ``limit`` is log2 N, to which ``value`` is clipped: more than to tell the samples apart no sample
    can show, whatever its model extrapolates; the latter is ``raw``.
    Flags: ``deterministic`` (a direction of y is a linear function of x: ``raw`` is the limit), ``saturated`` (raw reaches
    the limit), ``collinear`` (columns that are constant or linear in the others do not count), ``constant`` (nothing varies:
    0), ``high_dimension`` (more directions than N / 10, or without ``bias_corrected`` as many
    pairs of them, whose bias is d_x d_y / 2N nats), ``few_samples``, ``nonfinite`` and ``empty`` (the value is NaN).
    Raises ValueError for other kinds of variables and shapes that do not fit.
    """
    check_kinds(ys, method.name, ("continuous", "identity"))
    samples, seed = samples_of(x, method.name), _seed(method, rng)
    estimates: dict[int, Estimate] = {}
    groups: dict[int | None, list[int]] = {}
    for i, y in enumerate(ys):
        if y.kind == "identity":
            estimates[i] = about_identity(samples, y)
        else:
            groups.setdefault(mask_key(x, y), []).append(i)
    for members in groups.values():
        chosen = samples.masked_by(ys[members[0]].mask)
        others = [aligned(samples, ys[i], method.name) for i in members]
        found: dict[int, list[_Reading]] = {i: [] for i in members}
        for part in parts(chosen, *(other.size for other in others)):
            some = some_of(chosen, part)
            basis = basis_of(method, some.values, some.mask)
            for i, other in zip(members, others, strict=True):
                found[i].append(_reading(method, some, basis, basis_of(method, other.part(part), some.mask), None, seed))
        estimates.update({i: _estimate(chosen, readings) for i, readings in found.items()})
    return tuple(estimates[i] for i in range(len(ys)))


@torch.no_grad()
def conditional(method: Method, x: Variable, y: Variable, z: Variable, rng: torch.Generator) -> Estimate:
    """I(x; y | z) in bits, all continuous (..., samples, dims); fields and flags are those of ``information``.

    Permuted are the rows of what is left of y after regression on z (Freedman & Lane 1983).
    Raises ValueError for other kinds of variables and shapes that do not fit.
    """
    check_kinds([y, z], method.name, ("continuous",))
    samples, seed = samples_of(x, method.name), _seed(method, rng)
    chosen = samples.masked_by(y.mask).masked_by(z.mask)
    others = [aligned(samples, other, method.name) for other in (y, z)]
    found: list[_Reading] = []
    for part in parts(chosen, *(other.size for other in others)):
        some = some_of(chosen, part)
        given = basis_of(method, others[1].part(part), some.mask)
        left, right = (basis_of(method, v, some.mask, given) for v in (some.values, others[0].part(part)))
        found.append(_reading(method, some, left, right, given, seed))
    return _estimate(chosen, found)


@torch.no_grad()
def differential_entropy(method: Method, x: Variable) -> Estimate:
    """½ log2 (2πe)^d det Σ of x in bits, and its standard error ½ √Σ_{i ≤ d} ψ'((N − i) / 2), exact for Gaussian samples.

    Where Σ is singular there is no density; the value is then that within the directions that vary, whose eigenvalues make
    the determinant, and is flagged ``collinear`` (``constant``, and 0, where nothing varies). Further flags: ``information``.
    Raises ValueError for a variable that is not continuous.
    """
    samples = samples_of(x, method.name)
    units, count = samples.values.shape[-1], samples.count
    sums: list[Tensor] = []
    for part in parts(samples):
        some = some_of(samples, part)
        columns = columns_of(method, some.values, some.mask)
        singular = torch.linalg.svdvals(triangular(columns.values))
        rank = (singular > tolerance(some.values)).sum(-1)
        # From columns of norm 1, which are precise however much the scales of the columns differ ...
        determinant = 2 * (singular.log().sum(-1) + columns.log_norm.sum(-1))
        if bool((rank < units).any()):  # ... but say nothing of a determinant within some directions.
            largest = columns.log_norm.amax(-1, keepdim=True).nan_to_num(neginf=0)
            scaled = columns.values * (columns.log_norm - largest).exp()[:, None]
            singular = torch.linalg.svdvals(triangular(scaled))
            counted = torch.arange(singular.shape[-1], device=rank.device) < rank[:, None]
            within = 2 * torch.where(counted, singular.log() + largest, 0).sum(-1)
            determinant = torch.where(rank < units, within, determinant)
        sums.append(torch.stack([determinant, rank.double(), columns.finite.all(-1).double()]))
    determinant, rank, fine = torch.cat(sums, 1)
    freedom = (count - 1).clamp(min=1).log()
    nats = 0.5 * (determinant + rank * (log(2 * pi * e) - freedom))
    if method.bias_corrected:
        nats = nats - _halves(torch.digamma, count, rank) - 0.5 * rank * (log(2) - freedom)
    flags = {
        "collinear": (rank < units) & (rank > 0),
        "constant": (rank == 0) & (count > 0),
        "high_dimension": rank > count / 10,
        "nonfinite": fine == 0,
    }
    error = (_halves(_trigamma, count, rank) / 2).sqrt() / LN2
    return estimate(samples, (nats / LN2).masked_fill(fine == 0, torch.nan), error=error, flags=flags, floor=None)


@torch.no_grad()
def pairwise(method: Method, x: Variable, y: Variable, lag: int, rng: torch.Generator) -> Estimate:
    """−½ log2(1 − r_ij²) in bits for x (..., samples, I) and y (..., samples, J): all tensors are (..., I, J).

    x_i(t) is paired with y_j(t + lag), ``lag`` of either sign, wherever both are data; columns are standardised over these.
    Fields and flags are those of ``information``; a column that is not finite spoils its own pairs only. Permuted are the
    rows of y, all columns alike. Raises ValueError for variables that are not continuous and shapes that do not fit.
    """
    check_kinds([y], method.name, ("continuous",))
    samples, seed = samples_of(x, method.name), _seed(method, rng)
    other = aligned(samples, y, method.name)
    size = samples.values.shape[1]
    overlap = max(0, size - abs(lag))
    now, then = (slice(start, start + overlap) for start in (max(0, -lag), max(0, lag)))
    mask = None
    if x.mask is not None or y.mask is not None:
        whole = torch.ones(samples.values.shape[:2], dtype=torch.bool, device=samples.values.device)
        left = whole if samples.mask is None else samples.mask
        right = whole if y.mask is None else samples.spread(y.mask, "a mask")
        mask = left[:, now] & right[:, then]
    paired = Samples(samples.values[:, now], mask, samples.batch)
    read: dict[str, Tensor] = {}
    shape = (len(paired.values), paired.values.shape[-1], other.values.shape[-1])
    for part in parts(paired, other.size, shape[1] * shape[2]):
        some = some_of(paired, part)
        right = other.part(part)[:, then]
        for j in blocks(right):
            columns = columns_of(method, right[..., j], some.mask)
            for i in blocks(some.values):
                block = _correlated(method, some, columns_of(method, some.values[..., i], some.mask), columns, seed)
                for name, values in block.items():
                    if name not in read:
                        read[name] = values.new_empty(shape)
                    read[name][part, i, j] = values
    count = paired.count[:, None, None].expand(shape)
    empty = count == 0
    limit = count.log2().masked_fill(empty, torch.nan)
    nothing = empty | read["nonfinite"]
    said = {name: read[name].masked_fill(nothing, torch.nan) for name in ("raw", "error", "null", "p_value") if name in read}
    flags = {name: values for name, values in read.items() if name not in said}
    flags |= {"few_samples": (count < FEW) & ~empty, "empty": empty}

    def batch(values: Tensor) -> Tensor:
        return values.reshape(*paired.batch, *shape[1:])

    return Estimate(
        batch(torch.minimum(said["raw"].clamp(min=0), limit)),
        flags={name: batch(raised) for name, raised in flags.items()},
        limit=batch(limit),
        raw=batch(said["raw"]),
        error=batch(said["error"]),
        null=batch(said["null"]) if "null" in said else None,
        p_value=batch(said["p_value"]) if "p_value" in said else None,
    )


def _correlated(method: Method, some: Samples, left: Columns, right: Columns, seed: int | None) -> dict[str, Tensor]:
    """What ``pairwise`` says of a block of columns: fields and flags by name, each (elements, I, J)."""
    count = some.count[:, None, None]
    limit = count.clamp(min=1).log2()
    constant = left.constant[:, :, None] | right.constant[:, None]
    bias = _correction(some.count, *(torch.full_like(some.count, d) for d in (1, 1, 0)))[:, None, None]

    def bits(other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r = (left.values.mT @ other).clamp_(-1, 1)
        rest = (1 - r) * (1 + r)
        sure = rest <= _SURE
        found = 0 - rest.log2() / 2  # which is not -0
        if method.bias_corrected:
            found = torch.where(constant, 0, found - bias)
        return torch.where(sure, limit, found), sure, r

    raw, sure, r = bits(right.values)
    error = (r.square() / count.clamp(min=1) + 0.5 / count.clamp(min=1).square()).sqrt() / LN2
    read = {"raw": raw, "error": error.masked_fill(constant, 0).masked_fill(sure, torch.nan)}
    if seed is not None:
        total, reached = torch.zeros_like(raw), torch.zeros_like(raw)
        for order in permutations(some, method.permutations, _generator(seed)):
            permuted = bits(right.values.gather(1, order[..., None].expand_as(right.values)))[0]
            total += permuted
            reached += permuted >= raw - 1e-12
        read["null"] = total / method.permutations
        if method.permutations >= LEAST_FOR_P:
            read["p_value"] = (1 + reached) / (1 + method.permutations)
    flags = {
        "constant": constant & (count > 0),
        "deterministic": sure,
        "saturated": (raw >= limit) & (count > 1),
        "nonfinite": ~(left.finite[:, :, None] & right.finite[:, None]),
    }
    if method.scores is not None:
        flags["ties"] = left.ties[:, :, None] | right.ties[:, None]
    return read | flags


@dataclass(frozen=True, slots=True)
class _Reading:
    """``raw``, ``error`` and flags (elements,), and ``permuted`` (permutations, elements), of a chunk."""

    raw: Tensor
    error: Tensor
    permuted: Tensor
    flags: dict[str, Tensor]


def _reading(method: Method, some: Samples, x: Basis, y: Basis, z: Basis | None, seed: int | None) -> _Reading:
    count = some.count
    limit = count.clamp(min=1).log2()
    given = torch.zeros_like(count) if z is None else z.rank
    bias = _correction(count, x.rank, y.rank, given) if method.bias_corrected else torch.zeros_like(count)

    def bits(other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        squares = torch.linalg.svdvals(x.vectors.mT @ other).square().clamp(max=1)
        sure = (squares >= 1 - _SURE).any(-1)
        found = 0 - torch.log1p(-squares).sum(-1) / (2 * LN2)  # which is not -0
        return torch.where(sure, limit, found - bias), sure, squares.sum(-1)

    raw, sure, explained = bits(y.vectors)
    permuted: list[Tensor] = []
    if seed is not None:
        for order in permutations(some, method.permutations, _generator(seed)):
            moved = y.vectors.gather(1, order[..., None].expand_as(y.vectors))
            if z is not None:
                moved, _ = orthonormal(z.without(moved), 1e-10)
            permuted.append(bits(moved)[0])
    rows = count.clamp(min=1)
    error = (explained / rows + x.rank * y.rank / (2 * rows.square())).sqrt() / LN2
    bases = [x, y] if z is None else [x, y, z]
    data = count > 0
    biased = (x.rank * y.rank > count / 10) & (not method.bias_corrected)
    flags = {
        "constant": ((x.rank == 0) | (y.rank == 0)) & data,
        "collinear": torch.stack([(b.rank < b.units) & (b.rank > 0) for b in bases]).any(0),
        "deterministic": sure,
        "saturated": (raw >= limit) & (count > 1),
        "high_dimension": torch.stack([b.rank > count / 10 for b in bases]).any(0) | biased,
        "nonfinite": ~torch.stack([b.finite for b in bases]).all(0),
    }
    if method.scores is not None:
        flags["ties"] = torch.stack([b.ties for b in bases]).any(0)
    return _Reading(
        raw.masked_fill(flags["nonfinite"], torch.nan),
        error.masked_fill(flags["nonfinite"] | sure, torch.nan),
        torch.stack(permuted) if permuted else raw.new_empty(0, len(raw)),
        flags,
    )


def _estimate(samples: Samples, readings: list[_Reading]) -> Estimate:
    return estimate(
        samples,
        torch.cat([r.raw for r in readings]),
        limit=samples.count.log2(),
        error=torch.cat([r.error for r in readings]),
        permuted=list(torch.cat([r.permuted for r in readings], 1)),
        flags={name: torch.cat([r.flags[name] for r in readings]) for name in readings[0].flags},
    )


def _correction(count: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Bias in bits of the information of Gaussian samples in x, y and z directions; all (elements,)."""
    both, left, right, given = (_halves(torch.digamma, count, d) for d in (x + y + z, x + z, y + z, z))
    return (left + right - both - given) / LN2


def _halves(function: Callable[[Tensor], Tensor], count: Tensor, directions: Tensor) -> Tensor:
    """½ Σ_{i ≤ d} f((N − i) / 2) for ``count`` N and ``directions`` d, both (elements,)."""
    i = torch.arange(1, int(directions.max()) + 1 if len(directions) else 1, dtype=torch.float64, device=count.device)
    terms = function(((count[:, None] - i) / 2).clamp(min=0.5))
    return 0.5 * torch.where(i <= directions[:, None], terms, 0).sum(-1)


def _trigamma(values: Tensor) -> Tensor:
    return torch.special.polygamma(1, values)


def _seed(method: Method, rng: torch.Generator) -> int | None:
    """What the permutations of all variables and chunks start from; None where there are none, and ``rng`` is left alone."""
    return int(torch.randint(2**62, (), generator=rng)) if method.permutations else None


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
