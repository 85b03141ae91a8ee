"""Figures of the derivative of I(X;T). No torch: this is what the terminal and the exports call."""

from __future__ import annotations

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Reference, Series, log_times


def figures(history: History) -> list[Figure]:
    """How much I(X;T) changes in an update, layer by layer, and its parts between and within classes."""
    job = "information-derivative"
    whole = history.select("dI(X;T)/dt", job=job)
    drawn: list[Figure] = []
    for estimator in dict.fromkeys(s.estimator for s in whole):
        suffix = "" if estimator == whole[0].estimator else f"-{len(drawn) + 1}"
        chosen = [s for s in whole if s.estimator == estimator]
        within = history.select("dI(X;T)/dt within classes", job=job, estimator=estimator)
        between = history.select("dI(X;T)/dt between classes", job=job, estimator=estimator)
        drawn.append(_curves(f"information-derivative{suffix}", "how fast I(X;T) changes", chosen, []))
        if within:
            title = "how fast I(X;T) changes between (solid) and within classes (dashed)"
            drawn.append(_curves(f"information-derivative-classes{suffix}", title, between, within))
    return drawn


def _curves(name: str, title: str, solid: list[Series], dashed: list[Series]) -> Curves:
    lines = [_line(s, group) for group, s in enumerate(solid)]
    lines += [_line(s, group, dashed=True) for group, s in enumerate(dashed)]
    by_epoch = np.isfinite(solid[0].epoch).any()
    return Curves(
        name=name,
        title=title,
        screen="plane",
        note=f"{solid[0].estimator}, upper bound; of single updates, which fluctuate; below 0: compression",
        x=Axis(label="epoch" if by_epoch else "step", scale="log"),
        y=Axis(label="dI(X;T)/dt [bits/update]"),
        lines=tuple(sorted(lines, key=lambda line: line.group or 0)),
        references=(Reference(axis="y", value=0.0),),
    )


def _line(series: Series, group: int, *, dashed: bool = False) -> Line:
    at = series.epoch if np.isfinite(series.epoch).any() else series.step.astype(float)
    return Line(
        label=series.label + (" within" if dashed else ""),
        x=log_times(at),
        y=series.value,
        step=series.step,
        estimator=series.estimator,
        flags=tuple(("curved",) if raised else () for raised in series.flags.get("curved", np.zeros(len(at), np.bool_))),
        group=group,
        dashed=dashed,
        unnamed=dashed,
    )
