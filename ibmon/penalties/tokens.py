"""What all penalties are means over."""

from __future__ import annotations

import torch
from torch import Tensor


def tokens(values: Tensor, mask: Tensor | None, name: str) -> Tensor:
    """The rows of ``values`` (..., units) that are data, (tokens, units), in single precision at least.

    ``mask`` (...) is True where they are. Half precision is left because sums of squares over a layer exceed what it holds.

    Raises ValueError, about ``name``, for what has no units or no real numbers, for a mask of another shape or type, and without
    any data.
    """
    if values.ndim == 0 or not values.is_floating_point():
        raise ValueError(f"{name} is real numbers (..., units), not {values.dtype} of shape {tuple(values.shape)}")
    if mask is None:
        rows = values.reshape(values.shape[:-1].numel(), values.shape[-1])
    elif mask.dtype != torch.bool or mask.shape != values.shape[:-1]:
        raise ValueError(
            f"the mask of {name} is {mask.dtype} of shape {tuple(mask.shape)}, not torch.bool of {tuple(values.shape[:-1])}"
        )
    else:
        # Selected, not multiplied by zero: what is padding may be NaN, in values and gradients.
        rows = values[mask]
    if not rows.numel():
        raise ValueError(f"{name} has no token that is data")
    return rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
