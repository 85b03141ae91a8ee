"""Time to draw a chart of 200 × 50 cells, beside plotext; a part of ``terminal.py``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ibmon.figures.figure import Axis, Curves, Figure, Heatmap, Histogram, Line, Plane, Reference, Table, Trajectory, View
from ibmon.figures.text import render
from ibmon.plot import Palette, draw

COLUMNS, ROWS = 200, 50
REPEATS = 7
HEAD = ("chart", "true colour", "256 colours", "CPU, 256", "plotext", "CPU, plotext")
_PLOTEXT_POINTS = 400_000
"""Above so many points plotext is not asked: it would take minutes."""


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


def curves(lines: int, points: int) -> Curves:
    """Noisy ratios of signal to noise that fall."""
    rng = np.random.default_rng(0)
    x = np.geomspace(1, 1e5, points)
    drawn = tuple(
        Line(label=f"layer {i + 1}", x=x, y=14 / 1.6**i / (1 + x / 300) * np.exp(rng.normal(0, 0.1, points)))
        for i in range(lines)
    )
    return Curves(name="snr", title="snr", x=Axis(label="step", scale="log"), y=Axis(label="SNR", scale="log"), lines=drawn)


def matrix(size: int, centre: float | None = None) -> Heatmap:
    """Noise, around a centre where that is asked for."""
    values = np.random.default_rng(0).normal(size=(size, size))
    return Heatmap(name="flow", title="flow", values=values, value_label="net [bits]", centre=centre)


def histogram(groups: int, bins: int) -> Histogram:
    """Stacked counts of groups that lie apart."""
    rng = np.random.default_rng(0)
    edges = np.linspace(-4, 8, bins + 1)
    counts = np.stack([np.histogram(rng.normal(i, 1, 5000), edges)[0] for i in range(groups)])
    labels = tuple(f"class {i}" for i in range(groups))
    return Histogram(name="gates", title="gates", edges=edges, counts=counts, labels=labels, x=Axis(label="logit"))


def words(rows: int) -> Table:
    """What differs between two runs."""
    cells = tuple((f"layer {i}", f"{i / 7:.3f}", f"{i / 9:.3f}", "larger") for i in range(rows))
    return Table(name="table", title="table", columns=("layer", "tanh", "relu", "difference"), rows=cells)


CASES: tuple[tuple[str, Figure, View], ...] = (
    ("plane, 6 × 1000 points, by layer", plane(6, 1000), View()),
    ("plane, 6 × 1000 points, by epoch", plane(6, 1000), View(colour="epoch")),
    ("plane, 300 × 20 points, by timepoint", timepoints(300, 20), View()),
    ("plane, 2 runs of 6 × 500 points", two_runs(6, 500), View()),
    ("plane, 6 × 80 000 points, by layer", plane(6, 80_000), View()),
    ("curves, 7 × 2000 points, log–log", curves(7, 2000), View()),
    ("curves, 7 × 50 000 points, log–log", curves(7, 50_000), View()),
    ("curves, 1 000 000 points, log–log", curves(1, 1_000_000), View()),
    ("heatmap, 64 × 64", matrix(64), View()),
    ("heatmap, 64 × 64 around 0, with cursor", matrix(64, 0.0), View(cursor=(20, 30))),
    ("heatmap, 300 × 300 around 0", matrix(300, 0.0), View()),
    ("histogram, 3 groups, 60 bins", histogram(3, 60), View()),
    ("table, 40 × 4", words(40), View()),
)


def median(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of wall time and of CPU, after one run to warm up."""
    work()
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(REPEATS):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        walls.append(1e3 * (time.perf_counter() - wall))
        cpus.append(1e3 * (time.process_time() - cpu))
    return statistics.median(walls), statistics.median(cpus)


def rows() -> Iterator[list[str]]:
    """A row for each chart; drawn as a live chart is, with the frame of the drawing before."""
    for name, figure, view in CASES:
        hold = draw(figure, COLUMNS, ROWS, view, Palette()).frame
        true, wide = (
            median(lambda d=depth, f=figure, v=view, h=hold: draw(f, COLUMNS, ROWS, v, Palette(depth=d), h))
            for depth in ("true", "256")
        )
        row = [name, f"{true[0]:.2f}", f"{wide[0]:.2f}", f"{wide[1]:.2f}"]
        if _points(figure) <= _PLOTEXT_POINTS and not isinstance(figure, Heatmap | Table):  # these are no work of plotext
            other = median(lambda f=figure, v=view: render(f, COLUMNS, ROWS, True, v))
            row += [f"{other[0]:.1f}", f"{other[1]:.1f}"]
        else:
            row += ["–", "–"]
        yield row


def _points(figure: Figure) -> int:
    if isinstance(figure, Plane):
        return sum(len(path.x) for path in figure.trajectories)
    return sum(len(line.x) for line in figure.lines) if isinstance(figure, Curves) else 0
