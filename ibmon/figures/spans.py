"""Which values the ends of a map of colours stand for, and where values lie between them."""

from __future__ import annotations

import numpy as np

_Ends = tuple[float | None, float | None]


def value_range(values: np.ndarray, limits: _Ends, centre: float | None = None) -> tuple[float, float] | None:
    """The values that the ends of the colour bar stand for; None where nothing is finite.

    With a ``centre`` both ends are equally far from it unless the limits say otherwise.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    if centre is not None:
        return _range_around(centre, finite, limits)
    low = float(finite.min()) if limits[0] is None else float(limits[0])
    high = float(finite.max()) if limits[1] is None else float(limits[1])
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _range_around(centre: float, finite: np.ndarray, limits: _Ends) -> tuple[float, float]:
    known = [abs(limit - centre) for limit in limits if limit is not None]
    reach = max(known) if known else float(np.abs(finite - centre).max())
    low = centre - reach if limits[0] is None else limits[0]
    high = centre + reach if limits[1] is None else limits[1]
    if low < centre < high:
        return low, high
    reach = max(abs(centre), 1.0) / 2
    return centre - reach, centre + reach


def scaled(values: np.ndarray, span: tuple[float, float], centre: float | None = None) -> np.ndarray:
    """From 0 to 1 between the limits, 0.5 at the centre; NaN stays NaN."""
    if centre is not None:
        below, above = scaled(values, (span[0], centre)), scaled(values, (centre, span[1]))
        return np.where(values < centre, below / 2, 0.5 + above / 2)
    with np.errstate(all="ignore"):
        part = np.clip((values / 2 - span[0] / 2) / (span[1] / 2 - span[0] / 2), 0.0, 1.0)
    return np.where(np.isfinite(values), part, np.nan)
