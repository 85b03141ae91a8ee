"""Multinomial logistic regression with a ridge penalty, for several training sets of the same samples at once.

Full batches, deterministic, in float64: L-BFGS (Nocedal & Wright 2006, algorithm 7.4) that starts from the Hessian of equally
likely classes, Cov / classes + penalty, much as Böhning 1992 ("Multinomial logistic regression algorithm") iterates with a
bound of it: correlated units then cost no more steps than independent ones. Along a line the logits move on a line, so that
searching it takes no further pass over the features. Problems are independent of each other: none sees what it is not
trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

_LOGITS, _ENTRIES = 2**18, 2**22
"""Logits that are worked on at once, which stay in the cache of a core, and most features."""
_KEPT = 2**25
"""Most features of which a standardised copy is kept: beyond that they are standardised anew in each pass."""
_TINY = 1e-300
"""Standard deviations below this are none: they have no inverse."""
_HISTORY, _REMEMBERED = 10, 2**22
"""Pairs of steps and changes that L-BFGS remembers, and most coefficients in all steps: they bound the memory."""
_NEVER = -60.0
"""Logarithm of the probability of a class that does not occur."""
_WIDEST = 2048
"""Units up to which the covariance is factorised for the first Hessian."""


@dataclass(frozen=True, slots=True)
class Features:
    """Activations (data, units), standardised over all samples, and a last feature that is 1 (data, units + 1).

    ``scale`` (units,) is 0 for a unit without variance. ``covariance`` (units + 1, units + 1) is that of the features, with
    the last; None where there are too many of them.
    """

    rows: Tensor
    centre: Tensor
    scale: Tensor
    kept: Tensor | None = None
    covariance: Tensor | None = None

    @classmethod
    def of(cls, rows: Tensor) -> Features:
        """The features of ``rows`` in any type, computed in float64; not finite where differences of rows are not."""
        size, units = rows.shape
        blocks = _blocks(size, _ENTRIES // (units + 1))
        # Relative to the first row and to the largest difference, so that squares neither overflow nor cancel.
        first = rows[0].double()
        widest = torch.stack([(rows[b].double() - first).abs().amax(0) for b in blocks]).amax(0)
        unit = torch.where(widest == 0, 1, widest)
        shift = torch.stack([((rows[b].double() - first) / unit).sum(0) for b in blocks]).sum(0) / size
        square = torch.stack([((rows[b].double() - first) / unit - shift).square().sum(0) for b in blocks]).sum(0) / size
        deviation = unit * square.sqrt()
        features = cls(rows, first + shift * unit, torch.where(deviation < _TINY, 0, 1 / deviation))
        if rows.numel() <= _KEPT:
            kept = torch.empty(size, units + 1, dtype=torch.float64, device=rows.device)
            for b in blocks:
                kept[b] = features.block(b)
            features = replace(features, kept=kept)
        if units > _WIDEST:
            return features
        covariance = torch.zeros(units + 1, units + 1, dtype=torch.float64, device=rows.device)
        for b in blocks:
            covariance.addmm_(features.block(b).T, features.block(b))
        return replace(features, covariance=covariance / size)

    @property
    def width(self) -> int:
        return self.rows.shape[1] + 1

    def blocks(self) -> list[slice]:
        """Parts of the samples that are worked on at once."""
        return _blocks(len(self.rows), _ENTRIES // self.width)

    def block(self, part: slice) -> Tensor:
        """(rows, units + 1)."""
        if self.kept is not None:
            return self.kept[part]
        units = (self.rows[part].double() - self.centre) * self.scale
        return torch.cat([units, units.new_ones(len(units), 1)], 1)


@dataclass(frozen=True, slots=True)
class Task:
    """Labels to be predicted: ``codes`` (data,) of ``classes`` classes, by several problems at once.

    ``weights`` (problems, data) say which samples each problem is trained on, and sum to 1. ``scales`` (problems, units + 1)
    multiply the features of a problem; 0 leaves one out. Coefficients are (problems, classes, units + 1), of the scaled
    features; the last are the intercepts.
    """

    features: Features
    scales: Tensor
    codes: Tensor
    classes: int
    weights: Tensor

    def logits(self, coefficients: Tensor) -> Tensor:
        """(problems, classes, data)."""
        weights = (coefficients * self.scales[:, None]).flatten(0, 1)
        logits = weights.new_empty(len(weights), len(self.codes))
        for c in self.chunks():
            torch.mm(weights, self.features.block(c).T, out=logits[:, c])
        return logits.view(*coefficients.shape[:2], -1)

    def losses(self, logits: Tensor) -> Tensor:
        """Cross-entropy of every sample in nats (problems, data)."""
        return torch.cat([logits[..., c].logsumexp(1) - self.own(logits, c) for c in self.chunks()], 1)

    def own(self, values: Tensor, part: slice) -> Tensor:
        """Of ``values`` (problems, classes, data) those of each sample's class, for a part of the samples (problems, part)."""
        index = self.codes[part].expand(len(values), 1, -1)
        return values[..., part].gather(1, index)[:, 0]

    def chunks(self) -> list[slice]:
        """Parts of the samples that are worked on at once."""
        return _blocks(len(self.codes), min(_LOGITS // (self.classes * len(self.weights)), _ENTRIES // self.features.width))


def _blocks(size: int, rows: int) -> list[slice]:
    return [slice(start, min(start + max(1, rows), size)) for start in range(0, size, max(1, rows))]


@dataclass(frozen=True, slots=True)
class Fit:
    """``coefficients`` (problems, classes, units + 1), ``logits`` (problems, classes, data), and whether the fit of each
    problem has ``converged`` (problems,)."""

    coefficients: Tensor
    logits: Tensor
    converged: Tensor


def prior(task: Task) -> Tensor:
    """Coefficients that predict each problem's own frequencies of the classes, whatever the features are.

    Classes that a problem is not trained on have a probability that is 0 to all intents, and keep it in a fit.
    """
    shares = task.weights.new_zeros(len(task.weights), task.classes).index_add_(1, task.codes, task.weights)
    coefficients = task.weights.new_zeros(len(task.weights), task.classes, task.features.width)
    coefficients[..., -1] = shares.log().clamp(min=_NEVER)
    return coefficients


def fit(task: Task, penalties: Tensor, start: Tensor, *, steps: int, tolerance: float) -> Fit:
    """Minimise cross-entropy + ``penalties`` (problems,) · ‖coefficients‖²/2, intercepts left out, from ``start`` on.

    A problem has converged when the next step promises less than ``tolerance`` nats.
    """
    ridge = penalties[:, None, None].expand(-1, 1, task.features.width).clone()
    ridge[..., -1] = 0
    first = _Curvature.of(task, penalties)
    x, logits = start, task.logits(start)
    gradient = _gradient(task, logits).add_(ridge * x)
    room = max(2, min(_HISTORY, _REMEMBERED // x.numel()))
    history: list[_Pair] = []
    converged = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for taken in range(steps + 1):
        step = _direction(first, history, gradient)
        slope = _dot(step, gradient)
        converged = converged | ~(-slope > 2 * tolerance)
        if taken == steps or bool(converged.all()):
            break
        step.masked_fill_(converged[:, None, None], 0)
        along = task.logits(step)
        length = _search(task, logits, along, slope, _dot(ridge * x, step), _dot(ridge * step, step), converged)[:, None, None]
        step *= length
        x, logits = x + step, logits.addcmul_(along, length)
        before, gradient = gradient, _gradient(task, logits).add_(ridge * x)
        history = [*history[-room + 1 :], _Pair.of(step, gradient - before, first)]
    return Fit(x, logits, converged)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of coefficients (problems,)."""
    return torch.linalg.vecdot(a.flatten(1), b.flatten(1))


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b (problems, 1, 1), and 0 where b is not positive: steps without curvature are not remembered."""
    return torch.where(b > 0, a / torch.where(b > 0, b, 1), 0)[:, None, None]


def _gradient(task: Task, logits: Tensor) -> Tensor:
    total = torch.zeros(logits[..., 0].numel(), task.features.width, dtype=logits.dtype, device=logits.device)
    for c in task.chunks():
        residual = logits[..., c].softmax(1)
        own = task.codes[c].expand(len(residual), 1, -1)
        residual.scatter_add_(1, own, residual.new_full((1, 1, 1), -1).expand(own.shape))
        residual *= task.weights[:, None, c]
        total.addmm_(residual.flatten(0, 1), task.features.block(c))
    return total.view(*logits.shape[:2], -1).mul_(task.scales[:, None])


@dataclass(frozen=True, slots=True)
class _Curvature:
    """The Hessian that L-BFGS starts from: Cholesky factors (units + 1, units + 1) for each power of ten among the penalties,
    with the problems that have it; none where there are too many units, which then are taken for independent."""

    groups: list[tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, task: Task, penalties: Tensor) -> _Curvature:
        if task.features.covariance is None:
            return cls([])
        curvature = 1 / task.classes
        groups: list[tuple[Tensor, Tensor]] = []
        powers = penalties.log10().round()  # near enough, and few factors
        for power in powers.unique():
            matrix = task.features.covariance * curvature
            # Units that depend on each other linearly must not leave a 0 to divide by.
            matrix.diagonal().add_(1e-9 * curvature)
            matrix.diagonal()[:-1].add_(10**power)
            groups.append((torch.linalg.cholesky(matrix), (powers == power).nonzero()[:, 0]))
        return cls(groups)

    def solve(self, gradient: Tensor) -> Tensor:
        if not self.groups:
            return gradient
        solved = torch.empty_like(gradient)
        for factor, members in self.groups:
            part = gradient[members]
            solved[members] = torch.cholesky_solve(part.flatten(0, 1).T, factor).T.reshape(part.shape)
        return solved


@dataclass(frozen=True, slots=True)
class _Pair:
    """A step and the gradient's change, their inner product and that of the change with itself in the first metric."""

    step: Tensor
    change: Tensor
    product: Tensor
    square: Tensor

    @classmethod
    def of(cls, step: Tensor, change: Tensor, first: _Curvature) -> _Pair:
        return cls(step, change, _dot(step, change), _dot(change, first.solve(change)))


def _direction(first: _Curvature, history: list[_Pair], gradient: Tensor) -> Tensor:
    """The two loops of L-BFGS, for each problem on its own."""
    q = -gradient
    shares: list[Tensor] = []
    for pair in reversed(history):
        shares.append(_ratio(_dot(pair.step, q), pair.product))
        q.addcmul_(pair.change, shares[-1], value=-1)
    q = first.solve(q)
    if history:
        size = _ratio(history[-1].product, history[-1].square)
        q = q * torch.where(size > 0, size, 1)
    for pair, share in zip(history, reversed(shares), strict=True):
        q.addcmul_(pair.step, share - _ratio(_dot(pair.change, q), pair.product))
    return q


def _search(task: Task, logits: Tensor, along: Tensor, slope: Tensor, at: Tensor, ridge: Tensor, done: Tensor) -> Tensor:
    """Lengths (problems,) at which the slope is a small part of ``slope``: Newton's method, in a bracket.

    ``at`` + length · ``ridge`` is the penalty's slope. The function is convex along the line.
    """
    low, high = torch.zeros_like(slope), torch.full_like(slope, torch.inf)
    length = torch.ones_like(slope)
    for _ in range(20):
        now, curvature = _slopes(task, logits, along, length)
        now, curvature = now + at + length * ridge, curvature + ridge
        done = done | (now.abs() <= 0.3 * slope.abs())
        if bool(done.all()):
            break
        low, high = torch.where(now < 0, length, low), torch.where(now < 0, high, length)
        newton = length - now / torch.where(curvature > 0, curvature, torch.inf)
        inside = (newton > low) & (newton < high) & (newton < 10 * length)
        middle = torch.where(high.isinf(), 4 * length, (low + high) / 2)
        length = torch.where(done, length, torch.where(inside, newton, middle))
    return length


def _slopes(task: Task, logits: Tensor, along: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """First and second derivative of the cross-entropy along the line, at ``length`` (problems,)."""
    slope, curvature = torch.zeros_like(length), torch.zeros_like(length)
    for c in task.chunks():
        direction = along[..., c]
        p = torch.addcmul(logits[..., c], direction, length[:, None, None]).softmax(1)
        mean = torch.linalg.vecdot(p, direction, dim=1)
        spread = torch.linalg.vecdot(p, (direction - mean[:, None]).square_(), dim=1)
        slope += (task.weights[:, c] * (mean - task.own(along, c))).sum(1)
        curvature += (task.weights[:, c] * spread).sum(1)
    return slope, curvature
