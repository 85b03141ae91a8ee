"""Another variable beside the samples of x, and the chunks of a batch, so that nothing is copied for every element at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from ibmon import Variable

from .samples import Samples, samples_of

LARGEST = 2**22
"""Numbers in the tensors that are made at once: 32 MiB of float64, of which there are some eight at a time."""
TOGETHER = {"cpu": 2**18}
"""The same for elements taken together: a few megabytes stay in the cache of a core."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another variable: ``values`` (own elements, samples, dims), and which of its elements each element takes."""

    values: Tensor
    which: Tensor

    @property
    def size(self) -> int:
        """Numbers in one element."""
        return self.values.shape[1] * self.values.shape[2]

    def part(self, elements: slice) -> Tensor:
        """What these of the elements take (elements, samples, dims), in the type it came in."""
        return self.values[self.which[elements]]


def aligned(samples: Samples, y: Variable, name: str) -> Other:
    """``y`` (..., samples, dims) beside ``samples``: not copied for each of the batch, nor made float64 as a whole.

    Raises ValueError where it is not continuous and where its shape does not fit.
    """
    own = samples_of(Variable.continuous(y.values), name)
    device = samples.values.device
    index = torch.arange(prod(own.batch), device=device).reshape(own.batch)
    try:
        if own.values.shape[1] != samples.values.shape[1]:
            raise RuntimeError
        which = index.expand(samples.batch).reshape(-1)
    except RuntimeError:
        shape = (*samples.batch, samples.values.shape[1])
        raise ValueError(f"{name}: a variable of shape {tuple(y.values.shape)} does not fit samples of shape {shape}") from None
    return Other(own.values.to(device), which)


def parts(samples: Samples, *sizes: int) -> Iterator[slice]:
    """Chunks of elements, at least one; ``sizes`` is how many numbers an element takes beside its samples."""
    elements, *own = samples.values.shape
    step = max(1, TOGETHER.get(samples.values.device.type, LARGEST) // max(1, prod(own), *sizes))
    for first in range(0, max(1, elements), step):
        yield slice(first, min(first + step, elements))


def blocks(values: Tensor) -> Iterator[slice]:
    """Chunks of columns, at least one, of ``values`` (elements, samples, units)."""
    step = min(2048, max(1, LARGEST // max(1, values.shape[0] * values.shape[1])))
    for first in range(0, max(1, values.shape[2]), step):
        yield slice(first, first + step)


def some_of(samples: Samples, part: slice) -> Samples:
    values = samples.values[part]
    return Samples(values, None if samples.mask is None else samples.mask[part], (len(values),))
