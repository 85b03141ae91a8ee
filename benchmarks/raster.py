"""Time to draw a chart of 200 × 50 cells, beside plotext: medians as a Markdown table.

Run it from the root of the repository: ``python benchmarks/raster.py``.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.figure import Axis, Curves, Figure, Heatmap, Line, Plane, Reference, Trajectory, View
from ibmon.figures.text import render
from ibmon.plot import Palette, draw

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS, ROWS = 200, 50


def plane(layers: int, points: int) -> Plane:
    """Layers that fit, then compress."""
    rng = np.random.default_rng(0)
    epoch = np.geomspace(1, 1e4, points)
    part = np.linspace(0, 1, points)
    trajectories: list[Trajectory] = []
    for i in range(layers):
        x = 12 - i * (0.8 + part) + rng.normal(0, 0.05, points)
        y = 0.1 + 0.88 / (1 + np.exp(-12 * (part - 0.4))) + rng.normal(0, 0.005, points)
        trajectories.append(Trajectory(label=f"layer {i + 1}", x=x, y=y, step=epoch, epoch=epoch))
    axes = Axis(label="I(X;T) [bits]"), Axis(label="I(T;Y) [bits]")
    reference = Reference(axis="x", value=12.0, label="H(X)")
    return Plane(name="plane", title="plane", x=axes[0], y=axes[1], trajectories=tuple(trajectories), references=(reference,))


def timepoints(count: int, points: int) -> Plane:
    """The timepoints of a recurrent layer."""
    axis = Axis(label="timepoint")
    paths = tuple(
        replace(t, x=t.x + 4 * i / count, position=i + 1.0) for i, t in enumerate(plane(1, points).trajectories * count)
    )
    return replace(plane(1, points), trajectories=paths, positions=axis)


def two_runs(layers: int, points: int) -> Plane:
    """The same layers in two runs."""
    figure = plane(layers, points)
    other = tuple(replace(t, x=t.x - 1, run="relu", group=i) for i, t in enumerate(figure.trajectories))
    return replace(figure, trajectories=tuple(replace(t, run="tanh", x=t.x + 1) for t in other) + other)


def net_flow(size: int) -> Heatmap:
    """A matrix with a sign."""
    values = np.random.default_rng(0).normal(size=(size, size))
    return Heatmap(name="flow", title="flow", values=values, value_label="net [bits]", centre=0.0)


def curves(lines: int, points: int) -> Curves:
    """Noisy ratios of signal to noise that fall."""
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e5, points)
    drawn = tuple(
        Line(label=f"layer {i + 1}", x=x, y=14 / 1.6**i / (1 + x / 300) * np.exp(rng.normal(0, 0.1, points)))
        for i in range(lines)
    )
    return Curves(name="snr", title="snr", x=Axis(label="step", scale="log"), y=Axis(label="SNR", scale="log"), lines=drawn)


def median(work: Callable[[], object], repeats: int = 7) -> float:
    """Milliseconds, after one run to warm up."""
    work()
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Prints the table."""
    cases: list[tuple[str, Figure, View]] = [
        ("plane, 6 × 150 points, by layer", plane(6, 150), View()),
        ("plane, 6 × 150 points, by epoch", plane(6, 150), View(colour="epoch")),
        ("plane, 6 × 1000 points, by layer", plane(6, 1000), View()),
        ("plane, 10 × 600 points, by timepoint", timepoints(10, 600), View()),
        ("plane, 300 × 20 points, by timepoint", timepoints(300, 20), View()),
        ("plane, 300 × 20 points, by epoch", timepoints(300, 20), View(colour="epoch")),
        ("plane, 2 runs of 6 × 500 points", two_runs(6, 500), View()),
        ("curves, 7 × 2000 points, log-log", curves(7, 2000), View()),
        ("curves, 7 × 50 000 points, log-log", curves(7, 50_000), View()),
        ("curves, 1 × 1 000 000 points, log-log", curves(1, 1_000_000), View()),
        ("heatmap, 64 × 64", Heatmap(name="h", title="h", values=np.random.default_rng(0).random((64, 64))), View()),
        ("heatmap, 64 × 64 around 0, with cursor", net_flow(64), View(cursor=(20, 30))),
        ("heatmap, 300 × 300 around 0", net_flow(300), View()),
    ]
    print(f"Median of 7, in ms, {COLUMNS} × {ROWS} cells\n")
    print("| chart | true colour | 256 colours | plotext |\n|:--|--:|--:|--:|")
    for name, figure, view in cases:
        drawn = [
            median(lambda f=figure, v=view, d=depth: draw(f, COLUMNS, ROWS, v, Palette(depth=d))) for depth in ("true", "256")
        ]
        points = sum(len(line.x) for line in figure.lines) if isinstance(figure, Curves) else 0
        other = f"{median(lambda f=figure: render(f, COLUMNS, ROWS, True), 5):.1f}" if points <= 400_000 else "–"
        print(f"| {name} | {drawn[0]:.2f} | {drawn[1]:.2f} | {other} |")


if __name__ == "__main__":
    main()
