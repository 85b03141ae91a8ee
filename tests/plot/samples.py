"""Figures with the shapes of real ones, small and without chance."""

import numpy as np

from ibmon.figures.figure import (
    Axis,
    Curves,
    Figure,
    Heatmap,
    Histogram,
    Image,
    Line,
    Plane,
    Reference,
    Table,
    Trajectory,
)


def plane(layers: int = 4, points: int = 60) -> Plane:
    """Layers that fit first and compress later; the first one is saturated at the end."""
    epoch = np.unique(np.rint(np.geomspace(1, 2000, points)))
    part = np.log(epoch) / np.log(2000)
    trajectories: list[Trajectory] = []
    for i in range(layers):
        x = (12 - i) * (0.8 + 0.2 / (1 + np.exp(-16 * (part - 0.3)))) - 0.9 * i / (1 + np.exp(-12 * (part - 0.75)))
        y = 0.1 + (0.88 - 0.02 * i) / (1 + np.exp(-13 * (part - 0.45)))
        trajectories.append(
            Trajectory(
                label=f"layer {i + 1}",
                x=x,
                y=y,
                step=10 * epoch,
                epoch=epoch,
                x_lower=x - 0.2,
                x_upper=x + 0.2,
                y_lower=y - 0.02,
                y_upper=y + 0.02,
                hollow=(x > 11.9) & (i == 0),
                flags=tuple(("saturated",) if v > 11.9 and i == 0 else () for v in x),
                estimator="binned",
            )
        )
    return Plane(
        name="information-plane",
        title="information plane",
        note="binned, 30 bins, 4096 samples",
        x=Axis(label="I(X;T) [bits]", limits=(0.0, None)),
        y=Axis(label="I(T;Y) [bits]", limits=(0.0, None)),
        trajectories=tuple(trajectories),
        references=(Reference(axis="x", value=12.0, label="H(X)"), Reference(axis="y", value=1.0, label="H(Y)")),
    )


def curves(points: int = 80) -> Curves:
    """Ratios of signal to noise that fall through one, with a gap and values that a log axis cannot show."""
    x = np.geomspace(1, 1e4, points)
    lines: list[Line] = []
    for i in range(4):
        y = 12 / 2.0**i / (1 + x / 200)
        if i == 1:
            y[30:40] = np.nan
        if i == 2:
            y[3], y[5], y[7] = 0.0, -1.0, np.inf
        lines.append(Line(label=f"layer {i + 1}", x=x, y=y, step=x, estimator="batches", group=i // 2, dashed=i % 2 == 1))
    return Curves(
        name="gradient-snr",
        title="gradient SNR",
        x=Axis(label="step", scale="log"),
        y=Axis(label="SNR", scale="log"),
        lines=tuple(lines),
        references=(Reference(axis="y", value=1.0, label="SNR = 1"),),
    )


def losses() -> Curves:
    """A loss with its band, and a companion."""
    x = np.arange(50.0)
    y = np.exp(-x / 10) + 0.1
    return Curves(
        name="loss",
        title="loss",
        x=Axis(label="epoch"),
        y=Axis(label="loss", limits=(0.0, None)),
        lines=(
            Line(label="train", x=x, y=y, lower=y - 0.08, upper=y + 0.08, group=0),
            Line(label="test", x=x, y=y + 0.2, group=0, dashed=True),
        ),
    )


def heatmap(rows: int = 4, columns: int = 5) -> Heatmap:
    """A matrix with one cell that is missing."""
    values = np.exp(-np.abs(np.arange(rows)[:, None] - np.arange(columns)) / 1.5)
    values[0, -1] = np.nan
    return Heatmap(
        name="flow",
        title="information flow",
        values=values,
        row_labels=tuple(f"layer {i + 1}" for i in range(rows)),
        column_labels=tuple(f"L{i + 1}" for i in range(columns)),
        value_label="I [bits]",
        x=Axis(label="to"),
        y=Axis(label="from"),
    )


def histogram() -> Histogram:
    """Two groups."""
    return Histogram(
        name="activations",
        title="activations",
        edges=np.linspace(-1, 1, 9),
        counts=np.array([[9.0, 3, 1, 0, 0, 1, 3, 9], [1, 2, 3, 5, 5, 3, 2, 1]]),
        labels=("layer 1", "layer 2"),
        x=Axis(label="activation"),
    )


def table() -> Table:
    """Text and numbers."""
    return Table(
        name="runs",
        title="runs",
        columns=("run", "accuracy", "status"),
        rows=(("tanh", "0.98", "live"), ("relu", "0.971", "finished")),
    )


def image() -> Image:
    """Three small pictures."""
    y, x = np.mgrid[:8, :8]
    return Image(
        name="filters",
        title="filters",
        values=np.stack([np.hypot(y - 3.5, x - 2 * k) for k in range(3)]),
        labels=("one", "two", "three"),
    )


def all_figures() -> list[Figure]:
    """One of each."""
    return [plane(), curves(), losses(), heatmap(), histogram(), table(), image()]
