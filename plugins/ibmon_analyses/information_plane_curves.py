"""What the information plane draws over the training, and what its figures share. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ibmon import Axis, Curves, Line, Series, log_times


def through_training(quantity: str, series: Sequence[Series], *, name: str, title: str, note: str) -> Curves:
    """A curve for each series, the median and the band of 10 to 90 % where it has axes, and its null where it has one."""
    lines: list[Line] = []
    for group, s in enumerate(series):
        flat = s.value.reshape(len(s.value), -1)
        at = _epochs(s)
        band = (
            (np.percentile(flat, 10, axis=1), np.percentile(flat, 90, axis=1))
            if flat.shape[1] > 1 and len(flat)
            else (None, None)
        )
        value = _middle(s.value)
        lines.append(
            Line(
                label=s.subject.get("layer", s.label),
                x=at,
                y=value,
                lower=band[0],
                upper=band[1],
                step=s.step,
                estimator=s.estimator,
                flags=flag_names([(s, np.arange(len(at)))]),
                details={name: _middle(detail) for name, detail in s.details.items()},
                group=group,
            )
        )
        if "null" in s.details:
            null = _middle(s.details["null"])
            label = f"{lines[-1].label} null"
            lines.append(
                Line(label=label, x=at, y=null, step=s.step, estimator=s.estimator, dashed=True, group=group, unnamed=True)
            )
    unit = "epoch" if series and np.isfinite(series[0].epoch).any() else "step"
    return Curves(
        name=name,
        title=title,
        screen="plane",
        note=note + ("; dashed: with permuted labels" if any(line.dashed for line in lines) else ""),
        x=Axis(label=unit, scale="log"),
        y=Axis(label=f"{quantity} [{series[0].unit if series else 'bits'}]", limits=(0.0, None)),
        lines=tuple(lines),
    )


def raised(series: Series, flag: str) -> np.ndarray:
    return series.flags.get(flag, np.zeros(series.value.shape, dtype=bool))


def flag_names(parts: Sequence[tuple[Series, np.ndarray]]) -> tuple[tuple[str, ...], ...]:
    """For each point the names of the flags that any of the series raises at its row."""
    names = sorted({name for series, _ in parts for name in series.flags})
    codes = np.zeros(len(parts[0][1]), np.int64)
    for bit, name in enumerate(names):
        for series, rows in parts:
            if name in series.flags:
                codes |= series.flags[name][rows].reshape(len(rows), -1).any(axis=1).astype(np.int64) << bit
    words = {code: tuple(name for bit, name in enumerate(names) if code >> bit & 1) for code in set(codes.tolist())}
    return tuple(map(words.__getitem__, codes.tolist()))


def _middle(values: np.ndarray) -> np.ndarray:
    """The median over the axes of a series (points,)."""
    flat = values.reshape(len(values), -1)
    return np.median(flat, axis=1) if flat.shape[1] > 1 else flat[:, 0]


def _epochs(series: Series) -> np.ndarray:
    """Epochs where the training has them, else steps; the untrained network is drawn half a step before the first."""
    at = series.epoch if np.isfinite(series.epoch).any() else series.step.astype(float)
    return log_times(at)
