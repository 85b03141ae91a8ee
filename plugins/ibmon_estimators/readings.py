"""What an estimator that goes element by element reads: collected into an ``Estimate``, whole or by pairs of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .estimates import FEW
from .nulls import summary
from .samples import Samples


@dataclass(slots=True)
class Reading:
    """Of one element, all of one shape; stacked, of all elements (elements, ...). ``permuted`` are raw values."""

    raw: Tensor
    error: Tensor | None = None
    permuted: list[Tensor] = field(default_factory=list[Tensor])
    flags: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def spoil(self, where: Tensor) -> None:
        """Make the reading NaN ``where`` there is nothing to be read."""
        self.raw = self.raw.masked_fill(where, torch.nan)
        if self.error is not None:
            self.error = self.error.masked_fill(where, torch.nan)


class Beside:
    """Rows of a continuous variable by element of the batch of ``samples``, which may be wider; nothing is copied.

    Raises ValueError where the shape of ``y`` does not fit.
    """

    def __init__(self, samples: Samples, y: Variable, name: str) -> None:
        shape = (*samples.batch, samples.values.shape[1])
        values = y.values.detach()
        if values.ndim < 2 or values.shape[-2] != shape[-1] or values.ndim > len(shape) + 1:
            raise ValueError(f"{name}: a variable of shape {tuple(values.shape)} does not fit samples of shape {shape}")
        try:
            self._values = values.expand(*shape, values.shape[-1])
        except RuntimeError:
            raise ValueError(f"{name}: a variable of shape {tuple(values.shape)} does not fit samples of shape {shape}") from None
        self._device = samples.values.device

    @property
    def columns(self) -> int:
        return self._values.shape[-1]

    def __getitem__(self, element: int) -> Tensor:
        """Samples of the element (samples, columns), where the other samples are."""
        place: list[int] = []
        for size in reversed(self._values.shape[:-2]):
            place.insert(0, element % size)
            element //= size
        return self._values[tuple(place)].to(self._device)


def stacked(readings: Sequence[Reading], shape: tuple[int, ...], device: torch.device) -> Reading:
    """All ``readings`` of one ``shape`` as one; an element that lacks an error or permutations is NaN there."""
    if not readings:
        return Reading(torch.empty(0, *shape, dtype=torch.float64, device=device))
    nothing = torch.full(shape, torch.nan, dtype=torch.float64, device=device)
    has_error = any(r.error is not None for r in readings)
    number = max(len(r.permuted) for r in readings)
    return Reading(
        torch.stack([r.raw for r in readings]),
        torch.stack([nothing if r.error is None else r.error for r in readings]) if has_error else None,
        [torch.stack([r.permuted[p] if r.permuted else nothing for r in readings]) for p in range(number)],
        {name: torch.stack([r.flags[name].to(device) for r in readings]) for name in readings[0].flags},
    )


def by_pairs(samples: Samples, found: Reading) -> Estimate:
    """The estimate of ``found`` (elements, I, J), each pair of columns an element of its own: (batch..., I, J).

    Clipped to 0 and log2 of the samples; flags ``few_samples`` and ``empty`` are raised here, as in ``estimate``.
    """
    shape = found.raw.shape
    count = samples.count[:, None, None].expand(shape)
    empty = count == 0
    limit = count.log2().masked_fill(empty, torch.nan)
    null, p_value = summary(found.raw, found.permuted)

    def batch(values: Tensor) -> Tensor:
        return values.reshape(*samples.batch, *shape[1:])

    flags = {"few_samples": (count < FEW) & ~empty, "empty": empty, **found.flags}
    return Estimate(
        batch(torch.minimum(found.raw.clamp(min=0), limit)),
        flags={name: batch(raised) for name, raised in flags.items()},
        limit=batch(limit),
        raw=batch(found.raw),
        error=None if found.error is None else batch(found.error),
        null=None if null is None else batch(null),
        p_value=None if p_value is None else batch(p_value),
    )
