# pyright: basic
"""Ross' counts, compiled: the samples nearer than the k-th neighbour of one's own label.

Both kernels take several label sets at once (the labels and their permutations), so that what does not depend on labels
(the order of a column, the distances of a row) is computed once. ``codes`` (sets, samples) are int32 in [0, classes);
``starts`` (labels, classes + 1) says where each class begins once samples are grouped by class, each row for as many sets
in a row. A class has two samples or none. Distances and comparisons are those of the definition, so that counts are exact,
ties included.
"""

from __future__ import annotations

import numpy as np
from numba import prange, set_num_threads

from .compiled import kernel

_TILE = 512
"""Candidates whose distances to four samples are built up in a core's first cache."""
_SHARED = 2**22
"""Comparisons from which a second thread is worth waking: beside a busy training it may be long in coming."""


def columns(ordered, order, codes, starts, k, psi):
    """Mean of psi(m) over the samples, each column a variable of its own: (sets, columns).

    ``ordered`` (columns, samples) are the sorted columns and ``order`` the sample at each place; ``psi`` (samples + 1,) is
    the digamma function of its index. For the caller's ``threads()``, as is ``rows``.
    """
    if ordered.size * len(codes) * 64 < _SHARED:
        set_num_threads(1)
    return _columns(ordered, order, codes, starts, k, psi)


def rows(values, codes, starts, k, psi):
    """Mean of psi(m) over the samples for the columns ``values`` (units, samples) together, in the maximum norm: (sets, 1)."""
    if values.shape[1] ** 2 * (len(values) + len(codes)) < _SHARED:
        set_num_threads(1)
    return _rows(values, codes, starts, k, psi)


@kernel()
def _grouped(codes, starts, out):
    """Write which samples belong to each class, class after class, into ``out`` (samples,)."""
    fill = starts.copy()
    for p in range(len(codes)):
        out[fill[codes[p]]] = p
        fill[codes[p]] += 1


@kernel()
def _nearer(xs, at, a, b, q, k):
    """How many of the sorted ``xs`` are nearer to member ``q`` of the class [a, b) than its k-th neighbour in the class.

    ``at`` holds the places in ``xs`` of the members of all classes. Includes the member itself; 1 where the k-th neighbour
    has the same value.
    """
    here = at[q]
    v = xs[here]
    left, right = q - 1, q + 1
    below = v - xs[at[left]] if left >= a else np.inf
    above = xs[at[right]] - v if right < b else np.inf
    radius = 0.0
    for _ in range(k):
        if below < above or right >= b:
            radius = below
            left -= 1
            below = v - xs[at[left]] if left >= a else np.inf
        else:
            radius = above
            right += 1
            above = xs[at[right]] - v if right < b else np.inf
    if radius == 0:
        return 1
    # Each edge of the ball lies between two neighbours of one class, which leaves only a few places to search, and on the
    # side of the k-th neighbour it is next to it.
    low = at[left] + 1 if left >= a else 0
    high = here
    for member in range(left + 1, q):
        if v - xs[at[member]] < radius:
            high = at[member]
            break
        low = at[member] + 1
    if low < high and v - xs[low] < radius:
        high = low
    while low < high:
        middle = (low + high) >> 1
        if v - xs[middle] < radius:
            high = middle
        else:
            low = middle + 1
    first = low
    low = here + 1
    high = at[right] if right < b else len(xs)
    for member in range(right - 1, q, -1):
        if xs[at[member]] - v < radius:
            low = at[member] + 1
            break
        high = at[member]
    if low < high and xs[high - 1] - v < radius:
        low = high
    while low < high:
        middle = (low + high) >> 1
        if xs[middle] - v < radius:
            low = middle + 1
        else:
            high = middle
    return low - first


@kernel(parallel=True)
def _columns(ordered, order, codes, starts, k, psi):
    units, size = ordered.shape
    sets = len(codes)
    repeats = sets // len(starts)
    out = np.empty((sets, units))
    for task in prange(sets * units):
        s, c = task // units, task % units
        places = np.empty(size, np.int32)
        for p in range(size):
            places[p] = codes[s, order[c, p]]
        at = np.empty(size, np.int32)
        begins = starts[s // repeats]
        _grouped(places, begins, at)
        total = 0.0
        for y in range(len(begins) - 1):
            a, b = begins[y], begins[y + 1]
            for q in range(a, b):
                total += psi[_nearer(ordered[c], at, a, b, q, min(k, b - a - 1))]
        out[s, c] = total / size
    return out


@kernel()
def _distances(values, first, out):
    """Maximum norm between all samples and the four from ``first`` on, into ``out`` (4, samples)."""
    units, size = values.shape
    p0, p1, p2, p3 = first, min(first + 1, size - 1), min(first + 2, size - 1), min(first + 3, size - 1)
    for begin in range(0, size, _TILE):
        end = min(begin + _TILE, size)
        d0, d1, d2, d3 = out[0, begin:end], out[1, begin:end], out[2, begin:end], out[3, begin:end]
        d0[:] = 0
        d1[:] = 0
        d2[:] = 0
        d3[:] = 0
        for c in range(units):
            x = values[c, begin:end]
            v0, v1, v2, v3 = values[c, p0], values[c, p1], values[c, p2], values[c, p3]
            for q in range(end - begin):
                t = abs(x[q] - v0)
                d0[q] = max(d0[q], t)
                t = abs(x[q] - v1)
                d1[q] = max(d1[q], t)
                t = abs(x[q] - v2)
                d2[q] = max(d2[q], t)
                t = abs(x[q] - v3)
                d3[q] = max(d3[q], t)


@kernel()
def _radius(distances, members, p, nearest):
    """Distance of sample ``p`` to its nearest ``members`` but itself, as many as ``nearest`` has room for."""
    k = len(nearest)
    nearest[:] = np.inf
    radius = np.inf
    for q in members:
        d = distances[q]
        if d < radius and q != p:
            place = k - 1
            while place > 0 and nearest[place - 1] > d:
                nearest[place] = nearest[place - 1]
                place -= 1
            nearest[place] = d
            radius = nearest[k - 1]
    return radius


@kernel(parallel=True)
def _rows(values, codes, starts, k, psi):
    size = values.shape[1]
    sets = len(codes)
    repeats = sets // len(starts)
    members = np.empty((sets, size), np.int32)
    for s in prange(sets):
        _grouped(codes[s], starts[s // repeats], members[s])
    terms = np.empty((sets, size))
    for block in prange((size + 3) // 4):
        distances = np.empty((4, size))
        nearest = np.empty(k)
        _distances(values, 4 * block, distances)
        for i in range(min(4, size - 4 * block)):
            p = 4 * block + i
            row = distances[i]
            for s in range(sets):
                begins, y = starts[s // repeats], codes[s, p]
                a, b = begins[y], begins[y + 1]
                radius = _radius(row, members[s, a:b], p, nearest[: min(k, b - a - 1)])
                inside = 0
                for q in range(size):
                    inside += row[q] < radius
                terms[s, p] = psi[max(inside, 1)]
    out = np.empty((sets, 1))
    for s in prange(sets):
        out[s, 0] = terms[s].mean()
    return out
