"""Time and memory of the estimators beside the plain way of doing the same: ``python benchmarks/estimators.py``.

Prints a Markdown table. Every row runs in a process of its own, so that the peak of its resident memory is its own.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from math import pi

import numpy as np
import torch
from torch import Tensor

from ibmon import Variable
from ibmon_estimators.binning import Binning
from ibmon_estimators.kde import KDE

SIZES = ((4096, 10), (4096, 1024), (10000, 1024))
CLASSES = 10
THREADS = 2
VARIANCE = 0.1
WIDTH = 0.07
SECONDS = 4.0
"""A method is repeated for about this long, at least 5 and at most 200 times."""


def ours(estimator: Binning | KDE, values: Tensor, labels: Tensor) -> list[float]:
    """I(X;T) and I(T;Y), then the lower bound of I(X;T) and the null of I(T;Y) where there are such."""
    ys = [Variable.identity(len(values)), Variable.labels(labels)]
    identity, label = estimator(Variable.continuous(values), ys, rng=torch.Generator())
    return [float(v) for v in (identity.value, label.value, identity.lower, label.null) if v is not None]


def plain_binning(values: Tensor, labels: Tensor) -> list[float]:
    """The same by ``np.unique(axis=0)``, of the whole and again of every class."""
    cells, classes = np.floor(values.numpy() / WIDTH), labels.numpy()

    def entropy(rows: np.ndarray) -> float:
        p = np.unique(rows, axis=0, return_counts=True)[1] / len(rows)
        return float(-(p * np.log2(p)).sum())

    whole = entropy(cells)
    return [whole, whole - sum((classes == c).mean() * entropy(cells[classes == c]) for c in np.unique(classes))]


def plain_kde(values: Tensor, labels: Tensor) -> list[float]:
    """The same from full distance matrices, one for each bound, and again for every class."""

    def entropy(rows: Tensor, variance: float) -> float:
        squares = rows.square().sum(1, keepdim=True)
        distances = squares + squares.T - 2 * rows @ rows.T
        sums = torch.logsumexp(-distances / (2 * variance), 1) - np.log(len(rows)) - rows.shape[1] / 2 * np.log(2 * pi * variance)
        return float(-sums.mean() + rows.shape[1] / 2)

    found: list[float] = []
    informations: list[float] = []
    for variance in (VARIANCE, 4 * VARIANCE):  # the second bound is the first with four times the variance
        whole = entropy(values, variance)
        noise = values.shape[1] / 2 * (np.log(2 * pi * variance) + 1)
        found.append((whole - noise) / np.log(2))
        parts = sum(float((labels == c).float().mean()) * entropy(values[labels == c], variance) for c in labels.unique())
        informations.append((whole - parts) / np.log(2))
    return [found[0], informations[0], found[1]]


METHODS: dict[str, Callable[[Tensor, Tensor], list[float]]] = {
    "binning": partial(ours, Binning(width=WIDTH)),
    "binning, permutations=0": partial(ours, Binning(width=WIDTH, permutations=0)),
    "binning, np.unique(axis=0)": plain_binning,
    "KDE": partial(ours, KDE(variance=VARIANCE)),
    "KDE, permutations=0": partial(ours, KDE(variance=VARIANCE, permutations=0)),
    "KDE, dense, per class again": plain_kde,
}


def data(samples: int, units: int) -> tuple[Tensor, Tensor]:
    """A tanh layer that separates its classes somewhat, so that neither estimate is pinned at its limit."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (samples,), generator=generator)
    factors = torch.randn(samples, 3, generator=generator) * 0.3 + torch.randn(CLASSES, 3, generator=generator)[labels]
    # In place, because a temporary freed here would hide as much of the method's own peak.
    return (factors @ (torch.randn(3, units, generator=generator) * (10 / units) ** 0.5)).tanh_(), labels


def peak_mib() -> float:
    """The most resident memory that this process has had."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage / (2**20 if sys.platform == "darwin" else 2**10)


def measure(method: str, samples: int, units: int) -> dict[str, float | int | list[float]]:
    """Median wall milliseconds, CPU milliseconds and extra MiB of a method, in this process."""
    torch.set_num_threads(1)  # with more, the data's last bits depend on how busy the machine is
    values, labels = data(samples, units)
    torch.set_num_threads(THREADS)
    run = METHODS[method]
    METHODS[method](values[:64], labels[:64])  # what is loaded on first use is not the method's memory
    before = peak_mib()
    found = run(values, labels)
    extra = peak_mib() - before
    walls: list[float] = []
    cpus: list[float] = []
    begun = time.perf_counter()
    while len(walls) < 5 or (time.perf_counter() - begun < SECONDS and len(walls) < 200):
        cpu, wall = time.process_time(), time.perf_counter()
        run(values, labels)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "wall": statistics.median(walls) * 1e3,
        "best": min(walls) * 1e3,
        "cpu": statistics.median(cpus) * 1e3,
        "extra": extra,
        "runs": len(walls),
        "found": found,
    }


def main() -> None:
    """Measure every method at every size and print the table."""
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
        return
    print(
        f"{os.cpu_count()} cores, {THREADS} threads, torch {torch.__version__}, numpy {np.__version__},"
        f" OMP_WAIT_POLICY {os.environ.get('OMP_WAIT_POLICY', 'unset')}\n"
    )
    print("| samples × units | method | wall ms, median | wall ms, best | CPU ms, median | extra MiB | runs | bits |")
    print("|---|---|---:|---:|---:|---:|---:|---|")
    for samples, units in SIZES:
        for method in METHODS:
            command = [sys.executable, __file__, method, str(samples), str(units)]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            bits = ", ".join(f"{v:.3f}" for v in row["found"])
            print(
                f"| {samples} × {units} | {method} | {row['wall']:.2f} | {row['best']:.2f} | {row['cpu']:.2f}"
                f" | {row['extra']:.0f} | {row['runs']} | {bits} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
