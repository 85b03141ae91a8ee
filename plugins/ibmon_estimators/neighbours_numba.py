# pyright: basic
"""Nearest neighbours in the maximum norm, compiled: the distances of the definition, a vector of them at a time.

In more than a few dimensions no tree beats looking at every sample; in few, a core still looks at 10⁹ a second. Distances
and comparisons are those of the definition, so that counts are exact, ties included. The same functions for tensors of any
device are in ``neighbours``.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import prange
from torch import Tensor

from . import sweep_numba
from .compiled import kernel, threads

_TILE = 512
"""Samples whose distances to four others are built up in a core's first cache."""
_TASKS = 64
"""Parts that the samples are cut into: each has its own buffers, and there are enough to keep threads equally busy."""


def counts_within(x: Tensor, y: Tensor, z: Tensor | None, k: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """How many samples are strictly nearer than the k-th neighbour in (x, y, z), in (x, z), in (y, z) and in z.

    ``x``, ``y`` and ``z`` (samples, dims) are float64; without ``z`` the counts are those in x and in y, and None.
    Counts (samples,) include the sample itself and are at least 1.
    """
    third = x[:, :0] if z is None else z
    with threads():
        near = _within(_columns(x), _columns(y), _columns(third), k)
    in_xz, in_yz, in_z = torch.from_numpy(near)
    return in_xz, in_yz, None if z is None else in_z


def counts_projected(x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """How many samples are no further in x, and in y, than the furthest there of the k neighbours in (x, y).

    Counts (samples,) leave out the sample itself. All samples at the distance of the k-th neighbour are neighbours.
    """
    with threads():
        near = _projected(_columns(x), _columns(y), k)
    in_x, in_y = torch.from_numpy(near)
    return in_x, in_y


def kth_distances(x: Tensor, k: int) -> Tensor:
    """Distance of each sample of ``x`` (samples, dims) to its k-th neighbour (samples,)."""
    with threads():
        return torch.from_numpy(_kth(_columns(x), k))


def pair_sums(x: Tensor, y: Tensor, pairs: Tensor, k: int, psi: Tensor) -> Tensor:
    """As ``sweep_numba.pair_sums``."""
    return sweep_numba.pair_sums(x, y, pairs, k, psi)


def _columns(values: Tensor) -> np.ndarray:
    return values.T.contiguous().numpy()


@kernel()
def _distances(values, first, out):
    """Maximum norm between all samples and the four from ``first`` on, into ``out`` (4, samples)."""
    dims, size = values.shape
    last = size - 1
    p0, p1, p2, p3 = first, min(first + 1, last), min(first + 2, last), min(first + 3, last)
    for begin in range(0, size, _TILE):
        end = min(begin + _TILE, size)
        d0, d1, d2, d3 = out[0, begin:end], out[1, begin:end], out[2, begin:end], out[3, begin:end]
        d0[:] = 0.0
        d1[:] = 0.0
        d2[:] = 0.0
        d3[:] = 0.0
        for c in range(dims):
            column = values[c, begin:end]
            v0, v1, v2, v3 = values[c, p0], values[c, p1], values[c, p2], values[c, p3]
            for q in range(end - begin):
                value = column[q]
                d0[q] = max(d0[q], abs(value - v0))
                d1[q] = max(d1[q], abs(value - v1))
                d2[q] = max(d2[q], abs(value - v2))
                d3[q] = max(d3[q], abs(value - v3))


@kernel()
def _radius(distances, p, nearest):
    """Distance of sample ``p`` to its k-th neighbour; ``nearest`` (k,) is where the nearest are kept."""
    k = len(nearest)
    nearest[:] = np.inf
    radius = np.inf
    for q in range(len(distances)):
        distance = distances[q]
        if distance < radius and q != p:
            place = k - 1
            while place > 0 and nearest[place - 1] > distance:
                nearest[place] = nearest[place - 1]
                place -= 1
            nearest[place] = distance
            radius = nearest[k - 1]
    return radius


@kernel(parallel=True)
def _within(x, y, z, k):
    size = x.shape[1]
    near = np.empty((3, size), np.int64)
    blocks = (size + 3) // 4
    for task in prange(_TASKS):
        of_x, of_y, of_z = np.empty((4, size)), np.empty((4, size)), np.zeros((4, size))
        joint, nearest = np.empty(size), np.empty(k)
        for block in range(task * blocks // _TASKS, (task + 1) * blocks // _TASKS):
            _distances(x, 4 * block, of_x)
            _distances(y, 4 * block, of_y)
            if len(z):
                _distances(z, 4 * block, of_z)
            for i in range(min(4, size - 4 * block)):
                dx, dy, dz = of_x[i], of_y[i], of_z[i]
                for q in range(size):
                    dx[q] = max(dx[q], dz[q])
                    dy[q] = max(dy[q], dz[q])
                    joint[q] = max(dx[q], dy[q])
                p = 4 * block + i
                radius = _radius(joint, p, nearest)
                in_xz = in_yz = in_z = 0
                for q in range(size):
                    in_xz += dx[q] < radius
                    in_yz += dy[q] < radius
                    in_z += dz[q] < radius
                near[0, p], near[1, p], near[2, p] = max(in_xz, 1), max(in_yz, 1), max(in_z, 1)
    return near


@kernel(parallel=True)
def _projected(x, y, k):
    size = x.shape[1]
    near = np.empty((2, size), np.int64)
    blocks = (size + 3) // 4
    for task in prange(_TASKS):
        of_x, of_y = np.empty((4, size)), np.empty((4, size))
        joint, nearest = np.empty(size), np.empty(k)
        for block in range(task * blocks // _TASKS, (task + 1) * blocks // _TASKS):
            _distances(x, 4 * block, of_x)
            _distances(y, 4 * block, of_y)
            for i in range(min(4, size - 4 * block)):
                dx, dy = of_x[i], of_y[i]
                for q in range(size):
                    joint[q] = max(dx[q], dy[q])
                p = 4 * block + i
                radius = _radius(joint, p, nearest)
                far_x = far_y = 0.0
                for q in range(size):
                    # The sample itself, at 0, is no further than any neighbour and may be among them here.
                    far_x = max(far_x, dx[q] if joint[q] <= radius else 0.0)
                    far_y = max(far_y, dy[q] if joint[q] <= radius else 0.0)
                in_x = in_y = 0
                for q in range(size):
                    in_x += dx[q] <= far_x
                    in_y += dy[q] <= far_y
                near[0, p], near[1, p] = in_x - 1, in_y - 1
    return near


@kernel(parallel=True)
def _kth(x, k):
    size = x.shape[1]
    radii = np.empty(size)
    blocks = (size + 3) // 4
    for task in prange(_TASKS):
        distances, nearest = np.empty((4, size)), np.empty(k)
        for block in range(task * blocks // _TASKS, (task + 1) * blocks // _TASKS):
            _distances(x, 4 * block, distances)
            for i in range(min(4, size - 4 * block)):
                radii[4 * block + i] = _radius(distances[i], 4 * block + i, nearest)
    return radii
