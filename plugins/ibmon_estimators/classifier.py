"""A lower bound of the information about labels: their entropy less the cross-entropy of a probe.

For any predictor q that has not seen the labels of the samples it is tested on, E[−log2 q(Y | T)] = H(Y | T) + E[KL(p ‖ q)],
so that H(Y) − E[−log2 q(Y | T)] ≤ I(T; Y) (Barber & Agakov 2003, "The IM algorithm", equation 3; of layers Alain & Bengio
2016, arXiv:1610.01644). The predictor is a multinomial logistic regression that is cross-fitted: each sample is predicted by
one of several fits, which has not seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .estimates import about_identity, estimate, finite
from .logistic import Features, Task, fit, prior
from .nulls import check_permutations, permutations
from .samples import LN2, check_kinds, entropy_of_codes, label_codes, samples_of

_STRENGTHS = tuple(10.0**k for k in range(-1, 6))
"""Variances of a logit among which the penalty is chosen, beside a probe that ignores the layer."""
_INNER = 4
"""One in so many samples of a training set is kept to choose the penalty."""
_ROUGH = 1e-6
"""Tolerance in nats of the fits that only choose, and of their differences."""
_WORSE = 0.2
"""Nats above the lowest loss at which no weaker penalty is tried: such fits take the longest."""
_ROUNDING = 1e-12
"""Variances of a unit in a training set, relative to that in all samples, which may be rounding."""
_LOGITS, _COEFFICIENTS = 2**22, 2**21
"""Most logits and coefficients of the folds that are fitted at once: they bound the memory."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """I(T; Y) ≥ H(Y) − cross-entropy of a linear probe on samples that it was not trained on, in bits.

    ``folds`` of the samples, equal shares of every class, are predicted in turn by a probe trained on the others. It
    minimises cross-entropy (nats) + penalty · ‖coefficients‖²/2 over units standardised on its training samples, without
    penalty of the intercepts. ``penalty`` None chooses for each fold, by the loss of a quarter of its training samples, from
    D / (N s²) with s² between .1 and 10⁵ (N training samples; s² is the variance of a logit that the penalty expects a
    priori), or a probe that ignores the layer, and then trains on all of them: one penalty cannot serve ten units and ten
    thousand. ``steps`` and ``tolerance`` (nats) end a fit. ``permutations`` of the labels, each with its own fits, give the
    null. Time is that of some hundred passes over the layer, for folds · classes logits at once; with a given
    penalty it is a fifth of that.

    Raises ValueError for options out of their domain.
    """

    folds: int = 5
    penalty: float | None = None
    permutations: int = 0
    steps: int = 200
    tolerance: float = 1e-8

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"classifier: folds must be at least 2, not {self.folds}")
        if self.penalty is not None and not (isfinite(self.penalty) and self.penalty > 0):
            raise ValueError(f"classifier: penalty must be positive, not {self.penalty}")
        check_permutations(self.permutations, "classifier")
        if self.steps < 1:
            raise ValueError(f"classifier: steps must be at least 1, not {self.steps}")
        if not (isfinite(self.tolerance) and self.tolerance > 0):
            raise ValueError(f"classifier: tolerance must be positive, not {self.tolerance}")

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        """The bound for each of ``ys``, labels (samples,) or (..., samples).

        Only its expectation is a lower bound: ``raw`` scatters with the standard deviation ``error``, the standard error of
        the mean of the samples' losses, H(Y) being that of the evaluation set; it is negative where the probe does worse
        than the frequencies of the classes. For labels that say nothing its expectation is at most 0 by construction, so
        that no permutations are made by default; asked for, they give ``null`` and, from 19 on, a p-value. Predictions are
        mixed with a little of the uniform distribution, 1 / (N + 1) or the share of classes that occur once in training: a
        class that a training set lacks costs a finite loss.

        Identities: the entropy of the rows, flagged ``deterministic`` and ``saturated``, for no probe could learn them.
        ``rng`` gives seeds of the folds and the permutations: an estimate does not depend on what else is asked for.
        Flags: ``unconverged`` (a fit was ended by ``steps``), ``constant`` (no unit varies: the value is 0), ``few_samples``,
        ``nonfinite`` (also where differences overflow) and ``empty`` (the value is NaN).
        Raises ValueError for other kinds of variables and shapes that do not fit.
        """
        check_kinds(ys, "classifier")
        samples = samples_of(x, "classifier")
        folds, orders = (int(seed) for seed in torch.randint(2**62, (2,), generator=rng, device=rng.device))
        estimates: list[Estimate] = []
        for y in ys:
            chosen = samples.masked_by(y.mask)
            if y.kind == "identity":
                estimates.append(about_identity(samples, y))
                continue
            codes, number = label_codes(chosen, y.values)
            shuffled = permutations(chosen, self.permutations, torch.Generator().manual_seed(orders))
            columns = torch.stack([codes, *(codes.gather(1, order) for order in shuffled)])
            entropy = entropy_of_codes(chosen, codes, number)[0]
            raw = torch.zeros(len(columns), len(entropy), dtype=torch.float64, device=entropy.device)
            errors = torch.zeros_like(entropy)
            unconverged, constant, overflow = (torch.zeros_like(entropy, dtype=torch.bool) for _ in range(3))
            for e, (rows, *labels) in enumerate(chosen.elements(*columns)):
                if not len(rows):
                    continue
                features = Features.of(rows)
                overflow[e], constant[e] = ~features.centre.isfinite().all(), (features.scale == 0).all()
                if overflow[e]:
                    raw[:, e] = torch.nan
                if overflow[e] or constant[e] or entropy[e] == 0:
                    continue
                for k, column in enumerate(labels):
                    losses, converged = _losses(self, features, column, folds)
                    raw[k, e] = entropy[e] - losses.mean()
                    if k == 0:
                        unconverged[e], errors[e] = not converged, losses.std() / len(losses) ** 0.5
            flags = {"unconverged": unconverged, "constant": constant, "nonfinite": overflow | ~finite(chosen)}
            estimates.append(estimate(chosen, raw[0], limit=entropy, error=errors, permuted=list(raw[1:]), flags=flags))
        return tuple(estimates)


@torch.no_grad()
def _losses(options: Classifier, features: Features, labels: Tensor, seed: int) -> tuple[Tensor, bool]:
    """Loss in bits of each sample by a probe that was not trained on it (data,), and whether all probes converged."""
    found, codes = torch.unique(labels, return_inverse=True)
    size, classes = len(codes), len(found)
    folds = min(options.folds, size)
    fold, inner = _split(codes, folds, seed)
    together = max(1, min(_LOGITS // (size * classes), _COEFFICIENTS // (features.width * classes)))
    losses, converged = torch.zeros(size, dtype=torch.float64, device=codes.device), True
    for some in torch.arange(folds, device=codes.device).split(together):
        held = fold == some[:, None]
        task = Task(features, _scales(features, ~held), codes, classes, _equal(~held))
        if options.penalty is None:
            strengths, start = _choose(replace(task, weights=_equal(~held & ~inner)), ~held & inner, options.steps)
            used = strengths > 0
            task = replace(task, scales=torch.cat([task.scales[:, :-1] * used[:, None], task.scales[:, -1:]], 1))
            penalties = _penalty(task, strengths.masked_fill(~used, 1))
        else:
            penalties, start = torch.full_like(task.weights[:, 0], options.penalty), prior(task)
        probe = fit(task, penalties, start, steps=options.steps, tolerance=options.tolerance)
        losses += (_mixed(task, probe.logits) * held).sum(0)
        converged = converged and bool(probe.converged.all())
    return losses / LN2, converged


def _choose(task: Task, kept: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The best variance of a logit for each problem (problems,), by the loss of the samples ``kept`` (problems, data) from
    training, and coefficients to start from; 0 where the frequencies of the classes do best.

    The loss need not have one minimum only, so that weaker penalties are tried until it is ``_WORSE``. The choice of one
    problem does not depend on how others fare, which are tested on what it is trained on and trained on what it is tested on.
    """
    weights = _equal(kept)

    def attempt(strengths: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        probe = fit(task, _penalty(task, strengths), start, steps=steps, tolerance=_ROUGH)
        return probe.coefficients, (_mixed(task, probe.logits) * weights).sum(1)

    coefficients = start = prior(task)
    lowest = (_mixed(task, task.logits(start)) * weights).sum(1)
    best, nothing = torch.ones_like(lowest), torch.ones_like(lowest, dtype=torch.bool)
    ended = ~nothing
    for strength in _STRENGTHS:
        coefficients, loss = attempt(torch.full_like(lowest, strength), coefficients)
        better = (loss < lowest - _ROUGH) & ~ended
        lowest, best, nothing = torch.where(better, loss, lowest), best.masked_fill(better, strength), nothing & ~better
        start = torch.where(better[:, None, None], coefficients, start)
        ended = ended | (loss > lowest + _WORSE)
        if bool(ended.all()):
            break
    # A parabola through the losses of three penalties, half powers of ten apart.
    below, above = (attempt(best * 10**side, start)[1] for side in (-0.5, 0.5))
    bend = below - 2 * lowest + above
    side = torch.where(bend > 0, (below - above) / (4 * bend), 0).clamp(-0.5, 0.5)
    return (best * 10**side).masked_fill(nothing, 0), start


def _penalty(task: Task, strengths: Tensor) -> Tensor:
    """The penalties (problems,) that expect logits of variance ``strengths`` a priori."""
    samples = (task.weights > 0).sum(1).clamp(min=1)
    return (task.features.width - 1) / (samples * strengths)


def _split(codes: Tensor, folds: int, seed: int) -> tuple[Tensor, Tensor]:
    """Fold of each sample, equal shares of every class, and whether it chooses the penalty where it is trained on (data,)."""
    keys = torch.rand(len(codes), generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(codes.device)
    order = keys.argsort()
    order = order[codes[order].argsort(stable=True)]
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    return rank % folds, rank // folds % _INNER == 0


def _equal(members: Tensor) -> Tensor:
    """Equal weights of ``members`` (problems, data), whose sum is 1; of none 0."""
    return members / members.sum(1, keepdim=True, dtype=torch.float64).clamp(min=1)


def _scales(features: Features, training: Tensor) -> Tensor:
    """What makes the variance of each unit 1 on the ``training`` samples (problems, units + 1); 0 for units that do not vary.

    With them it does not matter that ``features`` were standardised over all samples: their centre goes into the intercepts.
    """
    weights = _equal(training)
    mean, square = (torch.zeros(len(weights), features.width, dtype=torch.float64, device=weights.device) for _ in range(2))
    for part in features.blocks():
        block = features.block(part)
        mean.addmm_(weights[:, part], block)
        square.addmm_(weights[:, part], block.square())
    variance = square - mean.square()
    scales = torch.where(variance > _ROUNDING, variance.clamp(min=_ROUNDING).rsqrt(), 0)
    scales[:, -1] = 1
    return scales


def _mixed(task: Task, logits: Tensor) -> Tensor:
    """Losses in nats (problems, data) of predictions that are mixed with the uniform distribution.

    Its part is (1 + samples whose class occurs once) / (1 + samples) of the training set, near the probability that the next
    sample is of another class (Good 1953).
    """
    training = (task.weights > 0).double()
    counts = training.new_zeros(len(training), task.classes).index_add_(1, task.codes, training)
    part = (1 + (counts == 1).sum(1)) / (1 + counts.sum(1))
    return -((1 - part[:, None]) * (-task.losses(logits)).exp() + part[:, None] / task.classes).log()
