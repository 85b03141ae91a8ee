"""Statistics over what has a value: one timepoint or network without one leaves the others theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def percentiles(flat: np.ndarray, percents: Sequence[float]) -> np.ndarray:
    """Percentiles of the finite numbers in each row of ``(points, values)``: ``(percents, points)``, NaN where none is."""
    known = np.isfinite(flat)
    some = known.any(axis=1)
    out = np.full((len(percents), len(flat)), np.nan)
    if some.any():
        out[:, some] = np.nanpercentile(np.where(known, flat, np.nan)[some], percents, axis=1)
    return out
