"""Data whose mutual information is known: independent replicas as a leading dimension, the truth in bits.

Everything is drawn from generators of its own, so that no global random state is touched and every run sees the same data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import e, log, log2, pi, sqrt

import torch
from torch import Tensor

from ibmon.tensors import Variable

LN2 = log(2)
EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Case:
    """``x`` and ``y`` of shape (replicas, samples, ...), and ``truth`` = I(x; y) in bits.

    ``of_samples`` (replicas,) is the mean over the samples drawn of log2 p(y | x) / p(y), whose expectation is the truth:
    most of an estimate's scatter is that of the samples, and an error against this mean is free of it.
    """

    name: str
    x: Variable
    y: Variable
    truth: float
    of_samples: Tensor


def generator(seed: int) -> torch.Generator:
    """A generator on the CPU, which is what estimators are given."""
    return torch.Generator().manual_seed(seed)


def gaussian(rho: float, *, samples: int, replicas: int, seed: int = 1) -> Case:
    """Two standard normal columns of correlation ``rho``: I = −½ log2(1 − ρ²)."""
    rng = generator(seed)
    x, noise = _normal(rng, replicas, samples, 1), _normal(rng, replicas, samples, 1)
    y = rho * x + sqrt(1 - rho**2) * noise
    truth = -0.5 * log2(1 - rho**2) + 0.0
    return _case(f"Gaussian of correlation {rho:g}", x, y, truth, truth + (y.square() - noise.square()) / 2 / LN2)


def gaussian_columns(*, samples: int, replicas: int, seed: int = 1) -> Case:
    """x of two independent standard normal columns, y their sum plus standard normal noise: I = ½ log2 3."""
    rng = generator(seed)
    x, noise = _normal(rng, replicas, samples, 2), _normal(rng, replicas, samples, 1)
    y = x.sum(-1, keepdim=True) + noise
    truth = 0.5 * log2(3)
    return _case("a sum of two Gaussian columns", x, y, truth, truth + (y.square() / 3 - noise.square()) / 2 / LN2)


def gamma_exponential(shape: int, *, samples: int, replicas: int, seed: int = 1) -> Case:
    """X ~ Gamma(θ, 1) and Y | X ~ Exp(rate X): I = ψ(θ + 1) − ln θ nats (Darbellay & Vajda 2000; Kraskov et al. 2004).

    p(y | x) = x e^(−xy) and p(y) = θ / (1 + y)^(θ + 1).
    """
    rng = generator(seed)
    x = sum((_exponential(rng, replicas, samples, 1) for _ in range(shape)), torch.zeros((), dtype=torch.float64))
    y = _exponential(rng, replicas, samples, 1) / x
    digamma = sum(1 / i for i in range(1, shape + 1)) - EULER
    ratio = x.log() - x * y - log(shape) + (shape + 1) * (1 + y).log()
    return _case(f"gamma-exponential of shape {shape}", x, y, (digamma - log(shape)) / LN2, ratio / LN2)


def uniform_noise(width: float, *, samples: int, replicas: int, seed: int = 1) -> Case:
    """X uniform on [0, 1], Y = X + U with U uniform on [0, a]: I = a/2 − ln a nats for a ≤ 1, else 1/(2a).

    h(Y | X) = ln a, and the trapezoidal density of Y has entropy a/2 for a ≤ 1 and ln a + 1/(2a) beyond.
    """
    rng = generator(seed)
    x, noise = _uniform(rng, replicas, samples, 1), _uniform(rng, replicas, samples, 1)
    y = x + width * noise
    nats = width / 2 - log(width) if width <= 1 else 1 / (2 * width)
    density = (y.clamp(max=1) - (y - width).clamp(min=0)) / width
    return _case(f"uniform noise of width {width:g}", x, y, nats / LN2, -(width * density).log2())


def gaussian_classes(means: Sequence[float], counts: Sequence[int], *, replicas: int, seed: int = 1) -> Case:
    """``counts`` samples of each class, x standard normal around the ``means``; the truth by quadrature of the mixture."""
    rng = generator(seed)
    labels = _shuffled_labels(rng, counts, replicas)
    centres = torch.tensor(means, dtype=torch.float64)
    weights = torch.tensor(counts, dtype=torch.float64) / sum(counts)
    x = centres[labels][..., None] + _normal(rng, *labels.shape, 1)

    def mixture(values: Tensor) -> Tensor:
        return (weights * (-(values - centres).square() / 2).exp()).sum(-1) / sqrt(2 * pi)

    grid = torch.linspace(min(means) - 12, max(means) + 12, 40001, dtype=torch.float64)
    entropy = torch.special.entr(mixture(grid[:, None])).sum() * (grid[1] - grid[0]) / LN2
    own = -(x[..., 0] - centres[labels]).square() / 2 - log(sqrt(2 * pi))
    ratio = own / LN2 - mixture(x).log2()
    return _case(f"{len(means)} Gaussian classes", x, labels, float(entropy) - 0.5 * log2(2 * pi * e), ratio)


def disjoint_classes(*, samples: int, replicas: int, seed: int = 1) -> Case:
    """Two equally frequent classes, x uniform on intervals that do not meet: I = 1 bit."""
    rng = generator(seed)
    labels = _shuffled_labels(rng, (samples // 2, samples // 2), replicas)
    x = 2 * labels[..., None] + _uniform(rng, *labels.shape, 1)
    return _case("two classes apart", x, labels, 1.0)


def independent(*, samples: int, replicas: int, classes: int = 0, seed: int = 1) -> Case:
    """x normal; y exponential, or so many equally frequent ``classes``: I = 0."""
    rng = generator(seed)
    x = _normal(rng, replicas, samples, 1)
    if classes:
        return _case("independent classes", x, _shuffled_labels(rng, [samples // classes] * classes, replicas), 0.0)
    return _case("independent variables", x, _exponential(rng, replicas, samples, 1), 0.0)


def counted(name: str, cells: Sequence[tuple[int, int, int]], truth: float, *, seed: int = 1) -> Case:
    """One data set of labels (x, y) that occur exactly ``cells`` = (x, y, count) often, in random order."""
    rows = [(x, y) for x, y, count in cells for _ in range(count)]
    pairs = torch.tensor(rows)[torch.randperm(len(rows), generator=generator(seed))]
    return _case(name, pairs[None, :, 0], pairs[None, :, 1], truth)


def exact_counts(samples: int = 4000) -> list[Case]:
    """Labels in exact proportions: two bits and their exclusive or, and the binary symmetric channel that flips a tenth."""
    quarter, few, many = samples // 4, samples // 20, 9 * samples // 20
    bits = [(a, b) for a in (0, 1) for b in (0, 1)]
    return [
        counted("A against A xor B", [(a, a ^ b, quarter) for a, b in bits], 0.0),
        counted("(A, B) against A xor B", [(2 * a + b, a ^ b, quarter) for a, b in bits], 1.0),
        counted(
            "a channel that flips a tenth",
            [(a, b, many if a == b else few) for a, b in bits],
            1 + 0.1 * log2(0.1) + 0.9 * log2(0.9),
        ),
    ]


def noisy_channel(*, samples: int, replicas: int, seed: int = 1) -> Case:
    """Fair bits through a channel that flips a tenth of them, drawn at random."""
    rng = generator(seed)
    x = (_uniform(rng, replicas, samples) < 0.5).long()
    flips = _uniform(rng, replicas, samples) < 0.1
    ratio = torch.where(flips, log2(0.2), log2(1.8)).double()
    return _case("a noisy channel", x, x ^ flips.long(), 1 + 0.1 * log2(0.1) + 0.9 * log2(0.9), ratio)


def example(
    kind: str, *, part: int = 0, samples: int = 120, batch: tuple[int, ...] = (), units: int = 2, seed: int = 0
) -> Variable:
    """A variable of a ``kind``; those of the same ``seed`` and shape depend on each other, whatever their ``part`` is.

    They share four hidden classes: ``continuous`` is Gaussian around one of four corners (float64, standard deviation of a
    class 0.15), ``labels`` is the class, one in five replaced at random, ``identity`` numbers the samples.
    """
    hidden = torch.randint(0, 4, (*batch, samples), generator=generator(1000 + seed))
    rng = generator(2000 + 10 * seed + part)
    if kind == "continuous":
        corners = torch.stack([hidden % 2, hidden // 2], -1)[..., [i % 2 for i in range(units)]]
        return Variable.continuous(0.3 * (2 * corners - 1) + 0.15 * _normal(rng, *hidden.shape, units))
    if kind == "labels":
        other = torch.randint(0, 4, hidden.shape, generator=rng)
        return Variable.labels(torch.where(_uniform(rng, *hidden.shape) < 0.2, other, hidden))
    return Variable.identity(samples)


def _case(name: str, x: Tensor, y: Tensor, truth: float, ratio: Tensor | None = None) -> Case:
    """``ratio`` are log2 p(y | x) / p(y) of the samples, where they are not all the truth."""
    of_samples = torch.full((len(x),), truth, dtype=torch.float64) if ratio is None else ratio.reshape(len(x), -1).mean(1)
    both = [Variable.continuous(v) if v.is_floating_point() else Variable.labels(v) for v in (x, y)]
    return Case(name, both[0], both[1], truth, of_samples)


def _normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def _uniform(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=rng, dtype=torch.float64)


def _exponential(rng: torch.Generator, *shape: int) -> Tensor:
    return -(1 - _uniform(rng, *shape)).log()  # 1 − u is never 0


def _shuffled_labels(rng: torch.Generator, counts: Sequence[int], replicas: int) -> Tensor:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(list(counts)))
    return labels[torch.rand(replicas, len(labels), generator=rng).argsort(-1)]
