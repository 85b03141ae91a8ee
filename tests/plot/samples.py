"""Figures with the shapes of real ones, small and without chance."""

from dataclasses import replace

import numpy as np

from ibmon.figures.figure import (
    Axis,
    Curves,
    Figure,
    Graph,
    Heatmap,
    Histogram,
    Image,
    Line,
    Passage,
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


def timepoints(count: int = 10, points: int = 30) -> Plane:
    """A recurrent layer at its timepoints: the later, the more it knows of the class and the less of the beginning."""
    epoch = np.unique(np.rint(np.geomspace(1, 500, points)))
    part = np.log(epoch) / np.log(500)
    trajectories: list[Trajectory] = []
    for t in range(count):
        late = t / max(count - 1, 1)
        x = 4 + 6 * np.sqrt(late) * (0.6 + 0.4 * part) - 2.5 * late * np.maximum(part - 0.6, 0)
        y = 0.05 + 0.9 * late**0.7 / (1 + np.exp(-9 * (part - 0.5)))
        trajectories.append(
            Trajectory(label=f"lstm t{t + 1}", x=x, y=y, step=10 * epoch, epoch=epoch, position=t + 1, group=0, estimator="ksg")
        )
    return Plane(
        name="timepoint-plane",
        title="information plane of lstm",
        x=Axis(label="I(X;T) [bits]"),
        y=Axis(label="I(T;Y) [bits]", limits=(0.0, None)),
        trajectories=tuple(trajectories),
        positions=Axis(label="timepoint"),
    )


def timepoint_curves(count: int = 10) -> Curves:
    """What a layer knows of the class over the training, a line a timepoint."""
    epoch = np.arange(1.0, 101.0)
    lines = tuple(
        Line(
            label=f"t{t + 1}",
            x=epoch,
            y=(0.2 + 0.75 * (t / count) ** 0.6) / (1 + np.exp(-(epoch - 30 + 2 * t) / 9)),
            step=10 * epoch,
            position=t + 1,
        )
        for t in range(count)
    )
    return Curves(
        name="timepoints",
        title="information of the class",
        x=Axis(label="epoch"),
        y=Axis(label="I(T;Y) [bits]", limits=(0.0, None)),
        lines=lines,
        positions=Axis(label="timepoint"),
    )


def two_planes() -> Plane:
    """The same layers in two runs: one that compresses, and one that does not."""
    first = plane(3, 40)
    runs = [
        replace(t, run=run, group=i, x=t.x - shift * (3 - i), y=t.y * (1 - 0.06 * shift), hollow=None, flags=())
        for run, shift in (("tanh", 0.0), ("relu", 0.9))
        for i, t in enumerate(first.trajectories)
    ]
    return replace(first, name="two-planes", trajectories=tuple(runs))


def two_curves() -> Curves:
    """Signal to noise of two layers in two runs."""
    x = np.geomspace(1, 1e4, 60)
    lines = tuple(
        Line(label=f"layer {i + 1}", x=x, y=scale * 8 / 3.0**i / (1 + x / fall), step=x, run=run, group=i)
        for run, scale, fall in (("tanh", 1.0, 200), ("relu", 1.6, 900))
        for i in range(2)
    )
    return replace(curves(), name="two-curves", lines=lines)


def net_flow(size: int = 6) -> Heatmap:
    """What flows forward and back between the layers, with a sign."""
    ahead = np.arange(size)[None, :] - np.arange(size)[:, None]
    values = np.sign(ahead) * np.exp(-np.abs(ahead) / 2.0) * (0.4 + 0.1 * np.arange(size)[:, None])
    labels = tuple(f"layer {i + 1}" for i in range(size))
    return Heatmap(
        name="net-flow",
        title="net flow",
        values=values,
        row_labels=labels,
        column_labels=labels,
        value_label="net [bits]",
        x=Axis(label="to"),
        y=Axis(label="from"),
        centre=0.0,
    )


def confusion() -> Heatmap:
    """Seven classes, most of them told apart."""
    row, column = np.mgrid[:7, :7]
    values = np.where(row == column, 90 + row, (3 * row + 5 * column) % 11).astype(float)
    names = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    return Heatmap(
        name="confusion",
        title="confusion",
        values=values,
        row_labels=names,
        column_labels=names,
        value_label="trials",
        x=Axis(label="answer"),
        y=Axis(label="class"),
    )


def over_epochs(rows: int = 40, columns: int = 60) -> Heatmap:
    """Information at every timepoint over the training."""
    epoch = np.arange(1, columns + 1)
    t = np.arange(1, rows + 1)[:, None]
    return Heatmap(
        name="over-epochs",
        title="I(t) over epochs",
        values=2.0 / (1 + np.exp(-(epoch - 25) / 6)) * np.exp(-((t - 12) ** 2) / 150),
        row_labels=tuple(str(i) for i in range(1, rows + 1)),
        column_labels=tuple(str(e) for e in epoch),
        value_label="I(T;Y) [bits]",
        x=Axis(label="epoch"),
        y=Axis(label="timepoint"),
        steps=10 * epoch,
    )


def correlations() -> Histogram:
    """Correlations of units with the label, before and after training."""
    edges = np.linspace(-1, 1, 21)
    middle = (edges[1:] + edges[:-1]) / 2
    before, after = 60 * np.exp(-((middle / 0.15) ** 2)), 20 * np.exp(-(((np.abs(middle) - 0.6) / 0.2) ** 2))
    return Histogram(
        name="correlations",
        title="correlations",
        edges=edges,
        counts=np.rint([before, after]),
        labels=("epoch 1", "epoch 100"),
        x=Axis(label="r"),
    )


def sizes() -> Histogram:
    """Sizes of clusters, over four decades."""
    counts = np.array([[900.0, 420, 260, 90, 55, 20, 9, 4, 1]])
    return Histogram(
        name="sizes",
        title="sizes",
        edges=np.geomspace(1, 1e4, 10),
        counts=counts,
        x=Axis(label="size", scale="log"),
        y=Axis(label="count", scale="log"),
    )


def long_table(rows: int = 57) -> Table:
    """More rows than a terminal has."""
    return Table(
        name="log",
        title="log",
        columns=("step", "event"),
        rows=tuple((str(100 * i), "measured" if i % 3 else "evaluated") for i in range(rows)),
    )


_REVIEW = (
    "I had low hopes for this film , and for the first half hour it earned none of them : the camera lingers , nobody speaks , "
    "and it rains . Then the brother comes home and everything changes . It is not a great film , but it is an honest one , "
    "and the last scene is beautiful ."
)


def passage() -> Passage:
    """A review before and after training; a full stop has no value."""
    words = tuple(_REVIEW.split())
    before = 0.1 + 0.05 * np.sin(np.arange(len(words)))
    found = {"low": 0.5, "none": 0.4, "not": 0.7, "great": 0.9, "honest": 0.8, "beautiful": 1.0}
    after = np.array([found.get(word, 0.02 * (len(word) % 4)) for word in words])
    values = np.where(np.array(words) == ".", np.nan, [before, after])
    return Passage(
        name="saliency",
        title="saliency of a review",
        note="test, example 17",
        words=words,
        values=values,
        labels=("untrained", "epoch 4"),
        value_label="saliency",
        limits=(0.0, None),
    )


def signed_passage() -> Passage:
    """What every word of the same review does to the answer, with a sign."""
    first = passage()
    sign = np.array([-1.0 if word in ("low", "none", "not") else 1.0 for word in first.words])
    return replace(
        first,
        name="effect",
        title="effect",
        values=sign * first.values[1],
        labels=(),
        value_label="effect",
        limits=(None, None),
        centre=0.0,
    )


def graph() -> Graph:
    """A small recurrent network: most flows lead on, two lead back, and one hidden unit has neither a level nor an edge."""
    names = ("input", *(f"hidden {i}" for i in range(8)), "output")
    level = np.array([0.0, 0.5, 0.6, 0.9, 1.0, 1.0, 1.1, 0.8, np.nan, 2.0])
    pairs = np.array(
        [(0, i) for i in (1, 2, 3, 4, 5, 7)] + [(i, 9) for i in (3, 4, 5, 6)] + [(1, 3), (2, 6), (7, 4), (6, 1), (9, 2)]
    )
    weights = 0.02 * (1 + np.arange(len(pairs)) * 7 % 13)
    return Graph(
        name="flow-graph",
        title="where net flow goes",
        note="copula",
        nodes=names,
        groups=tuple(name.partition(" ")[0] for name in names),
        level=level,
        edges=pairs,
        weights=weights,
        x=Axis(label="trophic level"),
        weight_label="net flow [bits]",
        values=np.array([weights[(pairs == i).any(1)].sum() for i in range(len(names))]),
        value_label="flow in and out [bits]",
    )


def all_figures() -> list[Figure]:
    """One of each."""
    return [
        *(plane(), curves(), losses(), heatmap(), histogram(), table(), image()),
        *(timepoints(), timepoints(300, 20), timepoint_curves(), two_planes(), two_curves()),
        *(net_flow(), confusion(), over_epochs(), correlations(), sizes(), long_table()),
        *(passage(), signed_passage(), graph()),
    ]
