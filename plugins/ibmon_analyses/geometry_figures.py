"""Figures of the geometry of layers. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Series, log_times

from .finite import percentiles
from .naming import named_set, slug

_ANALYSIS = "geometry"
_SQUARED = "squared units of the activation"


def figures(history: History) -> list[Figure]:
    """For each evaluation set tr Cov(T), distances within and between the classes of each task, and saturation where measured."""
    every = history.select("total variance", job=_ANALYSIS)
    sets = list(dict.fromkeys(s.evaluation for s in every))
    return [figure for evaluation in sets for figure in _of(history, evaluation)]


def _of(history: History, evaluation: str) -> Iterator[Curves]:
    def select(quantity: str) -> list[Series]:
        return history.select(quantity, job=_ANALYSIS, evaluation=evaluation)

    named = named_set(evaluation)
    end, where = "".join(f"-{slug(name)}" for name in named), "".join(f" on {name}" for name in named)
    variance = select("total variance")
    x = Axis(label="epoch" if _in_epochs(variance[0]) else "step", scale="log")
    words = "; median and 10–90 %" if any(s.axes for s in variance) else ""
    yield Curves(
        name=f"geometry{end}",
        title=f"total variance of the layers{where}",
        screen="plane",
        note=_SQUARED + words,
        x=x,
        y=Axis(label="tr Cov(T)", scale="log"),
        lines=tuple(_line(s, label=s.subject["layer"]) for s in variance),
    )
    within = {_key(s): s for s in select("within-class distance")}
    pairs = [(within[_key(s)], s) for s in select("between-class distance") if _key(s) in within]
    tasks = list(dict.fromkeys(_key(w)[1] for w, _ in pairs))
    for task in tasks:
        own = [pair for pair in pairs if _key(pair[0])[1] == task]
        yield Curves(
            name=f"class-distances{f'-{slug(task)}' if task else ''}{end}",
            title=f"distances between classes (solid) and within{f' of {task}' if task else ''}{where}",
            screen="plane",
            note=f"{_SQUARED}; the gap is the class separation{words}",
            x=x,
            y=Axis(label="mean ‖t − t′‖²", scale="log"),
            lines=tuple(line for group, (w, b) in enumerate(own) for line in _distances(w, b, group)),
        )
    # A layer that only now and then stays within its range has no ends to saturate at.
    measurable = {s.subject["layer"]: int(np.isfinite(_flat(s)).any(axis=1).sum()) for s in variance}
    saturated = [s for s in select("saturated fraction") if len(s.step) >= measurable.get(s.subject["layer"], 0)]
    if saturated:
        yield Curves(
            name=f"saturated-fraction{end}",
            title=f"saturated activations{where}",
            screen="plane",
            note=f"layers within [-1, 1], or within [0, 1]: |2t − 1| > .95{words}",
            x=x,
            y=Axis(label="share of |t| > .95", limits=(0.0, 1.0)),
            lines=tuple(_line(s, label=s.subject["layer"]) for s in saturated),
        )


def _key(series: Series) -> tuple[str, str]:
    return series.subject["layer"], series.subject.get("task", "")


def _distances(within: Series, between: Series, group: int) -> Iterator[Line]:
    """Both distances of a layer, in one colour."""
    layer = between.subject["layer"]
    yield _line(between, label=f"{layer} between", group=group)
    yield _line(within, label=f"{layer} within", group=group, dashed=True, unnamed=True)


def _line(series: Series, **meaning: object) -> Line:
    """The median over replicas and timepoints with the band of 10 to 90 %."""
    flat = _flat(series)
    at = series.epoch if _in_epochs(series) else series.step.astype(float)
    low, middle, high = percentiles(flat, (10, 50, 90))
    return Line(
        x=log_times(at),
        y=middle,
        lower=low if series.axes else None,
        upper=high if series.axes else None,
        step=series.step,
        **meaning,  # type: ignore[arg-type]
    )


def _flat(series: Series) -> np.ndarray:
    """The values (points, everything that an axis runs over)."""
    return series.value.reshape(len(series.value), -1)


def _in_epochs(series: Series) -> bool:
    return bool(np.isfinite(series.epoch).any())
