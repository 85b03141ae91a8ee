"""The figures of a run: every analysis draws its own, one that fails harms no other, and unknown series still get a curve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ibmon.registry import Registry, discover
from ibmon.runs.log import printable

from .figure import Axis, Curves, Figure, Line
from .gaps import with_gaps
from .ticks import log_times

if TYPE_CHECKING:
    from ibmon.runs.history import History, Series


@lru_cache(maxsize=1)
def _installed() -> Registry:
    return discover()


def build_figures(history: History, registry: Registry | None = None) -> tuple[list[Figure], list[str]]:
    """Every figure of the run's analyses, then generic curves for what no installed analysis measured, then the training's own.

    Returns the figures and a sentence for each analysis whose figures failed. Names are unique.
    """
    registry = registry or _installed()
    figures: list[Figure] = []
    failures: list[str] = []
    known: set[str] = set()
    for spec in registry.analyses():
        known.add(spec.name)
        if not spec.figures or not any(s.analysis == spec.name for s in history.series):
            known -= set() if spec.figures else {spec.name}
            continue
        try:
            drawn: Sequence[Figure] = spec.load_figures()(history)
            figures += [replace(f, screen=f.screen or spec.name) for f in drawn]
        except Exception as error:  # somebody else's plugin
            who = registry.provider("analyses", spec.name)
            failures.append(f"the figures of {spec.name} ({who}) failed: {printable(f'{type(error).__name__}: {error}', 300)}")
    figures += _generic([s for s in history.series if s.analysis not in known])
    dropped = [d.step for d in history.dropped]
    figures = [with_gaps(figure, dropped) for figure in figures]
    figures += training_curves(history)
    return _unique(figures), failures


def training_curves(history: History) -> list[Figure]:
    """Losses together on a logarithmic axis, accuracies together, every other logged number by itself."""
    groups: dict[str, list[Series]] = {}
    for name, series in history.scalars.items():
        groups.setdefault(name.rpartition("/")[2], []).append(series)
    figures: list[Figure] = []
    for quantity, members in groups.items():
        by_epoch = any(np.isfinite(s.epoch).any() for s in members)
        figures.append(
            Curves(
                name=_slug(quantity),
                title=quantity,
                screen="training",
                important=quantity in ("loss", "accuracy"),
                x=Axis(label="epoch" if by_epoch else "step", scale="log"),
                y=Axis(label=quantity, scale="log" if quantity == "loss" else "linear"),
                lines=tuple(
                    Line(
                        label=s.quantity.rpartition("/")[0] or s.quantity,
                        x=_at(s, by_epoch=by_epoch),
                        y=s.value,
                        step=s.step,
                    )
                    for s in members
                ),
            )
        )
    return figures


def _at(series: Series, *, by_epoch: bool) -> np.ndarray:
    """Epochs or steps for a logarithmic axis."""
    return log_times(series.epoch if by_epoch else series.step.astype(float))


def _generic(series: Sequence[Series]) -> list[Figure]:
    groups: dict[tuple[str, str], list[Series]] = {}
    for s in series:
        groups.setdefault((s.quantity, s.evaluation), []).append(s)
    figures: list[Figure] = []
    for (quantity, evaluation), members in groups.items():
        by_epoch = any(np.isfinite(s.epoch).any() for s in members)
        lines = tuple(
            Line(
                label=s.label,
                x=s.epoch if by_epoch else s.step.astype(float),
                y=s.value if s.value.ndim == 1 else np.nanmedian(s.value.reshape(len(s.value), -1), axis=1),
                step=s.step,
                estimator=s.estimator,
            )
            for s in members
        )
        figures.append(
            Curves(
                name=_slug(f"{quantity}-{evaluation}" if evaluation else quantity),
                title=quantity + (f" on {evaluation}" if evaluation not in ("", "all") else ""),
                screen=_slug(members[0].analysis),
                note="no installed analysis draws this",
                x=Axis(label="epoch" if by_epoch else "step"),
                y=Axis(label=f"{quantity} [{members[0].unit}]" if members[0].unit else quantity),
                lines=lines,
            )
        )
    return figures


def _unique(figures: Sequence[Figure]) -> list[Figure]:
    seen: dict[str, int] = {}
    out: list[Figure] = []
    for figure in figures:
        seen[figure.name] = seen.get(figure.name, 0) + 1
        out.append(figure if seen[figure.name] == 1 else replace(figure, name=f"{figure.name}-{seen[figure.name]}"))
    return out


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "figure"
