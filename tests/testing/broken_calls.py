"""More estimators that are broken on purpose: batches, degenerate data, what a call must leave alone, operations."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import inf, log, nan

import numpy as np
import torch
from torch import Tensor

from ibmon import Estimate, Variable
from testing import reference
from testing.broken import Estimates, changed, slip
from testing.reference import KSG, KSG_SPEC, NOISY_SPEC, PLUG_IN_SPEC, ROSS_SPEC, Noisy, PlugIn, Ross, psi

# Batches and masks.


@slip(KSG_SPEC, ("batch", "of the batch"))
def backward_in_a_batch(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    found = KSG.__call__(self, x, ys, rng=rng)
    return changed(found, lambda raw: raw.flip(-1) if raw.ndim else raw)


@slip(KSG_SPEC, ("mask-of-x", "masked against compressed"), ("no-data", "all samples masked"))
def ignores_the_mask(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    values = x.values.nan_to_num() if x.mask is not None else x.values
    return KSG.__call__(self, Variable.continuous(values), ys, rng=rng)


@slip(PLUG_IN_SPEC, ("mask-of-y", "masked against compressed"))
def ignores_masks_of_y(self: PlugIn, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    return PlugIn.__call__(self, x, [replace(y, mask=None) for y in ys], rng=rng)


@slip(KSG_SPEC, ("other-ys", "in company of continuous (masked)"))
def masks_of_all_ys(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    for y in ys:
        if y.mask is not None:
            x = replace(x, mask=y.mask if x.mask is None else x.mask & y.mask)
    return KSG.__call__(self, x, ys, rng=rng)


# Degenerate data.


@slip(KSG_SPEC, ("nonfinite", "ValueError: not finite"))
def raises_for_nan(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    if not all(bool(v.values.isfinite().all()) for v in (x, *ys)):
        raise ValueError("not finite")
    return KSG.__call__(self, x, ys, rng=rng)


@slip(KSG_SPEC, ("nonfinite", "flag nonfinite is"))
def nan_spoils_the_batch(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    spoiled = not bool(x.values.isfinite().all())
    return KSG.__call__(self, replace(x, values=x.values * nan) if spoiled else x, ys, rng=rng)


@slip(ROSS_SPEC, ("few-samples", "no flag says"))
def never_few(self: Ross, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    found = Ross.__call__(self, x, ys, rng=rng)
    return tuple(replace(e, flags={n: f for n, f in e.flags.items() if n != "few_samples"}) for e in found)


@slip(KSG_SPEC, ("few-samples", "UserWarning"))
def warns_of_few(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    if x.samples < 10:
        warnings.warn("few samples", stacklevel=2)
    return KSG.__call__(self, x, ys, rng=rng)


@slip(KSG_SPEC, ("constant", "no flag is raised"), method="raw")
def constant_tells_a_bit(self: KSG, x: Tensor, y: Tensor) -> float:
    return 1.0 if bool((y == y[0]).all()) else KSG.raw(self, x, y)


@slip(ROSS_SPEC, ("one-class", "ZeroDivisionError"), method="raw")
def divides_by_the_entropy(self: Ross, x: Tensor, labels: Tensor) -> float:
    return Ross.raw(self, x, labels) / reference.entropy_of(labels)


@slip(KSG_SPEC, ("duplicates", "no flag"), method="raw")
def logarithm_of_the_radius(self: KSG, x: Tensor, y: Tensor) -> float:
    (nearest,) = (torch.cdist(x, x, p=inf).fill_diagonal_(inf).amin(),)
    return KSG.raw(self, x, y) + 0 * log(float(nearest)) if nearest > 0 else nan


@slip(ROSS_SPEC, ("singletons", "ValueError"), method="raw")
def demands_two_of_a_class(self: Ross, x: Tensor, labels: Tensor) -> float:
    if int(labels.unique(return_counts=True)[1].min()) < 2:
        raise ValueError("ross: a class needs two samples")
    return Ross.raw(self, x, labels)


# What a call must leave alone.


@slip(KSG_SPEC, ("same-seed", "differs"))
def seeds_itself(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    own = torch.Generator()
    own.seed()
    return changed(KSG.__call__(self, x, ys, rng=rng), lambda raw: raw + 1e-6 * torch.rand(raw.shape, generator=own))


@slip(KSG_SPEC, ("global-random-state", "state of torch"))
def global_torch(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    torch.rand(1)
    return KSG.__call__(self, x, ys, rng=rng)


@slip(KSG_SPEC, ("global-random-state", "state of numpy"))
def global_numpy(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    np.random.rand()
    return KSG.__call__(self, x, ys, rng=rng)


@slip(KSG_SPEC, ("global-random-state", "state of Python"))
def global_python(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    random.random()
    return KSG.__call__(self, x, ys, rng=rng)


@slip(NOISY_SPEC, ("error-covers-seeds", "spread over seeds"))
def sure_of_itself(self: Noisy, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    return tuple(replace(e, error=e.value / 1e6) for e in Noisy.__call__(self, x, ys, rng=rng))


@slip(KSG_SPEC, ("inputs-untouched", "values of a continuous x"))
def centres_its_input(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    x.values.sub_(x.values.mean(-2, keepdim=True))
    return KSG.__call__(self, x, ys, rng=rng)


@slip(KSG_SPEC, ("inputs-untouched", "mask of a continuous y"))
def merges_masks(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    for y in ys:
        if y.mask is not None:
            y.mask[..., 0] = False
    return KSG.__call__(self, x, ys, rng=rng)


@slip(KSG_SPEC, ("threads", "two threads against one"), method="size")
def counts_threads(self: KSG, samples: int) -> float:
    return float(psi(samples)) + 1e-6 * torch.get_num_threads()


@slip(KSG_SPEC, ("single-precision", "torch.float32 against float64"))
def rounds_single_precision(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    coarse = replace(x, values=x.values.bfloat16()) if x.values.dtype == torch.float32 else x
    return KSG.__call__(self, coarse, ys, rng=rng)


@slip(KSG_SPEC, ("half-precision", "TypeError: no half types"))
def refuses_half_types(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    if x.values.dtype.itemsize == 2:
        raise TypeError("no half types")
    return KSG.__call__(self, x, ys, rng=rng)


@slip(KSG_SPEC, ("memory-layout", "RuntimeError"))
def views_its_input(self: KSG, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> Estimates:
    x.values.view(-1)
    return KSG.__call__(self, x, ys, rng=rng)


@slip(KSG_SPEC, ("memory", "can't allocate memory"), method="raw")
def all_columns_at_once(self: KSG, x: Tensor, y: Tensor) -> float:
    return float((x[:, None] - x[None]).abs().amax(-1).mean())


@slip(KSG_SPEC, ("memory", "and 512 are declared"), method="raw")
def all_distances_at_once(self: KSG, x: Tensor, y: Tensor) -> float:
    dx, dy = ((v[:, :1] - v[:, :1].T).abs_() for v in (x, y))
    return float(torch.maximum(dx, dy).mean())


# Operations.


@slip(KSG_SPEC, ("entropy", "value has shape"), method="entropy")
def entropy_of_the_first(self: KSG, x: Variable, *, rng: torch.Generator) -> Estimate:
    return KSG.entropy(self, replace(x, values=x.values[:1], mask=None), rng=rng)


@slip(PLUG_IN_SPEC, ("entropy", "masked"), method="entropy")
def entropy_without_mask(self: PlugIn, x: Variable, *, rng: torch.Generator) -> Estimate:
    return PlugIn.entropy(self, replace(x, mask=None), rng=rng)


@slip(KSG_SPEC, ("conditional", "exchanged"), method="given")
def half_of_x(self: KSG, x: Tensor, y: Tensor, z: Tensor) -> float:
    return KSG.given(self, x.round(), y, z)


@slip(PLUG_IN_SPEC, ("conditional", "masked"), method="conditional")
def conditional_without_mask(self: PlugIn, x: Variable, y: Variable, z: Variable, *, rng: torch.Generator) -> Estimate:
    return PlugIn.conditional(self, replace(x, mask=None), y, z, rng=rng)


@slip(KSG_SPEC, ("pairwise", "columns"), method="pairwise")
def next_column(self: KSG, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
    return KSG.pairwise(self, replace(x, values=x.values.roll(1, -1)), y, lag=lag, rng=rng)


@slip(KSG_SPEC, ("pairwise-with-lag", "lag 2"), method="pairwise")
def the_other_way_in_time(self: KSG, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
    return KSG.pairwise(self, replace(x, values=x.values.flip(-2)), replace(y, values=y.values.flip(-2)), lag=lag, rng=rng)


@slip(ROSS_SPEC, ("pairwise-masked", "masked"), method="pairwise")
def pairwise_without_mask(self: Ross, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
    return Ross.pairwise(self, replace(x, values=x.values.nan_to_num(), mask=None), y, lag=lag, rng=rng)
