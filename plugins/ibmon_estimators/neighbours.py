"""Nearest neighbours in the maximum norm, for tensors on any device: all distances of the definition, in chunks of rows.

Distances and comparisons are those of the definition, so that counts are exact, ties included. ``neighbours_numba`` has the
same functions compiled, for the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import torch
from torch import Tensor

from . import sweep

_CHUNK = {"cpu": 2**18, "cuda": 2**22}
"""Distances that are held at once, several times over: 2 MiB, which stays in a core's cache; a GPU wants more."""


def counts_within(x: Tensor, y: Tensor, z: Tensor | None, k: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """How many samples are strictly nearer than the k-th neighbour in (x, y, z), in (x, z), in (y, z) and in z.

    ``x``, ``y`` and ``z`` (samples, dims) are float64; without ``z`` the counts are those in x and in y, and None.
    Counts (samples,) include the sample itself and are at least 1.
    """
    counts = torch.empty(3, len(x), dtype=torch.long, device=x.device)
    for rows in _chunks(x):
        dx, dy = _distances(x, rows), _distances(y, rows)
        dz = None if z is None else _distances(z, rows)
        if dz is not None:
            torch.maximum(dx, dz, out=dx)
            torch.maximum(dy, dz, out=dy)
        radius = _radii(torch.maximum(dx, dy), rows, k)
        for count, distances in zip(counts, (dx, dy, dz), strict=True):
            if distances is not None:
                torch.sum(distances < radius, 1, out=count[rows])
    in_xz, in_yz, in_z = counts.clamp_(min=1)
    return in_xz, in_yz, None if z is None else in_z


def counts_projected(x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """How many samples are no further in x, and in y, than the furthest there of the k neighbours in (x, y).

    Counts (samples,) leave out the sample itself. All samples at the distance of the k-th neighbour are neighbours.
    """
    counts = torch.empty(2, len(x), dtype=torch.long, device=x.device)
    for rows in _chunks(x):
        both = _distances(x, rows), _distances(y, rows)
        joint = torch.maximum(*both)
        further = joint > _radii(joint.clone(), rows, k)
        for count, distances in zip(counts, both, strict=True):
            # The sample itself, at 0, is no further than any neighbour and may be among them here.
            furthest = distances.masked_fill(further, 0).amax(1, keepdim=True)
            torch.sum(distances <= furthest, 1, out=count[rows])
    in_x, in_y = counts - 1
    return in_x, in_y


def kth_distances(x: Tensor, k: int) -> Tensor:
    """Distance of each sample of ``x`` (samples, dims) to its k-th neighbour (samples,)."""
    return torch.cat([_radii(_distances(x, rows), rows, k)[:, 0] for rows in _chunks(x)])


def pair_sums(x: Tensor, y: Tensor, pairs: Tensor, k: int, psi: Tensor) -> Tensor:
    """As ``sweep.pair_sums``."""
    return sweep.pair_sums(x, y, pairs, k, psi)


def _chunks(x: Tensor) -> Iterator[slice]:
    size = len(x)
    step = max(1, _CHUNK.get(x.device.type, 2**22) // size)
    for begin in range(0, size, step):
        yield slice(begin, min(begin + step, size))


def _distances(x: Tensor, rows: slice) -> Tensor:
    """Of the samples ``rows`` to all (rows, samples)."""
    return torch.cdist(x[rows], x, p=inf)


def _radii(distances: Tensor, rows: slice, k: int) -> Tensor:
    """Distance of the samples ``rows`` to their k-th neighbours (rows, 1); overwrites ``distances`` to themselves."""
    distances.diagonal(rows.start).fill_(inf)
    return sweep.kth_smallest(distances, k)[:, None]
