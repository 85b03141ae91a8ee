"""What the information flow finds where the truth was planted, and what it costs: ``python benchmarks/flow.py [--write]``.

Prints Markdown. ``--write`` puts the tables into ``docs/flow.md`` and ``docs/benchmarks.md``, between their markers;
``--only planted`` or ``--only time`` leaves out the other. One thread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from flow_planted import CASES, NODES, Case

from ibmon.analysis.jobs import Bound
from ibmon.flow import Series, direction, expected_order, flows, layering, outflow, transfer_entropy, trophic_levels
from ibmon_estimators.copula import Copula
from ibmon_estimators.ksg import KSG

ROOT = Path(__file__).resolve().parents[1]
ESTIMATORS: dict[str, Callable[[], object]] = {
    "copula": Copula,
    "ksg": lambda: KSG(permutations=0),
    "ksg:k=25": lambda: KSG(k=25, permutations=0),
}
ASKED = {"copula": (500, 4000), "ksg": (500,), "ksg:k=25": (500, 4000)}
"""Lengths of the series."""
TESTED = {"copula": (500, 4000), "ksg": (), "ksg:k=25": (500,)}
"""Lengths at which the test is made; elsewhere the order alone."""
SURROGATES = {"copula": 39, "ksg:k=25": 19}
"""Enough for a p-value of 0.05 to be reached exactly."""
SEEDS = {"copula": 20, "ksg": 6, "ksg:k=25": 6}
NULL_SEEDS = {("copula", 500): 100, ("copula", 4000): 50, ("ksg:k=25", 500): 20}


@dataclass(frozen=True)
class Found:
    """Of one series: how the planted order agrees with several orders that were found, and two p-values."""

    levels: float
    by_bits: float
    outflow: float
    transfer: float
    incoherence: float
    p_direction: float
    p_layers: float


def agreement(score: torch.Tensor, place: np.ndarray) -> float:
    """Kendall's τ over the pairs of nodes that were planted at different places; NaN without any."""
    groups = [np.flatnonzero(place == p).tolist() for p in np.unique(place)]
    return 2 * float(expected_order(score, groups)) - 1


def find(case: Case, length: int, estimator: str, seed: int) -> Found:
    values, place = case.make(length, np.random.default_rng(seed))
    series, rng = Series.of(torch.from_numpy(values)), torch.Generator().manual_seed(seed)
    bound = Bound(ESTIMATORS[estimator](), rng)
    net = flows(series, bound).net
    levels = trophic_levels(net)
    transfer = transfer_entropy(series)[0].nan_to_num(0)
    p = float("nan")
    if length in TESTED[estimator]:
        p = direction(series, bound, net=net, surrogates=SURROGATES[estimator], rng=rng).p_value
    return Found(
        agreement(levels.height, place),
        agreement(trophic_levels(net, power=1).height, place),
        agreement(-outflow(net), place),
        agreement(trophic_levels(transfer - transfer.T).height, place),
        float(levels.incoherence),
        p,
        layering(levels.height, rng=rng).p_value,
    )


def planted() -> Iterator[str]:
    """The lines of the table."""
    yield "| case | steps | estimator | τ, levels | τ, power 1 | τ, outflow | τ, transfer | F₀ | direction | layers |"
    yield "|:--|--:|:--|--:|--:|--:|--:|--:|--:|--:|"
    for kind, words in (("ordered", ""), ("reversible", "no direction"), ("driven", "no edges")):
        for case in (c for c in CASES if c.kind == kind):
            for length in (500, 4000):
                for estimator in (e for e in ESTIMATORS if length in ASKED[e]):
                    tested = length in TESTED[estimator]
                    if kind == "reversible" and not tested:
                        continue
                    count = NULL_SEEDS[estimator, length] if kind == "reversible" else SEEDS[estimator]
                    every = [find(case, length, estimator, seed) for seed in range(count)]
                    name = f"{case.name} ({words})" if words else case.name
                    yield f"| {name} | {length} | {estimator} | {' | '.join(_cells(every, kind, tested=tested))} |"


def _cells(every: Sequence[Found], kind: str, *, tested: bool) -> Iterator[str]:
    for scores in (
        [f.levels for f in every],
        [f.by_bits for f in every],
        [f.outflow for f in every],
        [f.transfer for f in every],
    ):
        yield "" if kind == "reversible" else f"{statistics.mean(scores):.2f}"
    yield f"{statistics.mean(f.incoherence for f in every):.2f}"
    yield _share([f.p_direction for f in every]) if tested else ""
    yield "" if kind == "reversible" else _share([f.p_layers for f in every])


def _share(p_values: Sequence[float]) -> str:
    return f"{sum(p <= 0.05 for p in p_values)} of {len(p_values)}"


def timed() -> Iterator[str]:
    """The lines of the table of times."""
    nodes, rows, lags = 128, 2000, (1, 2, 3, 4, 5)
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((rows + 5, 8)) @ rng.standard_normal((8, nodes))
    series = Series.of(torch.from_numpy(0.5 * sources + rng.standard_normal((rows + 5, nodes))))
    small = Series(series.values[:, :100, :8], series.names[:8])
    yield "| what | estimator | wall s, median | CPU s, median | runs |"
    yield "|:--|:--|--:|--:|--:|"
    for estimator, runs in (("copula", 5), ("ksg", 3)):
        bound = Bound(ESTIMATORS[estimator](), torch.Generator().manual_seed(0))
        wall, cpu = _medians(lambda s, b=bound: flows(s, b, lags), small, series, runs)
        yield f"| matrices of {nodes} nodes, N = {rows}, 5 lags | {estimator} | {wall:.2f} | {cpu:.2f} | {runs} |"
    bound = Bound(Copula(), torch.Generator())

    def test(some: Series) -> object:
        return direction(some, bound, surrogates=99, rng=torch.Generator().manual_seed(0))

    wall, cpu = _medians(test, small, series, 3)
    yield f"| direction of {nodes} nodes, N = {rows}, 1 lag, 99 surrogates | copula | {wall:.2f} | {cpu:.2f} | 3 |"
    wall, cpu = _medians(lambda s: transfer_entropy(s, lags), small, series, 5)
    yield f"| transfer entropy of {nodes} nodes, N = {rows}, 5 lags | closed form | {wall:.2f} | {cpu:.2f} | 5 |"


def _medians(run: Callable[[Series], object], small: Series, series: Series, runs: int) -> tuple[float, float]:
    run(small)  # what is compiled or loaded on first use is not the method's time
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(runs):
        cpu, wall = time.process_time(), time.perf_counter()
        run(series)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


TABLES: dict[str, tuple[Callable[[], Iterator[str]], Path, str]] = {
    "planted": (planted, ROOT / "docs" / "flow.md", "planted"),
    "time": (timed, ROOT / "docs" / "benchmarks.md", "flow"),
}


def main() -> None:
    """Print the tables, and write them where that is asked for."""
    parser = argparse.ArgumentParser(
        description="What the information flow finds where the truth was planted, and what it costs."
    )
    parser.add_argument("--write", action="store_true", help="update docs/flow.md and docs/benchmarks.md")
    parser.add_argument("--only", choices=tuple(TABLES), help="one of the tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    print(f"{NODES} nodes\n")
    for name, (table, page, marker) in TABLES.items():
        if options.only not in (None, name):
            continue
        lines: list[str] = []
        for line in table():
            print(line, flush=True)
            lines.append(line)
        print()
        if options.write:
            write(page, marker, "\n".join(lines))
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)


def write(page: Path, marker: str, text: str) -> None:
    """Replace what is between the markers of a page."""
    before, opened, rest = page.read_text().partition(f"<!-- {marker} -->")
    _, closed, after = rest.partition(f"<!-- /{marker} -->")
    if not closed:
        raise SystemExit(f"{page} has no <!-- {marker} --> and <!-- /{marker} --> after it")
    page.write_text(f"{before}{opened}\n{text}\n{closed}{after}")


if __name__ == "__main__":
    main()
