"""Where the ticks of an axis go, and what they say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figure import Scale

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def log_times(times: np.ndarray) -> np.ndarray:
    """Epochs or steps ``(points,)`` for a logarithmic axis: 0, the untrained network, becomes ½, or half of the first time after
    it where that comes before."""
    positive = times[times > 0]
    return np.where(times <= 0, min(0.5, positive.min() / 2) if len(positive) else 0.5, times)


def nice_step(span: float, count: float) -> float:
    """The smallest of 1, 2, 5 × 10ⁿ that divides ``span`` into at most ``count`` parts."""
    raw = span / max(count, 1e-9)
    if not (math.isfinite(raw) and raw > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    return next((m * power for m in (1.0, 2.0, 5.0) if raw <= m * power * (1 + 1e-9)), 10.0 * power)


def ticks(low: float, high: float, scale: Scale, count: int, *, ascii_only: bool = False) -> list[tuple[float, str]]:
    """About ``count`` values between the limits (data units) with their labels, in rising order."""
    if scale == "log":
        return _log_ticks(low, high, count, ascii_only)
    return _linear_ticks(low, high, count)


def powers(low: float, high: float) -> bool:
    """Whether a logarithmic axis between these limits has two powers of ten to label."""
    return math.floor(math.log10(high) + 1e-9) > math.ceil(math.log10(low) - 1e-9)


def _linear_ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    step = nice_step(high - low, max(count, 1))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [k * step for k in range(first, min(last, first + 50) + 1)]
    return [(value, label) for value, label in zip(values, _labels(values, step), strict=True)]


def _labels(values: list[float], step: float) -> list[str]:
    largest = max((abs(v) for v in values), default=0.0)
    if largest >= 1e15 or (step < 1e-4 and largest > 0):
        digits = min(max(0, math.floor(math.log10(largest)) - math.floor(math.log10(step) + 1e-9)), 12)
        return ["0" if v == 0 else f"{v:.{digits}e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e") for v in values]
    units = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))
    least, suffix = next(((least, suffix) for least, suffix in units if largest >= least), (1.0, ""))
    unit = 1e3 if suffix == "k" else least
    values, step = [v / unit for v in values], step / unit
    decimals = min(max(0, -math.floor(math.log10(step) + 1e-9)), 12)
    return [f"{v + 0.0:.{decimals}f}{suffix if v else ''}" for v in values]


def _log_ticks(low: float, high: float, count: int, ascii_only: bool) -> list[tuple[float, str]]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    decades = last - first + 1
    if powers(low, high):
        stride = max(1, math.ceil(decades / max(count, 1)))
        start = -(-first // stride) * stride
        return [(10.0**k, _power(k, ascii_only)) for k in range(start, last + 1, stride)]

    def within(digits: Sequence[int]) -> list[float]:
        values = [m * 10.0**k for k in range(first - 1, last + 1) for m in digits]
        return [v for v in values if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]

    few, more = within((1, 2, 5)), within(range(1, 10))
    if len(few) < 3 <= len(more) <= max(count, 3):
        few = more
    if len(few) < 2:
        return _linear_ticks(low, high, count)
    return [(v, f"{v:g}" if v < 1e5 else _labels([v], v)[0]) for v in few]


def _power(exponent: int, ascii_only: bool) -> str:
    return f"1e{exponent}" if ascii_only else "10" + str(exponent).translate(_SUPERSCRIPT)
