"""Part of ``accuracy.py``: how far the estimators are from other people's values."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy_tables import Numbers, read, table, unclipped
from numpy.typing import NDArray
from torch import Tensor

from ibmon import Estimator, Variable
from ibmon.capture.gradients import GradientWindow
from ibmon_estimators.binning import Binning
from ibmon_estimators.copula import Copula
from ibmon_estimators.discrete import Discrete
from ibmon_estimators.gaussian import Gaussian
from ibmon_estimators.kde import KDE, kde_information
from ibmon_estimators.ksg import KSG
from ibmon_estimators.renyi import Renyi
from ibmon_estimators.ross import Ross
from ibmon_estimators.sample_propagation import SamplePropagation

LN2 = log(2)


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
