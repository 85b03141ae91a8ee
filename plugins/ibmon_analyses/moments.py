"""The moments of a training: the untrained and the newest network beside each other, and all on an axis. No torch."""

from __future__ import annotations

import numpy as np

from ibmon import Axis, Series, log_times


def ends(series: Series) -> list[tuple[int, str]]:
    """The first and the newest row of a series, each with its name in words; only one where there is no other."""
    rows = [0, len(series.step) - 1] if len(series.step) > 1 else [0]
    return [(row, moment(int(series.step[row]), float(series.epoch[row]))) for row in rows]


def moment(step: int, epoch: float) -> str:
    """``untrained``, else the epoch, else the step."""
    return "untrained" if step == 0 else f"epoch {epoch:g}" if np.isfinite(epoch) else f"step {step}"


def training(series: Series) -> tuple[Axis, np.ndarray]:
    """The logarithmic axis of a curve through training, and where its points are: epochs where they are known, else steps.

    The untrained network has no place on such an axis; it stands before the first.
    """
    by_epoch = bool(np.isfinite(series.epoch).any())
    at = series.epoch if by_epoch else series.step.astype(np.float64)
    return Axis(label="epoch" if by_epoch else "step", scale="log"), log_times(at)


def columns(series: Series) -> tuple[Axis, tuple[str, ...]]:
    """The axis of a heatmap whose columns are the steps of training, and their labels."""
    by_epoch = bool(np.isfinite(series.epoch).any())
    at = series.epoch if by_epoch else series.step
    return Axis(label="epoch" if by_epoch else "step"), tuple(f"{round(place, 2):g}" for place in at.tolist())
