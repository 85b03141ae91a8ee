import numpy as np

from ibmon import Axis, Curves, Graph, Heatmap, Histogram, Image, Line, Passage, Plane, Reference, Table, Trajectory

TIMEPOINTS = 12
WORDS = ("A", "film", "that", "takes", "its", "time", ",", "and", "then", "forgets", "what", "it", "wanted", "to", "say", ".")


class Gallery:
    """Its results are written by hand."""


def figures(history):
    """Everything moves with the number of measurements, as figures of real analyses do."""
    (series,) = history.select("gallery")
    step, epoch, count = series.step, series.epoch, len(series.step)
    part = epoch / (epoch + 20)
    names = tuple(f"unit {i + 1}" for i in range(8))
    away = np.abs(np.arange(8)[:, None] - np.arange(8)) + 0.0
    states = [(t, np.sqrt(t / TIMEPOINTS)) for t in range(1, TIMEPOINTS + 1)]
    return [
        Heatmap(
            name="correlations",
            title="correlations",
            screen="flow",
            important=True,
            values=np.cos(away * count / 30) * np.exp(-away / (2 + count / 20)),
            row_labels=names,
            column_labels=names,
            value_label="r",
            limits=(-1.0, 1.0),
            centre=0.0,
        ),
        Plane(
            name="states",
            title="information plane of lstm",
            screen="timepoints",
            important=True,
            x=Axis(label="I(X;T) [bits]"),
            y=Axis(label="I(T;Y) [bits]", limits=(0.0, None)),
            positions=Axis(label="timepoint"),
            trajectories=tuple(
                Trajectory(
                    label=f"lstm t{t}", x=2 + 6 * late * part, y=0.9 * late * part**2, step=step, epoch=epoch, position=t, group=0
                )
                for t, late in states
            ),
        ),
        Curves(
            name="known",
            title="what is known of the class",
            screen="timepoints",
            x=Axis(label="epoch"),
            y=Axis(label="I(T;Y) [bits]"),
            positions=Axis(label="timepoint"),
            lines=tuple(Line(label=f"t{t}", x=epoch, y=0.9 * late * part**2, step=step, position=t) for t, late in states),
            references=(Reference(axis="x", value=9.0, label="compression"),),
        ),
        Histogram(
            name="activations",
            title="activations",
            screen="gates",
            edges=np.linspace(-1, 1, 13),
            counts=np.rint(50 * np.exp(-((np.arange(12) - np.array([[3.0], [3 + count / 10]])) ** 2) / (2 + count / 10))),
            labels=("open", "closed"),
            x=Axis(label="activation"),
        ),
        Table(
            name="facts",
            title="facts",
            screen="facts",
            columns=("epoch", "step", "share known"),
            rows=tuple((f"{e:g}", str(s), f"{p:.3f}") for e, s, p in zip(epoch, step, part, strict=True)),
        ),
        Image(
            name="filters",
            title="filters",
            screen="facts",
            values=np.stack([np.sin(away * k / 4 + count / 9) for k in range(1, 4)]),
            labels=("one", "two", "three"),
        ),
        Passage(
            name="saliency",
            title="saliency of a review",
            screen="words",
            words=WORDS,
            values=np.stack([np.full(len(WORDS), 0.1), part[-1] * np.cos(np.arange(len(WORDS)) + count / 9) ** 2]),
            labels=("untrained", "now"),
            value_label="saliency",
        ),
        Graph(
            name="flows",
            title="flows",
            screen="words",
            nodes=("input", *names, "output"),
            groups=("input", *("unit",) * 8, "output"),
            level=np.array([0.0, *(0.5 + part[-1] * np.cos(np.arange(8) + count / 9) ** 2), 2.0]),
            edges=np.array([(0, i) for i in range(1, 9)] + [(i, 9) for i in range(1, 9)] + [(1, 5), (6, 2)]),
            weights=np.linspace(0.1, part[-1] + 0.2, 18),
            x=Axis(label="level"),
            weight_label="flow [bits]",
        ),
    ]
