"""KSG 1 between single columns, for tensors on any device: exact, but for windows instead of all N² distances.

With the samples of a pair (x, y) in the order of x, the k nearest in the plane are few places away. Their distances to the
samples 1, 2, ... W places further on are computed for all samples at once, and the k least are kept. A sample is done if
the first sample outside its window is no nearer in x alone than the k-th it has. The few that are not, mostly those with an
unusual y, are done in the order of y, in windows that widen until all are.

Every comparison is one of the definition, between differences computed as the definition does: counts are exact, also where
values or distances tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_WINDOW = 0.8
"""Places that are looked at in either direction, in units of √(kN): between 0.7 and 1 the time hardly changes."""
_WIDER = 2
"""How many times wider the window is for those that are not done."""
_FAR = 1e300
"""A value that no sample comes near to."""
_CHUNK = {"cpu": 2**15 - 1, "cuda": 2**21}
"""Samples, over several pairs, that are looked at at once: 256 KiB, which stay in a core's cache; a GPU wants more.

One less than what torch shares out among threads, which for so little costs more than it gains.
"""
_CANDIDATES = {"cpu": 2**15, "cuda": 2**23}
"""The same for candidates of single samples."""


def pair_sums(x: Tensor, y: Tensor, pairs: Tensor, k: int, psi: Tensor) -> Tensor:
    """Σ psi(n_x + 1) + psi(n_y + 1) over the samples, for each of ``pairs`` (pairs, 2) of a column of ``x`` and one of ``y``.

    ``x`` (columns, samples) and ``y`` (columns, samples) are float64 and finite, with more than ``k`` samples; ``psi``
    (samples + 1,) is the digamma function of its index. n_x and n_y are the samples strictly nearer than the k-th neighbour
    in the maximum norm of the plane, the sample itself left out.
    """
    size = x.shape[1]
    x_sorted, x_order = x.sort(dim=1)
    y_sorted, y_order = (x_sorted, x_order) if x is y else y.sort(dim=1)
    y_ranks = torch.empty_like(y_order).scatter_(1, y_order, torch.arange(size, device=y.device).expand_as(y_order))
    window = min(max(8, int(_WINDOW * (k * size) ** 0.5)), size - 1)
    together = max(1, _CHUNK.get(x.device.type, 2**21) // (size + window))
    sums = torch.empty(len(pairs), dtype=torch.float64, device=x.device)
    buffers = torch.empty(k + 3, min(together, len(pairs)) * (size + window), dtype=x.dtype, device=x.device)
    for begin in range(0, len(pairs), together):
        part = slice(begin, begin + together)
        i, j = pairs[part].T
        order = x_order[i]
        xs, ys = x_sorted[i], y[j].gather(1, order)  # in the order of x
        radius, left = _by_windows(xs, ys, window, k, buffers)
        if len(left[0]):
            # The same samples in the order of y, and where there the ones left are.
            turned = x[i].gather(1, y_order[j]), y_sorted[j]
            places = left[0], y_ranks[j].gather(1, order)[left]
            radius[left] = _around(*turned, places, window, k)
        in_x, in_y = _near(xs, xs, radius), _near(y_sorted[j], ys, radius)
        torch.sum(psi[in_x] + psi[in_y], 1, out=sums[part])
    return sums


def _by_windows(xs: Tensor, ys: Tensor, window: int, k: int, buffers: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Distances to the k-th neighbours among those ``window`` places away in either direction (pairs, samples).

    ``xs`` (ascending) and ``ys`` are (pairs, samples). The second result says which samples may have a nearer one
    elsewhere, by pair and place. The first is a part of ``buffers``, which has room for k + 3 rows of all that and as many
    windows.
    """
    pairs, size = xs.shape
    length = pairs * (size + window)
    # numpy has the same functions by the same names, and on a CPU takes half of the time for minima and maxima. One row of
    # all pairs, with places between them that are far from everything, is faster than a row for each.
    on_cpu = xs.device.type == "cpu"
    library: Any = np if on_cpu else torch
    far = [functional.pad(values, (0, window), value=_FAR).view(-1) for values in (xs, ys)]
    x, y, rows = (values.numpy() if on_cpu else values for values in (*far, buffers))
    nearest = [row[:length] for row in rows[:k]]
    for row in nearest:
        row[:] = inf
    for offset in range(1, window + 1):
        # Buffers, because temporaries of this size would be given back to the system and fetched again every time.
        distance, *spare = (row[: length - offset] for row in rows[k:])
        library.subtract(y[offset:], y[:-offset], out=distance)
        library.abs(distance, out=distance)
        library.subtract(x[offset:], x[:-offset], out=spare[0])
        library.maximum(distance, spare[0], out=distance)
        for ends in (slice(0, length - offset), slice(offset, length)):
            _keep(library, [row[ends] for row in nearest], distance, spare)
    radius = buffers[k - 1, :length].view(pairs, size + window)[:, :size]
    undone = torch.zeros(pairs, size, dtype=torch.bool, device=xs.device)
    beyond = window + 1
    if beyond < size:
        gap = xs[:, beyond:] - xs[:, :-beyond]
        undone[:, :-beyond] |= gap < radius[:, :-beyond]
        undone[:, beyond:] |= gap < radius[:, beyond:]
    which, places = undone.nonzero(as_tuple=True)
    return radius, (which, places)


def _keep(library: Any, nearest: Sequence[Any], distance: Any, spare: Sequence[Any]) -> None:
    """Insert ``distance``, elementwise, into the ascending ``nearest``. ``distance`` is not changed, ``spare`` (two) are."""
    passed = distance
    for n, row in enumerate(nearest[:-1]):
        greater = spare[n % 2]
        library.maximum(row, passed, out=greater)
        library.minimum(row, passed, out=row)
        passed = greater
    library.minimum(nearest[-1], passed, out=nearest[-1])


def _around(xs: Tensor, ys: Tensor, places: tuple[Tensor, Tensor], window: int, k: int) -> Tensor:
    """Distances to the k-th neighbours of the samples at ``places`` (pair and place), for ``ys`` ascending.

    Looks ``window`` places away in either direction, and further for those that may have a nearer neighbour there.
    """
    size = xs.shape[1]
    radius = torch.empty(len(places[0]), dtype=xs.dtype, device=xs.device)
    left = torch.arange(len(radius), device=xs.device)
    while len(left):
        window = min(window, size - 1)
        width = 2 * window + 1
        # One window for each place, without a copy: one place more on either side, and infinity outside a pair's samples.
        x, y = (functional.pad(values, (window + 1, window + 1), value=inf).view(-1) for values in (xs, ys))
        undone: list[Tensor] = []
        for part in left.split(max(1, _CANDIDATES.get(xs.device.type, 2**23) // width)):
            first = places[0][part] * (size + 2 * window + 2) + places[1][part] + 1
            own = first + window
            x_here, y_here = x[own], y[own]
            distance = x.unfold(0, width, 1).index_select(0, first).sub_(x_here[:, None]).abs_()
            along_y = y.unfold(0, width, 1).index_select(0, first).sub_(y_here[:, None]).abs_()
            torch.maximum(distance, along_y, out=distance)
            distance[:, window] = inf  # the sample itself
            radius[part] = nearest = kth_smallest(distance, k)
            gap = torch.minimum((y_here - y[first - 1]).abs_(), y[first + width] - y_here)
            undone.append(part[gap < nearest])
        left = torch.cat(undone)
        window *= _WIDER
    return radius


def kth_smallest(values: Tensor, k: int) -> Tensor:
    """Of each row of ``values`` (rows, n), whose order is not kept."""
    if values.device.type == "cpu":  # numpy's vectorised partition takes less than half of the time
        values.numpy().partition(k - 1, axis=1)
        return values[:, k - 1]
    return values.topk(k, dim=1, largest=False).values[:, k - 1]


def _near(ordered: Tensor, values: Tensor, radius: Tensor) -> Tensor:
    """How many of the ascending ``ordered`` (pairs, samples) are strictly nearer to ``values`` than ``radius``; at least 1.

    Both ends by bisection, in steps that are powers of 2: what ``searchsorted`` finds for values ± radius is the same but
    for rounding, and rounding matters, since every other radius is the distance to one of the values.
    """
    pairs, size = ordered.shape
    steps = [1 << n for n in reversed(range(size.bit_length()))]
    padded = torch.full((pairs, 2 * steps[0]), inf, dtype=ordered.dtype, device=ordered.device)
    padded[:, :size] = ordered
    flat, values, radius = padded.view(-1), values.reshape(-1), radius.reshape(-1)
    high = torch.arange(0, len(flat), padded.shape[1], device=flat.device).repeat_interleave(size)
    low = high.clone()
    for step in steps:
        low.add_(values - flat.index_select(0, low + (step - 1)) >= radius, alpha=step)
        high.add_(flat.index_select(0, high + (step - 1)) - values < radius, alpha=step)
    return (high - low).clamp_(min=1).view(pairs, size)
