"""The moments of a training worth going to: changes of phase, notices, dropped snapshots, failures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .feed import Frame
    from .look import Role

_MOST = 200
"""Of each kind: the newest."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A step, what happened there, and how it is drawn on the line of time."""

    step: int
    words: str
    glyph: str
    role: Role


def moments(frame: Frame) -> list[Moment]:
    """All of them in the order of training; the most telling kind last where several share a step."""
    history = frame.history
    found = [Moment(d.step, f"snapshot dropped: {d.reason}", "╌", "warn") for d in history.dropped[-_MOST:]]
    found += [Moment(n.step, n.text, "▪", "text") for n in history.notices[-_MOST:] if n.step is not None]
    found += [Moment(f.step, f"{f.job} failed: {f.error}", "✖", "bad") for f in history.failures[-_MOST:]]
    found += _phases(frame)
    return sorted(found, key=lambda moment: moment.step)


def _phases(frame: Frame) -> Iterator[Moment]:
    """What analyses mark on the axis of training."""
    from ibmon.figures.figure import Curves

    for figure in frame.figures:
        line = figure.lines[0] if isinstance(figure, Curves) and figure.lines else None
        if not isinstance(figure, Curves) or line is None or line.step is None or not len(line.step):
            continue
        if not figure.x.label.startswith(("epoch", "step")):
            continue
        for reference in figure.references:
            if reference.axis == "x" and math.isfinite(reference.value):
                away = abs(line.x - reference.value)
                away[~(away >= 0)] = math.inf
                nearest = int(line.step[int(away.argmin())])
                yield Moment(nearest, reference.label or figure.title, "◆", "warn")
