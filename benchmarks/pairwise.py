"""Time of nearest-neighbour information beside other libraries: ``python benchmarks/pairwise.py``.

Prints a Markdown table for each task. Every row runs in a process of its own; what is not installed is skipped, and a line
says so. CPU seconds are those of the process and of the processes it starts; wall seconds depend on what else is running.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from math import log
from pathlib import Path

import numpy as np
import torch

from ibmon import Variable
from ibmon_estimators.ksg import KSG
from ibmon_estimators.ross import Ross

K = 3
RUNS, FEWER, LONG = 5, 3, 10.0
"""Runs of a row, and of one whose run takes longer than so many seconds."""
CORES = os.cpu_count() or 1

Data = tuple[np.ndarray, np.ndarray]
Run = Callable[[np.ndarray, np.ndarray], object]
"""Takes the data of the task and gives bits, or an array of them."""


def pairs(samples: int = 2000, columns: int = 64) -> Data:
    """Columns that share eight sources, as units of a layer do, and the same one step later in time."""
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((samples, 8)) @ rng.standard_normal((8, columns))
    values = 0.5 * sources + rng.standard_normal((samples, columns))
    return values, values


def wide(samples: int = 5000, columns: int = 20) -> Data:
    """Two variables of many columns, correlated in pairs."""
    x, noise = np.random.default_rng(0).standard_normal((2, samples, columns))
    return x, 0.5 * x + 0.75**0.5 * noise


def classes(samples: int = 5000, columns: int = 64, number: int = 10) -> Data:
    """Columns whose means depend a little on the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, number, samples)
    return rng.standard_normal((samples, columns)) + 0.3 * rng.standard_normal((number, columns))[labels], labels


def ours_pairwise(backend: str, lag: int) -> Run:
    """All pairs of columns at one lag; at lag 0 the two pairs of two columns are one."""

    def run(x: np.ndarray, y: np.ndarray) -> object:
        one = Variable.continuous(torch.from_numpy(x))
        return KSG(k=K, backend=backend).pairwise(one, one, lag=lag, rng=torch.Generator()).value.numpy()  # pyright: ignore

    return run


def sklearn_pairwise(jobs: int) -> Run:
    """A loop over the targets, which is how all pairs are had."""

    def run(x: np.ndarray, y: np.ndarray) -> object:
        from sklearn.feature_selection import mutual_info_regression

        targets = [mutual_info_regression(x, target, n_neighbors=K, random_state=0, n_jobs=jobs) for target in y.T]
        return np.stack(targets, 1) / log(2)

    return run


def ennemi_pairwise(x: np.ndarray, y: np.ndarray) -> object:
    """A loop over the targets, in one thread."""
    from ennemi import estimate_mi

    return np.stack([estimate_mi(target, x, k=K, max_threads=1)[0] for target in y.T], 1) / log(2)


def ours_wide(backend: str) -> Run:
    def run(x: np.ndarray, y: np.ndarray) -> object:
        one, other = (Variable.continuous(torch.from_numpy(v)) for v in (x, y))
        return float(KSG(k=K, backend=backend)(one, [other], rng=torch.Generator())[0].value)  # pyright: ignore

    return run


def npeet_wide(x: np.ndarray, y: np.ndarray) -> object:
    from npeet.entropy_estimators import mi  # pyright: ignore[reportMissingImports]

    return float(mi(x, y, k=K, base=2))


def infomeasure_wide(x: np.ndarray, y: np.ndarray) -> object:
    from infomeasure import mutual_information

    return float(mutual_information(x, y, approach="ksg", k=K, noise_level=0)) / log(2)


def ours_classes(backend: str) -> Run:
    def run(x: np.ndarray, y: np.ndarray) -> object:
        one, labels = Variable.continuous(torch.from_numpy(x)), Variable.labels(torch.from_numpy(y))
        return Ross(k=K, permutations=0, backend=backend).pairwise(one, labels, rng=torch.Generator()).value.numpy()  # pyright: ignore

    return run


def sklearn_classes(x: np.ndarray, y: np.ndarray) -> object:
    from sklearn.feature_selection import mutual_info_classif

    return mutual_info_classif(x, y, n_neighbors=K, random_state=0, n_jobs=1) / log(2)


@dataclass(frozen=True)
class Row:
    """A method, the distribution and the module it needs, and the threads that torch and numba get."""

    method: str
    run: Run
    package: str = ""
    module: str = ""
    threads: int = 1


TASKS: dict[str, tuple[Callable[..., Data], list[Row]]] = {
    "KSG of 64 × 64 pairs of columns, N = 2000": (
        pairs,
        [
            Row("ibmon, numba, lag 0", ours_pairwise("numba", 0), "numba", "numba"),
            Row("ibmon, numba, lag 1", ours_pairwise("numba", 1), "numba", "numba"),
            Row(f"ibmon, numba, lag 1, {CORES} threads", ours_pairwise("numba", 1), "numba", "numba", CORES),
            Row("ibmon, torch, lag 0", ours_pairwise("torch", 0)),
            Row("ibmon, torch, lag 1", ours_pairwise("torch", 1)),
            Row("mutual_info_regression", sklearn_pairwise(1), "scikit-learn", "sklearn"),
            Row("mutual_info_regression, n_jobs=-1", sklearn_pairwise(-1), "scikit-learn", "sklearn"),
            Row("ennemi.estimate_mi", ennemi_pairwise, "ennemi", "ennemi"),
        ],
    ),
    "KSG of 20 against 20 columns, N = 5000": (
        wide,
        [
            Row("ibmon, numba", ours_wide("numba"), "numba", "numba"),
            Row("ibmon, torch", ours_wide("torch")),
            Row("NPEET mi", npeet_wide, "npeet", "npeet"),
            Row("infomeasure", infomeasure_wide, "infomeasure", "infomeasure"),
        ],
    ),
    "Ross of 64 columns against 10 classes, N = 5000": (
        classes,
        [
            Row("ibmon, numba", ours_classes("numba"), "numba", "numba"),
            Row("ibmon, torch", ours_classes("torch")),
            Row("mutual_info_classif", sklearn_classes, "scikit-learn", "sklearn"),
        ],
    ),
}


def cpu_seconds() -> float:
    """Of this process and all that descend from it; of this one alone where there is no /proc."""
    total = time.process_time()
    parents: dict[int, list[tuple[int, int]]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, fields = int(file.parent.name), file.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents.setdefault(int(fields[1]), []).append((pid, int(fields[11]) + int(fields[12])))
    left = [os.getpid()]
    while left:
        for pid, ticks in parents.get(left.pop(), []):
            total += ticks / os.sysconf("SC_CLK_TCK")
            left.append(pid)
    return total


def measure(task: str, number: int) -> dict[str, float | int]:
    """Median wall and CPU seconds of a row, in this process, and the mean of what it finds."""
    warnings.simplefilter("ignore")
    make, rows = TASKS[task]
    row = rows[number]
    row.run(*make(samples=200))  # what is loaded or compiled on first use is not the method's time
    torch.set_num_threads(row.threads)  # now, because numba's OpenMP layer sets torch's number when it starts
    data = make()
    walls: list[float] = []
    cpus: list[float] = []
    found: object = None
    while len(walls) < (FEWER if walls and statistics.median(walls) > LONG else RUNS):
        cpu, wall = cpu_seconds(), time.perf_counter()
        found = row.run(*data)
        walls.append(time.perf_counter() - wall)
        cpus.append(cpu_seconds() - cpu)
    values = np.asarray(found, dtype=float)
    if values.ndim == 2:  # a column knows itself completely: other libraries' numbers for that differ
        values = values[~np.eye(len(values), dtype=bool)]
    return {
        "wall": statistics.median(walls),
        "cpu": statistics.median(cpus),
        "least": min(cpus),
        "runs": len(walls),
        "bits": float(values.mean()),
    }


def main() -> None:
    """Measure every row and print the tables."""
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
        return
    print(f"{CORES} cores, one thread unless said otherwise, k = {K}, torch {torch.__version__}, numpy {np.__version__}\n")
    for task, (_, rows) in TASKS.items():
        print(f"**{task}**\n")
        print("| method | version | wall s, median | CPU s, median | CPU s, least | runs | bits, mean |")
        print("|---|---|---:|---:|---:|---:|---:|")
        skipped: list[str] = []
        for number, row in enumerate(rows):
            if row.module and find_spec(row.module) is None:
                skipped.append(f"{row.method}: {row.package} is not installed")
                continue
            command = [sys.executable, __file__, task, str(number)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                skipped.append(f"{row.method}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"| {row.method} | {version(row.package) if row.package else ''} | {found['wall']:.3f} | {found['cpu']:.3f}"
                f" | {found['least']:.3f} | {found['runs']} | {found['bits']:.4f} |",
                flush=True,
            )
        print("".join(f"\nSkipped {line}.\n" for line in skipped))


if __name__ == "__main__":
    main()
