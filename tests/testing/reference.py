"""Plain, correct estimators, for the conformance kit to pass and to be broken on purpose in ``broken``.

KSG 1 and 2 (Kraskov et al. 2004, equations 8 and 9), Frenzel & Pompe 2007, Kozachenko & Leonenko 1987, Ross 2014, plug-in
entropies, a Gaussian copula, and Monte Carlo of a noisy layer. Brute force, one element of the batch after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, log, nan, prod

import torch
from torch import Tensor

from ibmon import Estimate, EstimatorSpec, Variable

LN2 = log(2)
ROWS = 2**22
"""Distances that are held at once."""


def spec(name: str, **declared: object) -> EstimatorSpec:
    """The declaration of an estimator of this folder: ``module:Class``."""
    return EstimatorSpec(name=name.partition(":")[2].lower(), target=f"testing.{name}", **declared)  # type: ignore[arg-type]


def psi(values: Tensor | int) -> Tensor:
    return torch.digamma(torch.as_tensor(values, dtype=torch.float64))


def elements(name: str, x: Variable, *others: Variable) -> tuple[tuple[int, ...], Iterator[list[Tensor]]]:
    """The batch of x, and for each of its elements the samples that are data in all variables, as float64 or integers."""
    batch = x.values.shape[: -2 if x.kind == "continuous" else -1]
    size = x.samples
    mask = torch.ones(*batch, size, dtype=torch.bool)
    wide: list[Tensor] = []
    for variable in (x, *others):
        if variable.samples != size:
            raise ValueError(f"{name}: {variable.samples} samples do not fit {size}")
        values = variable.values.detach().double() if variable.kind == "continuous" else variable.values
        trailing = values.shape[-1:] if variable.kind == "continuous" else ()
        wide.append(values.expand(*batch, size, *trailing).reshape(prod(batch), size, *trailing))
        if variable.mask is not None:
            mask = mask & variable.mask
    keep = mask.reshape(prod(batch), size)
    return tuple(batch), ([values[e][keep[e]] for values in wide] for e in range(prod(batch)))


def gather(batch: tuple[int, ...], found: Sequence[Estimate]) -> Estimate:
    """Estimates of single elements as one of the batch."""
    parts = ("value", "raw", "lower", "upper", "error", "null", "p_value", "limit")
    stacked = {
        name: None if getattr(found[0], name) is None else torch.stack([getattr(e, name) for e in found]).reshape(batch)
        for name in parts
    }
    flags = {name: torch.stack([e.flags[name] for e in found]).reshape(batch) for name in found[0].flags}
    return replace(found[0], flags=flags, **stacked)


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def estimate(data: Sequence[Tensor], raw: Callable[[], float], limit: Callable[[], float] | None = None) -> Estimate:
    """An estimate of one element: clipped to [0, limit], NaN and flagged where there is nothing to estimate from."""
    count = len(data[0])
    nonfinite = any(not bool(values.isfinite().all()) for values in data if values.is_floating_point())
    flags = {"few_samples": 0 < count < 50, "empty": count == 0, "nonfinite": nonfinite}
    plain = raw() if count and not nonfinite else nan
    most = limit() if limit and count else nan if limit else inf
    value = max(0.0, min(plain, most)) if plain == plain else nan
    said = {name: torch.tensor(flag) for name, flag in flags.items()}
    return Estimate(number(value), flags=said, raw=number(plain), limit=number(most) if limit else None)


def check(name: str, x: Variable, ys: Sequence[Variable], x_kinds: Sequence[str], kinds: Sequence[str]) -> None:
    for variable, known in ((x, x_kinds), *((y, kinds) for y in ys)):
        if variable.kind not in known:
            raise ValueError(f"{name} takes {' or '.join(known)}, not {variable.kind}")


def standardised(values: Tensor) -> tuple[Tensor, Tensor]:
    """Columns with mean 0 and standard deviation 1, and the deviations; constant columns stay."""
    deviations = values.std(0, correction=0)
    deviations = torch.where(deviations > 0, deviations, 1)
    return (values - values.mean(0)) / deviations, deviations


def distances(*variables: Tensor) -> Iterator[list[Tensor]]:
    """Chunks (rows, samples) of the distances in the maximum norm, infinite from a sample to itself."""
    size = len(variables[0])
    step = max(1, ROWS // size)
    for first in range(0, size, step):
        rows = torch.arange(first, min(first + step, size))
        chunk = [torch.cdist(v[rows], v, p=inf) for v in variables]
        for d in chunk:
            d[rows - first, rows] = inf
        yield chunk


@dataclass(frozen=True)
class KSG:
    """KSG 1 between continuous variables."""

    k: int = 3

    def terms(self, dx: Tensor, dy: Tensor, k: int) -> Tensor:
        """ψ(n_x + 1) + ψ(n_y + 1) − ψ(k) of each row: strictly nearer than the k-th neighbour."""
        radius = torch.maximum(dx, dy).topk(k, largest=False).values[:, -1:]
        return psi((dx < radius).sum(1) + 1) + psi((dy < radius).sum(1) + 1) - psi(k)

    def size(self, samples: int) -> float:
        return float(psi(samples))

    def raw(self, x: Tensor, y: Tensor) -> float:
        samples, k = len(x), min(self.k, len(x) - 1)
        if k < 1:
            return 0.0
        x, y = standardised(x)[0], standardised(y)[0]
        total = sum(float(self.terms(dx, dy, k).sum()) for dx, dy in distances(x, y))
        return (self.size(samples) - total / samples) / LN2

    def element(self, x: Tensor, y: Tensor) -> Estimate:
        return estimate((x, y), lambda: self.raw(x, y))

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        check("ksg", x, ys, ("continuous",), ("continuous",))
        found: list[Estimate] = []
        for y in ys:
            batch, data = elements("ksg", x, y)
            found.append(gather(batch, [self.element(*pair) for pair in data]))
        return tuple(found)

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        def raw(values: Tensor) -> float:
            z, deviations = standardised(values)
            radii = torch.cat([d.topk(self.k, largest=False).values[:, -1] for (d,) in distances(z)])
            nats = psi(len(z)) - psi(self.k) + z.shape[1] * (2 * radii).log().mean() + deviations.log().sum()
            return float(nats) / LN2

        batch, data = elements("ksg", x)
        each = [estimate((values,), lambda v=values: raw(v)) for (values,) in data]
        return gather(batch, [replace(e, value=e.raw, raw=None) for e in each if e.raw is not None])

    def given(self, x: Tensor, y: Tensor, z: Tensor) -> float:
        """Frenzel & Pompe: ψ(k) + ⟨ψ(n_z + 1) − ψ(n_xz + 1) − ψ(n_yz + 1)⟩."""
        x, y, z = (standardised(v)[0] for v in (x, y, z))
        total = 0.0
        for dx, dy, dz in distances(x, y, z):
            dxz, dyz = torch.maximum(dx, dz), torch.maximum(dy, dz)
            radius = torch.maximum(dxz, dyz).topk(self.k, largest=False).values[:, -1:]
            nz, nxz, nyz = (psi((d < radius).sum(1) + 1) for d in (dz, dxz, dyz))
            total += float((psi(self.k) + nz - nxz - nyz).sum())
        return total / len(x) / LN2

    def conditional(self, x: Variable, y: Variable, z: Variable, *, rng: torch.Generator) -> Estimate:
        batch, data = elements("ksg", x, y, z)
        return gather(batch, [estimate(three, lambda t=three: self.given(*t)) for three in data])

    def pairwise(self, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
        size = x.samples - lag
        batch = (*x.values.shape[:-2], x.values.shape[-1], y.values.shape[-1])
        found = [
            self(_columns(x, i, 0, size), [_columns(y, j, lag, size)], rng=rng)[0]
            for i in range(batch[-2])
            for j in range(batch[-1])
        ]
        return _last(batch, found)


def _columns(variable: Variable, column: int, first: int, size: int) -> Variable:
    mask = None if variable.mask is None else variable.mask[..., first : first + size]
    return Variable(variable.values[..., first : first + size, column : column + 1], variable.kind, mask)


def _last(batch: tuple[int, ...], found: Sequence[Estimate]) -> Estimate:
    """Estimates of columns, each of the batch's shape, as one with the columns in the last dimensions."""
    raws = [e.raw for e in found if e.raw is not None]
    flags = {name: torch.stack([e.flags[name] for e in found], -1).reshape(batch) for name in found[0].flags}
    return Estimate(
        torch.stack([e.value for e in found], -1).reshape(batch), raw=torch.stack(raws, -1).reshape(batch), flags=flags
    )


@dataclass(frozen=True)
class KSG2(KSG):
    """KSG 2 between continuous variables: a radius for each axis."""

    k: int = 3

    def terms(self, dx: Tensor, dy: Tensor, k: int) -> Tensor:
        """ψ(n_x) + ψ(n_y) − ψ(k) + 1/k of each row: no farther than the farthest of the k neighbours, by axis."""
        nearest = torch.maximum(dx, dy).topk(k, largest=False).indices
        counts = [(d <= d.gather(1, nearest).amax(1, keepdim=True)).sum(1) for d in (dx, dy)]
        return psi(counts[0]) + psi(counts[1]) - psi(k) + 1 / k


@dataclass(frozen=True)
class Ross:
    """Ross 2014 between a continuous variable and labels; labels that occur once are left out."""

    k: int = 3
    permutations: int = 1

    def size(self, samples: int) -> float:
        return float(psi(samples))

    def raw(self, x: Tensor, labels: Tensor) -> float:
        _, codes, counts = labels.unique(return_inverse=True, return_counts=True)
        keep = counts[codes] > 1
        x, codes = x[keep], codes[keep]
        if bool((x == x[:1]).all()):  # none, or all alike: every radius would be 0
            return 0.0
        x = standardised(x)[0]
        total, first = 0.0, 0
        for (d,) in distances(x):
            own = codes[first : first + len(d)]
            first += len(d)
            members = counts[own]
            k = (members - 1).clamp(max=self.k)
            nearest = d.masked_fill(own[:, None] != codes, inf).topk(min(self.k, len(x) - 1), largest=False).values
            radius = nearest.gather(1, k[:, None] - 1)
            total += float((psi(k) - psi(members) - psi((d < radius).sum(1) + 1)).sum())
        return (self.size(len(x)) + total / len(x)) / LN2

    def element(self, x: Tensor, labels: Tensor, orders: Sequence[Tensor]) -> Estimate:
        found = estimate((x, labels), lambda: self.raw(x, labels), lambda: entropy_of(labels))
        if not self.permutations or found.raw is None:
            return found
        if found.raw.isnan():
            return replace(found, null=number(nan), p_value=number(nan))
        nulls = torch.tensor([self.raw(x, labels[keys.argsort()]) for keys in orders], dtype=torch.float64)
        reached = int((nulls >= found.raw).sum())
        return replace(found, null=nulls.mean(), p_value=number((1 + reached) / (1 + self.permutations)))

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        check("ross", x, ys, ("continuous",), ("labels",))
        found: list[Estimate] = []
        for y in ys:
            batch, data = elements("ross", x, y)
            each: list[Estimate] = []
            for values, labels in data:
                orders = [torch.rand(len(values), generator=rng) for _ in range(self.permutations)]
                each.append(self.element(values, labels, orders))
            found.append(gather(batch, each))
        return tuple(found)

    def pairwise(self, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
        size = x.samples - lag
        mask = None if y.mask is None else y.mask[..., lag:]
        ahead = Variable(y.values[..., lag:], y.kind, mask)
        found = [self(_columns(x, i, 0, size), [ahead], rng=rng)[0] for i in range(x.values.shape[-1])]
        return _last((*found[0].value.shape, len(found)), found)


def entropy_of(*labels: Tensor) -> float:
    """Plug-in entropy in bits of the joint distribution."""
    rows = torch.stack([values.unique(return_inverse=True)[1] for values in labels], 1)
    counts = rows.unique(dim=0, return_counts=True)[1].double()
    return float(torch.special.entr(counts / counts.sum()).sum()) / LN2 + 0.0


@dataclass(frozen=True)
class PlugIn:
    """Plug-in information between labels."""

    def raw(self, x: Tensor, y: Tensor) -> float:
        return entropy_of(x) + entropy_of(y) - entropy_of(x, y)

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        check("plug-in", x, ys, ("labels", "identity"), ("labels", "identity"))
        found: list[Estimate] = []
        for y in ys:
            batch, data = elements("plug-in", x, y)
            each = [estimate(p, lambda p=p: self.raw(*p), lambda p=p: min(entropy_of(p[0]), entropy_of(p[1]))) for p in data]
            found.append(gather(batch, each))
        return tuple(found)

    def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
        batch, data = elements("plug-in", x)
        return gather(batch, [estimate((v,), lambda v=v: entropy_of(v)) for (v,) in data])

    def conditional(self, x: Variable, y: Variable, z: Variable, *, rng: torch.Generator) -> Estimate:
        def raw(x: Tensor, y: Tensor, z: Tensor) -> float:
            return entropy_of(x, z) + entropy_of(y, z) - entropy_of(x, y, z) - entropy_of(z)

        batch, data = elements("plug-in", x, y, z)
        return gather(batch, [estimate(three, lambda t=three: raw(*t)) for three in data])


@dataclass(frozen=True)
class Copula:
    """Gaussian information of the ranks, of one column each."""

    def raw(self, x: Tensor, y: Tensor) -> float:
        joint = torch.cat([x, y], 1)
        if len(x) < 3 or bool((joint == joint[0]).all(0).any()):
            return 0.0
        ordered = joint.T.contiguous().sort(1).values
        below, upto = (torch.searchsorted(ordered, joint.T.contiguous(), right=right) for right in (False, True))
        z = torch.special.ndtri((below + upto).double() / 2 / len(x)).T
        cov = z.T @ z / len(x) + 1e-12 * torch.eye(z.shape[1], dtype=z.dtype)
        d = x.shape[1]
        bits = cov[:d, :d].logdet() + cov[d:, d:].logdet() - cov.logdet()
        return float(bits) / 2 / LN2

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        check("copula", x, ys, ("continuous",), ("continuous",))
        found: list[Estimate] = []
        for y in ys:
            batch, data = elements("copula", x, y)
            found.append(gather(batch, [estimate(pair, lambda p=pair: self.raw(*p)) for pair in data]))
        return tuple(found)


@dataclass(frozen=True)
class Noisy:
    """Monte Carlo of I(T + Z; labels), Z ~ N(0, variance I): random, with an error, and three of it as bounds."""

    variance: float = 0.02
    draws: int = 1

    def element(self, x: Tensor, labels: Tensor, rng: torch.Generator) -> Estimate:
        spread = [nan]

        def raw() -> float:
            ratios: list[Tensor] = []
            t = x - x.mean(0)
            for _ in range(self.draws):
                z = t + self.variance**0.5 * torch.randn(x.shape, generator=rng, dtype=x.dtype)
                for some, own in zip(z.split(256), labels.split(256), strict=True):
                    logs = -torch.cdist(some, t).square() / 2 / self.variance
                    same = own[:, None] == labels
                    inside = logs.masked_fill(~same, -inf).logsumexp(1) - same.sum(1).log()
                    ratios.append(inside - logs.logsumexp(1) + log(len(x)))
            every = torch.cat(ratios) / LN2
            spread[0] = float(every.std(correction=0)) / len(every) ** 0.5
            return float(every.mean())

        found = estimate((x, labels), raw, lambda: entropy_of(labels))
        error = number(spread[0])
        assert found.limit is not None
        return replace(
            found,
            error=error,
            lower=(found.value - 3 * error).clamp(min=0),
            upper=torch.minimum(found.value + 3 * error, found.limit),
        )

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        check("noisy", x, ys, ("continuous",), ("labels",))
        found: list[Estimate] = []
        for y in ys:
            batch, data = elements("noisy", x, y)
            found.append(gather(batch, [self.element(*pair, rng) for pair in data]))
        return tuple(found)


CONTINUOUS = {"kinds": ("continuous",), "invariances": ("scale", "offset"), "consistent": ("gaussian", "continuous")}
KSG_SPEC = spec("reference:KSG", operations=("entropy", "conditional", "pairwise"), **CONTINUOUS)
KSG2_SPEC = spec("reference:KSG2", operations=("entropy", "conditional", "pairwise"), **CONTINUOUS)
ROSS_SPEC = spec(
    "reference:Ross", kinds=("labels",), operations=("pairwise",), invariances=("scale", "offset"), consistent=("classes",)
)
PLUG_IN_SPEC = spec(
    "reference:PlugIn",
    kinds=("labels", "identity"),
    x_kinds=("labels", "identity"),
    operations=("entropy", "conditional"),
    consistent=("discrete",),
)
COPULA_SPEC = spec(
    "reference:Copula", kinds=("continuous",), invariances=("scale", "offset", "monotone"), consistent=("gaussian",)
)
NOISY_SPEC = spec("reference:Noisy", kinds=("labels",), bounds=True, invariances=("offset", "rotation"))
SPECS = (KSG_SPEC, KSG2_SPEC, ROSS_SPEC, PLUG_IN_SPEC, COPULA_SPEC, NOISY_SPEC)
