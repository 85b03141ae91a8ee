"""From numbers by element to an ``Estimate``: clipping, limits, flags and the shape of the batch, in one place."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ibmon import Estimate, Variable

from .nulls import label_saturated, summary
from .samples import Samples, distinct_rows, shaped

FEW = 50
"""Samples under which an estimate is flagged ``few_samples``."""


def estimate(
    samples: Samples,
    raw: Tensor,
    *,
    limit: Tensor | None = None,
    error: Tensor | None = None,
    permuted: list[Tensor] | None = None,
    flags: Mapping[str, Tensor] | None = None,
    unit: str = "bits",
    floor: float | None = 0.0,
    few: int = FEW,
) -> Estimate:
    """An estimate of ``raw`` (elements,), clipped to [``floor``, ``limit``]; with ``floor`` None it is not clipped.

    ``permuted`` are the raw estimates for permuted labels: from them come ``null``, ``p_value`` and the flag
    ``label_saturated`` (against ``limit``). The flags ``few_samples``, ``empty`` and ``nonfinite`` are raised here: an element
    without data, or whose data are not finite, is NaN throughout.
    """
    count = samples.count
    empty, nonfinite = count == 0, ~finite(samples)
    nothing = empty | nonfinite
    raw = raw.double().masked_fill(nothing, torch.nan)
    value = raw
    if limit is not None:
        limit = limit.double().masked_fill(empty, torch.nan)
    if floor is not None:
        value = raw.clamp(min=floor) if limit is None else torch.minimum(raw.clamp(min=floor), limit)
    null, p_value = summary(raw, permuted or [])
    every = {"few_samples": (count < few) & ~empty, "empty": empty, "nonfinite": nonfinite, **(flags or {})}
    if limit is not None and null is not None:
        every["label_saturated"] = label_saturated(null, limit)
    if error is not None:
        error = error.double().masked_fill(nothing, torch.nan)

    def said(values: Tensor | None) -> Tensor | None:
        return None if values is None else shaped(samples, values)

    return Estimate(
        shaped(samples, value),
        unit=unit,
        flags={name: shaped(samples, raised) for name, raised in every.items()},
        limit=said(limit),
        raw=None if floor is None else said(raw),
        error=said(error),
        null=said(null),
        p_value=said(p_value),
    )


def about_identity(samples: Samples, identity: Variable) -> Estimate:
    """I(X; T) for estimators of continuous variables: T is a function of X, so it has no noise to be measured against.

    The value is the entropy of the rows of the evaluation set (log2 N where no two samples agree), flagged ``deterministic``
    and ``saturated``: it says nothing of the layer, and saying so is all that an honest estimator can do.
    """
    samples.spread(identity.values, "identities")  # refuses those that do not fit
    samples = samples.masked_by(identity.mask)
    bits, _ = distinct_rows(samples)
    always = samples.count > 0
    return estimate(samples, bits, limit=bits, flags={"deterministic": always, "saturated": always})


def finite(samples: Samples) -> Tensor:
    """Which elements hold neither NaN nor infinities among what is data (elements,)."""
    fine = samples.values.isfinite().all(-1)
    return (fine if samples.mask is None else fine | ~samples.mask).all(-1)
