"""Measurements as they are logged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ibmon.records import Measurement, Value
from ibmon.runs.arrays import save_array

if TYPE_CHECKING:
    from pathlib import Path

INLINE = 4096
"""Elements that still go into the line itself."""


def logged(measurement: Measurement, folder: Path, name: str) -> Value:
    """A measurement as a record; a large array goes to ``folder/name.npy`` first. Raises ValueError when shapes disagree."""
    axes = {axis: list(points) for axis, points in measurement.axes.items()}
    shape = tuple(len(points) for points in axes.values())
    value, lower, upper = (
        _array(v, shape, measurement.quantity) for v in (measurement.value, measurement.lower, measurement.upper)
    )
    assert value is not None
    flags = {flag: np.broadcast_to(_plain(raised), shape) for flag, raised in measurement.flags.items()}
    bad = ~np.isfinite(value)
    if bad.any():
        flags["nonfinite"] = bad | flags.get("nonfinite", np.zeros(shape, bool))
    details = {name: _array(detail, shape, measurement.quantity) for name, detail in measurement.details.items()}
    common: dict[str, Any] = {
        "quantity": measurement.quantity,
        "unit": measurement.unit,
        "subject": {k: str(v) for k, v in measurement.subject.items()},
        "axes": axes,
        "estimator": measurement.estimator,
        "flags": {flag: _flag(raised) for flag, raised in flags.items() if raised.any()},
    }
    if value.size <= INLINE:
        beside = {detail: _listed(array) for detail, array in details.items()}
        return Value(**common, value=_listed(value), lower=_listed(lower), upper=_listed(upper), details=beside)
    nothing = np.full(shape, np.nan)
    stacked = np.stack([nothing if array is None else array for array in (value, lower, upper, *details.values())])
    save_array(folder, f"{name}.npy", stacked)
    return Value(**common, details=dict.fromkeys(details), array=f"{name}.npy")


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _array(value: Any, shape: tuple[int, ...], quantity: str) -> np.ndarray | None:
    if value is None:
        return None
    array = _plain(value).astype(np.float64)
    if array.shape != shape:
        raise ValueError(f"{quantity} has shape {array.shape}, its axes say {shape}")
    return array


def _flag(raised: np.ndarray) -> bool | list[Any]:
    return True if raised.all() else raised.tolist()


def _listed(value: np.ndarray | None) -> float | list[Any] | None:
    """Numbers as JSON has them: what is not finite is null."""
    if value is None:
        return None
    if value.ndim == 0:
        number = float(value)
        return number if math.isfinite(number) else None
    listed = value.astype(object)
    listed[~np.isfinite(value)] = None
    return listed.tolist()
