"""Figures of runs that can be compared, and of timepoints."""

from dataclasses import replace

import numpy as np

from ibmon.figures.figure import Axis, Curves, Figure, Heatmap, Line, Plane
from plot import samples


def run(shift: float = 0.0, points: int = 30) -> list[Figure]:
    """The figures of one run; another shift makes another run of the same shape."""
    plane = samples.plane(layers=3, points=points)
    moved = tuple(replace(t, x=t.x - shift, y=t.y * (1 - shift / 10)) for t in plane.trajectories)
    losses = samples.losses()
    lines = tuple(replace(line, y=line.y + shift, lower=None, upper=None, step=100 * line.x) for line in losses.lines)
    return [
        replace(plane, trajectories=moved),
        replace(losses, lines=lines),
        replace(samples.heatmap(), values=samples.heatmap().values + shift),
        replace(samples.histogram(), counts=samples.histogram().counts + shift),
        samples.table(),
        samples.image(),
    ]


def timepoints(count: int = 6) -> Plane:
    """A plane of timepoints, each at its position."""
    plane = samples.plane(layers=count, points=12)
    placed = tuple(replace(t, label=f"t{i}", position=float(i)) for i, t in enumerate(plane.trajectories))
    return replace(plane, trajectories=placed, positions=Axis(label="timepoint"))


def placed_curves(count: int = 6) -> Curves:
    """Curves of timepoints, and one of none."""
    x = np.arange(1.0, 9.0)
    lines = tuple(Line(label=f"t{i}", x=x, y=x * i, step=x, position=float(i)) for i in range(count))
    null = Line(label="null", x=x, y=x * 0, step=x)
    return Curves(
        name="through",
        title="through",
        x=Axis(label="epoch"),
        y=Axis(label="I"),
        lines=(*lines, null),
        positions=Axis(label="lag"),
    )


def through_training(columns: int = 20) -> Heatmap:
    """Correlations of two layers at steps 0, 10, 20, ..."""
    values = np.cos(np.arange(2)[:, None] + np.arange(columns) / 3) / 2
    return Heatmap(
        name="correlation",
        title="correlation",
        values=values,
        row_labels=("layer 1", "layer 2"),
        steps=10 * np.arange(columns),
        centre=0.0,
        value_label="r",
        x=Axis(label="step"),
    )
