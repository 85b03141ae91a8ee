"""The figure of the participation ratio. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

import numpy as np
from ibmon import Axis, Curves, Figure, History, Line, Series


def figures(history: History) -> list[Figure]:
    """The effective dimension of every layer through training, a figure for each evaluation set."""
    found = history.select("participation ratio", job="participation-ratio")
    drawn: list[Figure] = []
    for evaluation in dict.fromkeys(s.evaluation for s in found):
        members = [s for s in found if s.evaluation == evaluation]
        suffix = "" if evaluation in ("", "all") else evaluation
        drawn.append(
            Curves(
                name="participation-ratio" + (f"-{suffix}" if suffix else ""),
                title="effective dimension" + (f" on {suffix}" if suffix else ""),
                screen="dimension",
                note="(Σ λ)² / Σ λ² of the covariance",
                x=Axis(label="epoch" if _by_epoch(members[0]) else "step", scale="log"),
                y=Axis(label="participation ratio"),
                lines=tuple(_line(s) for s in members),
            )
        )
    return drawn


def _line(series: Series) -> Line:
    """The median over replicas and timepoints, with the band of most of them."""
    flat = series.value.reshape(len(series.value), -1)
    many = flat.shape[1] > 1 and len(flat) > 0
    at = series.epoch if _by_epoch(series) else series.step.astype(float)
    return Line(
        label=series.subject.get("layer", series.label),
        x=np.where(at <= 0, 0.5, at),  # a logarithmic axis has no 0: the untrained network stands before the first step
        y=np.median(flat, axis=1) if many else flat[:, 0],
        lower=np.percentile(flat, 10, axis=1) if many else None,
        upper=np.percentile(flat, 90, axis=1) if many else None,
        step=series.step,
    )


def _by_epoch(series: Series) -> bool:
    return bool(np.isfinite(series.epoch).any())
