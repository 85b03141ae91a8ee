# pyright: basic
"""KSG 1 between single columns, compiled: an exact sweep over strips, far below the N² distances of the definition.

The samples of a pair (x, y) are cut into strips of equal numbers by the rank of x, each strip in the order of y. Going
through the samples in the order of y, a pointer into each strip says where that y is; neighbours are looked for from there,
outwards in y and from strip to strip, and both directions end at the distance of the k-th neighbour found so far. With
strips of about √(kN) samples a sample meets few strips and few samples in each.

Every comparison is one of the definition, between differences computed as the definition does: counts are exact, also
where values or distances tie.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numba import prange
from torch import Tensor

from .compiled import kernel, threads

_STRIP = 0.7
"""Samples of a strip, in units of √(kN): between 0.4 and 1.2 the time hardly changes."""
_CELLS = 4
"""Cells of the table over a column's range, for each sample."""


def pair_sums(x: Tensor, y: Tensor, pairs: Tensor, k: int, psi: Tensor) -> Tensor:
    """Σ psi(n_x + 1) + psi(n_y + 1) over the samples, for each of ``pairs`` (pairs, 2) of a column of ``x`` and one of ``y``.

    ``x`` (columns, samples) and ``y`` (columns, samples) are float64 on the CPU and finite, with more than ``k`` samples;
    ``psi`` (samples + 1,) is the digamma function of its index. n_x and n_y are the samples strictly nearer than the k-th
    neighbour in the maximum norm of the plane, the sample itself left out.
    """
    of_x = _sorted(x.numpy())
    of_y = of_x if x is y else _sorted(y.numpy())
    strip = max(8, int(_STRIP * (k * x.shape[1]) ** 0.5))
    with threads():
        sums = _pairs(
            of_x.values, of_x.ranks, of_x.tables, of_y.values, of_y.order, of_y.tables, pairs.numpy(), strip, k, psi.numpy()
        )
    return torch.from_numpy(sums)


class _Sorted(NamedTuple):
    """Sorted ``values``, their ``order``, the ``ranks`` and the ``tables`` of some columns (columns, samples).

    A table is its start, scale and entries: entry m is where the first value ≥ start + m / scale lies, a hint from where a
    search gets to its goal in a step or two.
    """

    values: np.ndarray
    order: np.ndarray
    ranks: np.ndarray
    tables: tuple[np.ndarray, np.ndarray, np.ndarray]


def _sorted(columns: np.ndarray) -> _Sorted:
    size = columns.shape[1]
    cells = _CELLS * size
    order = np.argsort(columns, axis=1)
    values = np.take_along_axis(columns, order, 1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(size)[None], 1)
    start = values[:, 0].copy()
    # A column may be constant: everything is then in the first cell, and searches take more steps.
    scale = cells / np.maximum(values[:, -1] - start, 1e-300)
    entries = np.zeros((len(columns), cells + 1), np.int32)
    for row, column, first, factor in zip(entries, values, start, scale, strict=True):
        cell = np.minimum((column - first) * factor, cells - 1).astype(np.int64)
        np.minimum(np.cumsum(np.bincount(cell, minlength=cells)), size - 1, out=row[1:])
    return _Sorted(values, order.astype(np.int32), ranks.astype(np.int32), (start, scale, entries))


@kernel()
def _keep(nearest, k, distance):
    """Put ``distance`` into the ascending ``nearest`` (k,), whose last it is below, and return the new last."""
    place = k - 1
    while place > 0 and nearest[place - 1] > distance:
        nearest[place] = nearest[place - 1]
        place -= 1
    nearest[place] = distance
    return nearest[k - 1]


@kernel()
def _hint(table, start, scale, value):
    """An index near that of the first sorted value ≥ ``value``."""
    cell = (value - start) * scale
    last = len(table) - 1
    return table[0 if cell < 0 else (last if cell > last else int(cell))]


@kernel()
def _within(values, table, start, scale, value, radius):
    """How many of the sorted ``values``, which hold ``value``, are strictly nearer to it than ``radius``; 1 if that is 0.

    Both ends are looked for from a hint on: in doubled steps past the goal, then in halved ones back to it.
    """
    size = len(values)
    low, step = _hint(table, start, scale, value - radius), 1
    if value - values[low] < radius:  # near enough: down to the first that is
        while low > 0 and value - values[max(low - step, 0)] < radius:
            low = max(low - step, 0)
            step *= 2
        while step > 0:
            if low - step >= 0 and value - values[low - step] < radius:
                low -= step
            step >>= 1
    else:  # up to the last that is not, and one more
        while low + step < size and value - values[low + step] >= radius:
            low += step
            step *= 2
        while step > 0:
            if low + step < size and value - values[low + step] >= radius:
                low += step
            step >>= 1
        low += 1
    high, step = _hint(table, start, scale, value + radius), 1
    if values[high] - value < radius:
        while high + step < size and values[high + step] - value < radius:
            high += step
            step *= 2
        while step > 0:
            if high + step < size and values[high + step] - value < radius:
                high += step
            step >>= 1
        high += 1
    else:
        while high > 0 and values[max(high - step, 0)] - value >= radius:
            high = max(high - step, 0)
            step *= 2
        while step > 0:
            if high - step >= 0 and values[high - step] - value >= radius:
                high -= step
            step >>= 1
    return max(high - low, 1)


@kernel(inline="always")
def _search(xs, ys, first, pointer, last, x, y, radius, nearest, k):
    """Look for nearer samples in the strip [first, last), up and down from ``pointer``; the new radius."""
    place = pointer
    while place < last:
        dy = ys[place] - y
        if dy >= radius:
            break
        dx = abs(xs[place] - x)
        distance = max(dx, dy)
        if distance < radius:
            radius = _keep(nearest, k, distance)
        place += 1
    place = pointer - 1
    while place >= first:
        dy = y - ys[place]
        if dy >= radius:
            break
        dx = abs(xs[place] - x)
        distance = max(dx, dy)
        if distance < radius:
            radius = _keep(nearest, k, distance)
        place -= 1
    return radius


@kernel(inline="always")
def _search_own(xs, ys, first, own, last, x, y, nearest, k):
    """The same in the strip of the sample itself, at ``own``: in the order of |dy|, which shrinks the radius soonest."""
    radius = np.inf
    above, below = own + 1, own - 1
    up = ys[above] - y if above < last else np.inf
    down = y - ys[below] if below >= first else np.inf
    while True:
        if up < down:
            if up >= radius:
                return radius
            dx = abs(xs[above] - x)
            distance = max(dx, up)
            above += 1
            up = ys[above] - y if above < last else np.inf
        else:
            if down >= radius:
                return radius
            dx = abs(xs[below] - x)
            distance = max(dx, down)
            below -= 1
            down = y - ys[below] if below >= first else np.inf
        if distance < radius:
            radius = _keep(nearest, k, distance)


@kernel()
def _cut(x, x_ranks, y, y_order, strip, xs, ys, pointer):
    """Write the samples into ``xs`` and ``ys``, strip by strip, each in the order of y; ``pointer`` then is at their begins."""
    for s in range(len(pointer)):
        pointer[s] = s * strip
    for place in range(len(y)):
        rank = x_ranks[y_order[place]]
        to = pointer[rank // strip]
        xs[to], ys[to] = x[rank], y[place]
        pointer[rank // strip] = to + 1
    for s in range(len(pointer)):
        pointer[s] = s * strip


@kernel(parallel=True)
def _pairs(x_sorted, x_ranks, x_tables, y_sorted, y_order, y_tables, pairs, strip, k, psi):
    """The sums of ``pair_sums`` (pairs,). A table is its start, scale and entries, each by column."""
    size = x_sorted.shape[1]
    strips = (size + strip - 1) // strip
    sums = np.empty(len(pairs))
    for pair in prange(len(pairs)):
        i, j = pairs[pair, 0], pairs[pair, 1]
        x_values, ranks, y_values, order = x_sorted[i], x_ranks[i], y_sorted[j], y_order[j]
        x_start, x_scale, x_table = x_tables[0][i], x_tables[1][i], x_tables[2][i]
        y_start, y_scale, y_table = y_tables[0][j], y_tables[1][j], y_tables[2][j]
        xs, ys, pointer, nearest = np.empty(size), np.empty(size), np.empty(strips, np.int64), np.empty(k)
        _cut(x_values, ranks, y_values, order, strip, xs, ys, pointer)
        total = 0.0
        for place in range(size):
            rank = ranks[order[place]]
            x, y = x_values[rank], y_values[place]
            own = rank // strip
            nearest[:] = np.inf
            end = min(own * strip + strip, size)
            radius = _search_own(xs, ys, own * strip, pointer[own], end, x, y, nearest, k)
            # Further strips in the order of their distance in x, to the left and to the right.
            left, right = own - 1, own + 1
            to_left = x - x_values[own * strip - 1] if left >= 0 else np.inf
            to_right = x_values[right * strip] - x if right < strips else np.inf
            while True:
                if to_left < to_right:
                    if to_left >= radius:
                        break
                    first = left * strip
                    radius = _search(xs, ys, first, pointer[left], first + strip, x, y, radius, nearest, k)
                    to_left = x - x_values[first - 1] if left > 0 else np.inf
                    left -= 1
                else:
                    if to_right >= radius:
                        break
                    first = right * strip
                    radius = _search(xs, ys, first, pointer[right], min(first + strip, size), x, y, radius, nearest, k)
                    right += 1
                    to_right = x_values[right * strip] - x if right < strips else np.inf
            pointer[own] += 1
            total += psi[_within(x_values, x_table, x_start, x_scale, x, radius)]
            total += psi[_within(y_values, y_table, y_start, y_scale, y, radius)]
        sums[pair] = total
    return sums
