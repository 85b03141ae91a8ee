"""Snapshots that were dropped are gaps of curves, and no line is drawn across them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .figure import Curves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figure import Figure, Line


def with_gaps(figure: Figure, dropped: Sequence[int]) -> Figure:
    """The figure with a point without a value at each of the steps where its curves have been measured before and after."""
    if not isinstance(figure, Curves) or not dropped:
        return figure
    steps = np.unique(np.asarray(dropped, np.int64))
    return replace(figure, lines=tuple(_broken(line, steps) for line in figure.lines))


def _broken(line: Line, dropped: np.ndarray) -> Line:
    if line.step is None or len(line.step) < 2:
        return line
    within = dropped[(dropped > line.step[0]) & (dropped < line.step[-1]) & ~np.isin(dropped, line.step)]
    if not len(within):
        return line
    at = np.searchsorted(line.step, within)

    def widened(values: np.ndarray) -> np.ndarray:
        return np.insert(np.asarray(values, np.float64), at, np.nan)

    flags = list(line.flags)
    for place in at[::-1].tolist() if flags else ():
        flags.insert(place, ())
    return replace(
        line,
        x=widened(line.x),
        y=widened(line.y),
        lower=None if line.lower is None else widened(line.lower),
        upper=None if line.upper is None else widened(line.upper),
        step=np.insert(line.step, at, within),
        flags=tuple(flags),
        details={name: widened(detail) for name, detail in line.details.items()},
    )
