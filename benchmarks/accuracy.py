"""How far the estimators are from other people's values, and from the truth: ``python benchmarks/accuracy.py``.

Prints Markdown: the largest difference to each published value of the reference folder (``--oracle``, ``$IBMON_ORACLE``, or
``../shared/oracle`` beside the checkout), and errors on distributions whose information is known. ``--write`` puts the tables
into ``docs/estimators.md``, between their markers, and draws ``docs/images/estimator-error.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from math import exp, lgamma, log, pi, sqrt
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ibmon import Estimate, Estimator, Variable
from ibmon.capture.gradients import GradientWindow
from ibmon_estimators.binning import Binning
from ibmon_estimators.classifier import Classifier
from ibmon_estimators.copula import Copula
from ibmon_estimators.discrete import Discrete
from ibmon_estimators.gaussian import Gaussian
from ibmon_estimators.kde import KDE, kde_information
from ibmon_estimators.ksg import KSG
from ibmon_estimators.renyi import Renyi
from ibmon_estimators.ross import Ross
from ibmon_estimators.sample_propagation import SamplePropagation

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / "docs" / "estimators.md", ROOT / "docs" / "images" / "estimator-error.png"
LN2 = log(2)
Numbers = NDArray[np.float64]


def main() -> None:
    """Print both parts, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description="How far the estimators are from other people's values, and from the truth.")
    parser.add_argument("--oracle", type=Path, default=Path(os.environ.get("IBMON_ORACLE") or ROOT.parent / "shared" / "oracle"))
    parser.add_argument("--write", action="store_true", help="update docs/estimators.md and its picture")
    options = parser.parse_args()
    began = time.perf_counter()
    torch.set_num_threads(1)
    texts: dict[str, str] = {}
    if options.oracle.is_dir():
        texts["parity"] = parity(options.oracle)
        print(texts["parity"], end="\n\n", flush=True)
    else:
        print(f"no reference values in {options.oracle}", file=sys.stderr)
    errors = Errors()
    texts["errors"] = errors.markdown()
    print(texts["errors"])
    if options.write:
        write(texts)
        draw(errors)
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)


def write(texts: Mapping[str, str]) -> None:
    """Replace what is between the markers of the page."""
    page = PAGE.read_text()
    for name, text in texts.items():
        before, opened, rest = page.partition(f"<!-- {name} -->")
        _, closed, after = rest.partition(f"<!-- /{name} -->")
        if not closed:
            raise SystemExit(f"{PAGE} has no <!-- {name} --> and <!-- /{name} --> after it")
        page = f"{before}{opened}\n{text}\n{closed}{after}"
    PAGE.write_text(page)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> str:
    """A Markdown table, whose columns from ``right`` on are numbers."""
    rule = "|".join("--:" if i >= right else ":--" for i in range(len(head)))
    first, *rest = ("| " + " | ".join(row) + " |" for row in (head, *rows))
    return "\n".join([first, f"|{rule}|", *rest])


def read(estimator: Estimator, x: Variable, *ys: Variable, seed: int = 0) -> tuple[Estimate, ...]:
    """The estimates of one call."""
    return estimator(x, ys, rng=torch.Generator().manual_seed(seed))


def unclipped(estimate: Estimate) -> Tensor:
    """What the estimator computed, before it was clipped to what is possible."""
    return estimate.value if estimate.raw is None else estimate.raw


# Part 1: other people's values


@dataclass(frozen=True, slots=True)
class Parity:
    """Differences in bits by (quantity, our estimator, whose values), and how many values were not compared, and why."""

    rows: dict[tuple[str, str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    left_out: Counter[str] = field(default_factory=Counter[str])
    remarks: dict[str, str] = field(default_factory=dict[str, str])
    """On the largest differences of a quantity."""

    def add(self, row: tuple[str, str, str], found: Sequence[Tensor | float | None], published: Any) -> None:
        """Compare every value with that which is published."""
        for ours, theirs in zip(found, np.atleast_1d(np.asarray(published, dtype=float)), strict=True):
            assert ours is not None
            self.rows[row].append(abs(float(ours) - float(theirs)))

    def markdown(self) -> str:
        """The table, and below it what it leaves out."""
        said = {quantity: f" ({remark})" for quantity, remark in self.remarks.items()}
        quantities = list(dict.fromkeys(row[0] for row in self.rows))
        ordered = sorted(self.rows.items(), key=lambda row: quantities.index(row[0][0]))
        rows = [(*row, str(len(d)), f"{np.max(d):.1e}".replace("0.0e+00", "0") + said.get(row[0], "")) for row, d in ordered]
        text = table(("quantity", "ours", "values of", "values", "largest difference"), rows, right=3)
        left = "; ".join(f"{number} of {why}" for why, number in sorted(self.left_out.items()))
        return f"{text}\n\nOf the values in the folder there were not compared: {left}."


def parity(oracle: Path) -> str:
    """Every value of the reference folder beside ours."""
    table = Parity()
    compare_binning(table, oracle)
    compare_kernels(table, oracle)
    compare_neighbours(table, oracle)
    compare_rest(table, oracle)
    versions = json.loads((oracle / "mutual_information" / "fixed_peers.json").read_text())["versions"]
    return f"{table.markdown()}\nVersions: {', '.join(f'{name} {version}' for name, version in versions.items())}."


def _layers(oracle: Path) -> dict[str, tuple[Tensor, Tensor]]:
    stored = np.load(oracle / "information_plane" / "inputs.npz")
    cases = [key.removesuffix("/T") for key in stored.files if key.endswith("/T")]
    return {case: (torch.from_numpy(stored[f"{case}/T"]), torch.from_numpy(stored[f"{case}/y"])) for case in cases}


def compare_binning(parity: Parity, oracle: Path) -> None:
    """The conventions of five programs, on nine layers; and the formulas themselves on one that saturates."""
    layers, published = _layers(oracle), np.load(oracle / "information_plane" / "binning.npz")
    quantity = "binned I(X;T), I(T;Y)"
    for key in published.files:
        case, what, parameter = key.split("/", 2)
        (values, labels), expected = layers[case], np.atleast_1d(published[key])
        expected = expected / LN2 if "nats" in what else expected
        number = int("".join(re.findall(r"\d+", parameter.partition("_")[0])) or 0) if "exactib" in what else 0
        if "quantized" in what or "adaptive" in parameter:
            parity.left_out["exactib: quantised networks, and quantiles of another definition"] += len(expected)
            continue
        if what == "ibsgd_bin2_nats":
            ours, whose, options = "binning:width=W", "ibsgd", Binning(width=float(parameter))
        elif what == "ibsgd_bin1_IXT_nats":
            ours, whose, options = "binning:edges=N", "ibsgd", Binning(edges=int(parameter))
        elif what == "idnns_IXT_ITY_bits":
            ours, whose, options = "binning:edges=N", "IDNNs", Binning(edges=int(parameter))
        elif what == "stevenliuyi_IXT_ITY_nats":
            ours, whose, options = "binning:edges=N+1", "stevenliuyi", Binning(edges=int(parameter) + 1)
        elif parameter.endswith("_fixed(-1,1)"):
            ours, whose, options = "binning:edges=N+1", "exactib, uniform, fixed", Binning(edges=number + 1)
        else:
            ours, whose, options = "binning:range=observed", "exactib, uniform, layer", Binning(range="observed", bins=number)
            if parameter.endswith("_neuron"):
                ours, whose = "binning:range=observed, each unit scaled to [0, 1]", "exactib, uniform, neuron"
                low, high = values.double().amin(0), values.double().amax(0)
                values = (values.double() - low) / (high - low)
        found = read(options, Variable.continuous(values), Variable.identity(len(values)), Variable.labels(labels))
        parity.add((quantity, ours, whose), [e.value for e in found][: len(expected)], expected)

    stored = np.load(oracle / "mutual_information" / "binning.npz")
    for name, expected in _fixed(oracle)["binning"]["values"].items():
        _, gain, convention = name.split("_")
        values = np.tanh(float(gain[1:]) * (stored["inputs"] @ stored["W"]))
        if convention.startswith("width"):
            row, options = "binning:width=W", Binning(width=float(convention[5:]))
        else:  # theirs closes the last cell; in ours t = 1 is a cell of its own, and the number below 1 belongs to the last
            row, options = "binning:edges=N+1, t = 1 moved below 1", Binning(edges=int(convention[2:]) + 1)
            values = np.minimum(values, np.nextafter(1, 0))
        labels = Variable.labels(torch.from_numpy(stored["y"]))
        found = read(options, Variable.continuous(torch.from_numpy(values)), Variable.identity(len(values)), labels)
        theirs = np.array([expected["I_XT"], expected["I_TY"]]) / LN2
        parity.add((quantity, row, "formulas, numpy"), [e.value for e in found], theirs)


def compare_kernels(parity: Parity, oracle: Path) -> None:
    """Kernel bounds of nine layers in float64 and float32, of two fixed cases, and matrix-based Rényi information."""
    layers = _layers(oracle)
    bounds, entropies = "I(X;T+Z), both bounds; I(T+Z;Y), both estimates", "H(T+Z), both bounds; H(Z)"
    for file, whose in (("kde_tf64.npz", "ibsgd, float64"), ("kde_np64.npz", "numpy port, float64")):
        published = np.load(oracle / "information_plane" / file)
        for dtype in (torch.float64, torch.float32):
            for key in published.files:
                case, what, variance = key.split("/")
                values, labels = layers[case]
                name = f"kde:variance=V,dtype={str(dtype).removeprefix('torch.')}"
                if what == "IXT_up_IXT_lo_ITY_up_ITY_lo_bits":
                    found = kde_information(values, [labels], variance=float(variance), dtype=dtype)
                    four = [found.upper, found.lower, found.labels[0].kl, found.labels[0].bhattacharyya]
                    parity.add((bounds, name, whose), four, published[key])
                elif dtype == torch.float64:
                    noise = values.shape[1] / 2 * (log(2 * pi * float(variance)) + 1) / LN2
                    entropy = KDE(variance=float(variance), dtype="float64").entropy(Variable.continuous(values), rng=_rng())
                    parity.add((entropies, name, whose), [entropy.upper, entropy.lower, noise], published[key] / LN2)

    stored, fixed = np.load(oracle / "mutual_information" / "kde_bounds.npz"), _fixed(oracle)["kde_bounds"]
    row, values = ("kde:variance=V,dtype=float64", "formulas, numpy"), torch.from_numpy(stored["x1d"])
    sigmas: list[float] = []
    for variance, expected in fixed["one_d"].items():
        found = kde_information(values, variance=float(variance), dtype=torch.float64)
        entropy = KDE(variance=float(variance), dtype="float64").entropy(Variable.continuous(values), rng=_rng())
        theirs = np.array([expected[k] for k in ("I_upper", "I_lower", "H_upper_kl", "H_lower_bd")]) / LN2
        parity.add((bounds, *row), [found.upper, found.lower], theirs[:2])
        parity.add((entropies, *row), [entropy.upper, entropy.lower], theirs[2:])
        monte_carlo = SamplePropagation(variance=float(variance), draws=100, permutations=0)
        (estimate,) = read(monte_carlo, Variable.continuous(values), Variable.identity(len(values)))
        truth = expected["I_true"] / LN2
        parity.add(("I(X;T+Z)", "sample-propagation:variance=V,draws=100", "quadrature"), [estimate.value], truth)
        assert estimate.error is not None
        sigmas.append(abs(float(estimate.value) - truth) / float(estimate.error))
    parity.remarks["I(X;T+Z)"] = f"at most {max(sigmas):.1f} standard errors"
    for variance, expected in fixed["five_d"].items():
        found = kde_information(
            torch.from_numpy(stored["x5d"]), [torch.from_numpy(stored["labels5d"])], variance=float(variance), dtype=torch.float64
        )
        four = [found.upper, found.lower, found.labels[0].kl, found.labels[0].bhattacharyya]
        names = ("I_TX_upper", "I_TX_lower", "I_TY_upper", "I_TY_lower")
        parity.add((bounds, *row), four, np.array([expected[k] for k in names]) / LN2)


def compare_neighbours(parity: Parity, oracle: Path) -> None:
    """KSG, Ross, Gaussian, copula and discrete information beside eight programs, on fixed data and "Beyond Normal"."""
    folder = oracle / "mutual_information"
    for case, peers in json.loads((folder / "bmi_peers.json").read_text()).items():
        stored = np.load(folder / f"{case}.npz")
        for variant in ("raw", "standardized"):
            standardise = variant == "standardized"
            quantity = "I(x;y), columns standardised" if standardise else RAW
            _continuous(parity, quantity, stored["x"], stored["y"], peers[variant], standardise=standardise)
    for case, fixed in _fixed(oracle).items():
        if fixed["kind"] in ("cc", "mixed"):
            stored = np.load(folder / f"{case}.npz")
            quantity = RAW if fixed["kind"] == "cc" else "I(x;y), x with an atom"
            _continuous(parity, quantity, stored["x"], stored["y"], fixed["peers"], standardise=False)
        elif fixed["kind"] == "cd":
            stored = np.load(folder / f"{case}.npz")
            _classes(parity, stored["x"], stored["labels"], fixed["peers"])
        elif fixed["kind"] == "dd":
            stored = np.load(folder / f"{case}.npz")
            x, y = torch.from_numpy(stored["x"]), Variable.labels(torch.from_numpy(stored["labels"]))
            for peer, nats in fixed["peers"].items():  # I_A_T takes the first column of x only
                codes = x[:, 0] if peer == "I_A_T" else torch.unique(x, dim=0, return_inverse=True)[1]
                (found,) = read(Discrete(), Variable.labels(codes), y)
                parity.add(("I(label;label)", "discrete", PEERS.get(peer, "exact counts")), [unclipped(found)], nats / LN2)


RAW = "I(x;y), columns as they are"
PEERS = {
    "ref_ksg1_k3": "brute force",
    "ref_ksg2_k3": "brute force",
    "ref_ross_k3": "brute force",
    "jidt_ksg1_k3": "JIDT",
    "jidt_ksg2_k3": "JIDT",
    "jidt_gaussian": "JIDT",
    "infomeasure_ksg1_k3": "infomeasure",
    "ennemi_k3": "ennemi",
    "sklearn_raw_cc_k3": "scikit-learn",
    "sklearn_raw_cd_k3": "scikit-learn",
    "gcmi_cc": "gcmi",
    "npeet_midd": "NPEET",
}
NOISY = "NPEET's KSG and scikit-learn's public functions, which add noise of their own"
OTHERS = "other estimators of mixed data (Gao et al. 2017, NPEET's micd, JIDT's mixed, gcmi's for classes)"


def _continuous(parity: Parity, quantity: str, x: Numbers, y: Numbers, peers: Mapping[str, float], *, standardise: bool) -> None:
    given = "" if standardise else ",standardise=false"
    estimators: dict[str, tuple[str, Estimator]] = {
        "ksg1": (f"ksg:jitter=0{given}", KSG(k=3, jitter=0.0, standardise=standardise)),
        "ksg2": (f"ksg:algorithm=2,jitter=0{given}", KSG(k=3, algorithm=2, jitter=0.0, standardise=standardise)),
        "gaussian": ("gaussian", Gaussian()),
        "gcmi": ("copula", Copula()),
    }
    variables = [Variable.continuous(torch.from_numpy(v).double()) for v in (x, y)]
    found = {name: unclipped(read(estimator, *variables)[0]) for name, (_, estimator) in estimators.items()}
    if any(len(np.unique(column)) < len(column) for column in (*x.T, *y.T)):
        # gcmi gives equal values the ranks of their places, where ours share one: its own ranks tell whether all else agrees.
        ranks = [np.argsort(np.argsort(v, axis=0, kind="stable"), axis=0) for v in (x, y)]
        estimators["gcmi"] = ("copula, of gcmi's ranks of equal values", Copula())
        found["gcmi"] = unclipped(read(Copula(), *(Variable.continuous(torch.from_numpy(r).double()) for r in ranks))[0])
    for peer, nats in peers.items():
        if peer not in PEERS:
            parity.left_out[OTHERS if "gao" in peer else NOISY] += 1
            continue
        which = next((name for name in estimators if name in peer), "ksg1")
        parity.add((quantity, estimators[which][0], PEERS[peer]), [found[which]], nats / LN2)


def _classes(parity: Parity, x: Numbers, labels: NDArray[np.int64], peers: Mapping[str, float]) -> None:
    estimators = {
        "ross:jitter=0,standardise=false": Ross(k=3, jitter=0.0, standardise=False),
        "ksg:jitter=0,standardise=false": KSG(k=3, jitter=0.0, standardise=False),
    }
    variables = Variable.continuous(torch.from_numpy(x)), Variable.labels(torch.from_numpy(labels))
    for name, estimator in estimators.items():
        found = unclipped(read(estimator, *variables)[0])
        for peer, nats in peers.items():
            if peer in PEERS:
                parity.add(("I(x;label)", name, PEERS[peer]), [found], nats / LN2)
            elif name.startswith("ross"):
                parity.left_out[NOISY if "public" in peer else OTHERS] += 1


def compare_rest(parity: Parity, oracle: Path) -> None:
    """Matrix-based Rényi information, and gradient statistics."""
    stored = np.load(oracle / "mutual_information" / "matrix_renyi.npz")
    x, y = (Variable.continuous(torch.from_numpy(stored[name])) for name in ("x", "y"))
    for name, nats in _fixed(oracle)["matrix_renyi"]["values"].items():
        alpha, sigma = (float(part.lstrip("alphsigm")) for part in name.split("_"))
        estimator = Renyi(alpha=alpha, sigma=sigma)
        entropies = [estimator.entropy(v, rng=_rng()).value for v in (x, y)]
        information = unclipped(read(estimator, x, y)[0])
        joint = entropies[0] + entropies[1] - information
        theirs = np.array([nats[k] for k in ("I", "Sx", "Sy", "Sxy")]) / LN2
        row = ("matrix-based I and S, Renyi bits", "renyi:alpha=A,sigma=S", "formulas, numpy")
        parity.add(row, [information, *entropies, joint], theirs)

    stored = np.load(oracle / "information_plane" / "gradients.npz")
    row = ("‖mean‖, ‖std‖ of minibatch gradients, relative", "gradient statistics, float32", "ibsgd")
    for number, name in enumerate(sorted(n for n in stored.files if n.startswith("grad_layer"))):
        for epoch, gradients in enumerate(stored[name]):
            parameter = torch.zeros(gradients.shape[1:])
            window = GradientWindow({"w": parameter})
            for gradient in gradients:
                parameter.grad = torch.from_numpy(gradient)
                window.add()
            statistics = window.close()["w"]
            theirs = [float(stored[f"ibsgd_grad{what}"][number, epoch]) for what in ("mean", "std")]
            parity.add(row, [float(statistics.mean) / theirs[0], float(statistics.std) / theirs[1]], [1, 1])
    parity.left_out["IDNNs' gradient curves, which are cumulative over layers"] += sum(
        stored[n].size for n in stored.files if n.startswith("idnns")
    )


def _fixed(oracle: Path) -> dict[str, Any]:
    return json.loads((oracle / "mutual_information" / "fixed_peers.json").read_text())["cases"]


def _rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


# Part 2: the truth

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


# The picture

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


if __name__ == "__main__":
    main()
