"""Part of ``accuracy.py``: how far the estimators are from the truth, by dimension and by samples, and its picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from math import exp, lgamma, log, sqrt
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy_tables import Numbers, read, table, unclipped
from numpy.typing import NDArray

from ibmon import Estimator, Variable
from ibmon_estimators.binning import Binning
from ibmon_estimators.classifier import Classifier
from ibmon_estimators.copula import Copula
from ibmon_estimators.gaussian import Gaussian
from ibmon_estimators.kde import KDE
from ibmon_estimators.ksg import KSG
from ibmon_estimators.ross import Ross
from ibmon_estimators.sample_propagation import SamplePropagation

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "estimator-error.png"
LN2 = log(2)

SIZES, SEEDS, NULLS = (250, 1000, 4000), 20, 5
"""Samples; independent draws of each; permutations of the labels behind a null."""
PICTURED = 1000
NOISE, CENTRES = 0.7, 4
"""Standard deviation of the classes in every unit, and how many there are, at 0, 1, 2, 3 along the first."""
RELATIVE = 0.1
KERNEL, PROPAGATION = (f"{name}:variance={RELATIVE},relative=true" for name in ("kde", "sample-propagation"))

Draw = Callable[[np.random.Generator, int], tuple[Numbers, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Case:
    """A distribution with its information in bits; ``draw(rng, samples)`` gives x (samples, dims), and y or labels.

    ``surrogates``: information of what binning and kernels estimate in its stead, by estimator.
    """

    name: str
    dims: int
    truth: float
    draw: Draw
    surrogates: Mapping[str, float] = field(default_factory=dict[str, float])
    pictured: bool = False


def pairs() -> list[Case]:
    """Continuous distributions whose information is known in closed form."""

    def gaussian(dims: int, change: Callable[[Numbers], Numbers] = lambda x: x) -> Draw:
        rho = sqrt(1 - exp(-2 / dims))

        def draw(rng: np.random.Generator, samples: int) -> tuple[Numbers, Numbers]:
            x, z = rng.standard_normal((2, samples, dims))
            return change(x), change(rho * x + sqrt(1 - rho**2) * z)

        return draw

    def student(freedom: int) -> Draw:
        def draw(rng: np.random.Generator, samples: int) -> tuple[Numbers, Numbers]:
            x, y = rng.standard_normal((2, samples, 1)) / np.sqrt(rng.chisquare(freedom, (samples, 1)) / freedom)
            return x, y

        return draw

    def gamma_exponential(shape: int) -> Draw:
        def draw(rng: np.random.Generator, samples: int) -> tuple[Numbers, Numbers]:
            x = rng.gamma(shape, size=(samples, 1))
            return x, rng.exponential(size=(samples, 1)) / x

        return draw

    def student_nats(v: float) -> float:
        def term(k: float) -> float:
            return lgamma(k / 2) - k / 2 * digamma(k / 2)

        return term(v) + term(v + 2) - 2 * term(v + 1)  # Czyż et al. 2023, for uncorrelated x and y

    cases = [Case(f"Gaussian, d = {d}", d, 1 / LN2, gaussian(d), pictured=True) for d in (1, 2, 3, 5, 10, 20)]
    cases.append(Case("wiggly Gaussian, d = 1", 1, 1 / LN2, gaussian(1, wiggly)))
    cases.append(Case("half-cube Gaussian, d = 1", 1, 1 / LN2, gaussian(1, half_cube)))
    cases += [Case(f"Student t, ν = {v}", 1, student_nats(v) / LN2, student(v)) for v in (1, 2, 3)]
    cases += [Case(f"gamma-exponential, θ = {t}", 1, (digamma(t + 1) - log(t)) / LN2, gamma_exponential(t)) for t in (1, 2, 3)]
    return cases


def digamma(x: float) -> float:
    return float(torch.special.digamma(torch.tensor(x, dtype=torch.float64)))


def wiggly(x: Numbers) -> Numbers:
    """A strictly increasing function with bends, of Czyż et al. 2023."""
    return x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1) + 0.03 * np.sin(3.3 * x - 2.5)


def half_cube(x: Numbers) -> Numbers:
    """A strictly increasing function that lengthens tails."""
    return x * np.sqrt(np.abs(x))


def classes() -> list[Case]:
    """Classes as mixtures of round Gaussians, in few informative units beside others that say nothing."""
    line = [[(float(c),)] for c in range(CENTRES)]
    exclusive = [[(1.0, 1.0), (-1.0, -1.0)], [(1.0, -1.0), (-1.0, 1.0)]]
    cases = [_mixture(f"{CENTRES} classes on a line, d = {d}", line, d, pictured=True) for d in (1, 2, 5, 10, 20)]
    return [*cases, _mixture("2 classes, exclusive or, d = 2", exclusive, 2)]


def _mixture(name: str, centres: list[list[tuple[float, ...]]], dims: int, *, pictured: bool = False) -> Case:
    """``centres`` (classes, equally likely) of (components, equally likely) in the informative units."""
    inside = np.array(centres)  # (classes, components, informative)

    def draw(rng: np.random.Generator, samples: int) -> tuple[Numbers, NDArray[Any]]:
        labels = rng.integers(len(inside), size=samples)
        x = NOISE * rng.standard_normal((samples, dims))
        x[:, : inside.shape[2]] += inside[labels, rng.integers(inside.shape[1], size=samples)]
        return x, labels

    def cells(edges: Numbers) -> Numbers:
        below = torch.special.ndtr(torch.from_numpy((edges - inside[..., None]) / NOISE)).numpy()
        return np.diff(below, prepend=0, append=1)

    def density(noise: float) -> Numbers:
        points = np.linspace(inside.min() - 9 * noise, inside.max() + 9 * noise, 600)
        return np.exp(-0.5 * ((points - inside[..., None]) / noise) ** 2)

    fine = np.linspace(-8, 10, 200_001)
    mass = torch.special.ndtr(torch.from_numpy((fine - inside[..., :1].reshape(-1, 1)) / NOISE)).mean(0).numpy()
    variance = RELATIVE * (dims * NOISE**2 + float(inside.reshape(-1, inside.shape[2]).var(0).sum()))
    noisy = _information(density(sqrt(NOISE**2 + variance)))
    surrogates = {
        "binning:width=0.5": _information(cells(np.arange(-8, 10, 0.5))),
        "binning:quantile=8": _information(cells(np.interp(np.arange(1, 8) / 8, mass, fine))),
        KERNEL: noisy,
        PROPAGATION: noisy,
    }
    return Case(name, dims, _information(density(NOISE)), draw, surrogates, pictured)


def _information(single: Numbers) -> float:
    """Bits, from the probabilities ``single`` (classes, components, informative, cells) of the units of each component.

    Densities at equally spaced points do as well: that is the trapezoidal rule, exact to rounding for Gaussians.
    """
    first = single[:, :, 0]
    joint = first.mean(1) if single.shape[2] == 1 else np.einsum("cki,ckj->cij", first, single[:, :, 1])
    joint = joint.reshape(len(joint), -1)
    joint = joint / joint.sum(1, keepdims=True) / len(joint)
    independent = joint.sum(0) / len(joint)
    ratio = np.divide(joint, independent, out=np.ones_like(joint), where=joint > 0)
    return float((joint * np.log2(ratio)).sum())


OF_PAIRS: dict[str, Estimator] = {
    "ksg": KSG(permutations=0),
    "ksg:algorithm=2": KSG(algorithm=2, permutations=0),
    "gaussian": Gaussian(),
    "copula": Copula(),
}
OF_CLASSES: dict[str, Estimator] = {
    "ross": Ross(permutations=NULLS),
    "classifier": Classifier(permutations=NULLS),
    "binning:width=0.5": Binning(width=0.5, permutations=NULLS),
    "binning:quantile=8": Binning(quantile=8, permutations=NULLS),
    KERNEL: KDE(RELATIVE, relative=True, permutations=NULLS),
    PROPAGATION: SamplePropagation(RELATIVE, relative=True, permutations=NULLS),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one estimator on one case: ``error`` (seeds,) in bits before clipping, the mean ``null``, and its flags."""

    error: Numbers
    null: float
    flags: frozenset[str]

    def cell(self) -> str:
        """Bias and standard deviation; a dagger where the estimator says itself that something is the matter."""
        return f"{self.error.mean():+.3f} ± {self.error.std(ddof=1):.3f}" + (" †" if self.flags else "")


class Errors:
    """Every estimator on every case at every size."""

    def __init__(self) -> None:
        self.pairs, self.classes = pairs(), classes()
        self.readings: dict[tuple[str, str, int], Reading] = {}
        jobs = [(number, size) for size in reversed(SIZES) for number in range(len(self.pairs) + len(self.classes))]
        with ProcessPoolExecutor(2, get_context("spawn"), torch.set_num_threads, (1,)) as processes:
            for found in processes.map(measure, *zip(*jobs, strict=True)):
                self.readings |= found

    def markdown(self) -> str:
        """The tables of errors, of nulls, and of what surrogates estimate."""
        return "\n\n".join(
            [
                "Continuous variables: estimate − truth, bits.",
                self._cells(self.pairs, list(OF_PAIRS), Reading.cell),
                "A layer and its classes: estimate − I(T;Y), bits.",
                self._cells(self.classes, list(OF_CLASSES), Reading.cell),
                f"Their null: the mean over {NULLS} permutations of the labels and {SEEDS} draws, bits.",
                self._cells(self.classes, list(OF_CLASSES), lambda reading: f"{reading.null:.3f}"),
                "What binning and kernels estimate in place of I(T;Y), by quadrature, bits.",
                self._surrogates(),
            ]
        )

    def _cells(self, cases: Sequence[Case], names: Sequence[str], cell: Callable[[Reading], str]) -> str:
        rows = [
            [case.name, f"{case.truth:.3f}", str(size), *(cell(self.readings[case.name, name, size]) for name in names)]
            for case in cases
            for size in SIZES
        ]
        return table(("case", "truth", "N", *(f"`{name}`" for name in names)), rows, right=1)

    def _surrogates(self) -> str:
        names = list(self.classes[0].surrogates)[:3]
        rows = [(c.name, f"{c.truth:.3f}", *(f"{c.surrogates[n]:.3f}" for n in names)) for c in self.classes]
        heads = [f"`{name}`" for name in names[:2]] + [f"noise of variance {RELATIVE} tr Cov"]
        return table(("case", "I(T;Y)", *heads), rows, right=1)


def measure(number: int, size: int) -> dict[tuple[str, str, int], Reading]:
    """The readings of all estimators on one case: its ``number`` in the list of pairs and classes."""
    continuous, labelled = pairs(), classes()
    case, is_pair = [*continuous, *labelled][number], number < len(continuous)
    drawn = [case.draw(np.random.default_rng([number, size, seed]), size) for seed in range(SEEDS)]
    x, y = (torch.from_numpy(np.stack(values)) for values in zip(*drawn, strict=True))
    other = Variable.continuous(y) if is_pair else Variable.labels(y)
    estimators = OF_PAIRS if is_pair else OF_CLASSES
    return {
        (case.name, name, size): _reading(estimator, Variable.continuous(x), other, case.truth)
        for name, estimator in estimators.items()
    }


def _reading(estimator: Estimator, x: Variable, y: Variable, truth: float) -> Reading:
    (estimate,) = read(estimator, x, y)
    flags = frozenset(name for name, raised in estimate.flags.items() if bool(raised.any()))
    error = unclipped(estimate).double().numpy() - truth
    return Reading(error, float("nan") if estimate.null is None else float(estimate.null.mean()), flags)


COLOURS = ("#0072B2", "#D98200", "#009E73", "#CC5C9A", "#5B4FC9", "#D55E00")
MARKERS, GREY = "osD^vP", "#5F6B76"
SHORT = {
    "binning:width=0.5": "binning, width .5",
    "binning:quantile=8": "binning, quantiles",
    "ksg:algorithm=2": "ksg, algorithm 2",
}


def draw(errors: Errors) -> None:
    """Errors against dimension, one column wide, with the text and the colours of the exports."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "font.size": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
    }
    with rc_context({**style, "axes.spines.right": False, "axes.titlesize": 8}):
        figure = Figure(figsize=(3.4, 5.0), dpi=300)
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2)
        _panel(above, errors, errors.pairs, list(OF_PAIRS), "a   Gaussian pairs, I(x;y) =", "dimensions d of x and of y")
        _panel(below, errors, errors.classes, list(OF_CLASSES), "b   layer and classes, I(T;Y) =", "units d of the layer")
        figure.subplots_adjust(left=0.185, right=0.67, top=0.955, bottom=0.085, hspace=0.42)
        figure.savefig(PICTURE)


def _panel(axes: Any, errors: Errors, cases: Sequence[Case], names: Sequence[str], title: str, label: str) -> None:
    chosen = [case for case in cases if case.pictured]
    dims = [case.dims for case in chosen]
    axes.axhline(0, color="#333B43", linewidth=0.6)
    ends: list[tuple[float, str, str]] = []
    for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
        error = np.array([errors.readings[case.name, name, PICTURED].error for case in chosen])
        mean, spread = error.mean(1), error.std(1, ddof=1)
        axes.fill_between(dims, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
        axes.plot(dims, mean, color=colour, marker=marker, markersize=3.2, linewidth=1, clip_on=False)
        ends.append((float(mean[-1]), SHORT.get(name, name.partition(":")[0]), colour))
    if any(case.surrogates for case in chosen):
        noisy = [case.surrogates[KERNEL] - case.truth for case in chosen]
        axes.plot(dims, noisy, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
        ends.append((noisy[-1], "I(T+Z;Y) itself", GREY))
    axes.set(xscale="log", xlabel=label, ylabel="estimate − truth (bits)")
    axes.set_title(f"{title} {chosen[0].truth:.2f} bits", loc="left", x=-0.33)
    axes.set_xticks(dims, [str(d) for d in dims])
    axes.minorticks_off()
    low, high = axes.get_ylim()
    places = _apart([end for end, _, _ in ends], 0.08 * (high - low))
    for (end, text, colour), place in zip(ends, places, strict=True):
        _label(axes, text, colour, dims[-1], end, place)


def _label(axes: Any, text: str, colour: str, x: float, end: float, place: float) -> None:
    """A name beside the end of its line, with a thin line where it had to move."""
    line = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
    style: dict[str, Any] = {"color": colour, "fontsize": 7, "va": "center", "annotation_clip": False}
    axes.annotate(text, (x, end), (x * 1.3, place), arrowprops=line, **style)


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """The values, moved as little as keeps them ``gap`` apart in their order."""
    order = np.argsort(values, kind="stable")
    places = np.array(values, dtype=float)[order]
    for _ in range(200):
        for i in range(len(places) - 1):
            short = gap - (places[i + 1] - places[i])
            if short > 1e-9:
                places[i] -= short / 2
                places[i + 1] += short / 2
    apart = np.empty(len(places))
    apart[order] = places
    return apart.tolist()
