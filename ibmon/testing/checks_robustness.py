"""Checks on data that are degenerate or not finite: no exception, no warning, a sane value, and a flag that says so."""

from __future__ import annotations

import torch
from torch import Tensor

from ibmon.tensors import Estimate, Variable

from . import cases
from .check import Check, continuous_x, takes
from .subject import NotApplicable, Subject, at, places, quiet, raised, require, same, with_values

_BATCH = (2, 3)


def nonfinite(subject: Subject) -> None:
    """NaN and infinities give NaN and the flag ``nonfinite``, and leave the other elements of the batch alone."""
    tried = False
    for x, ys in subject.examples(_BATCH):
        for y in ys:
            bad = torch.zeros(_BATCH, dtype=torch.bool)
            spoiled_x, spoiled_y = spoil(x, bad, (0, 1)), spoil(y, bad, (1, 0))
            if not bad.any():
                continue
            tried = True
            clean = subject.one(x, y)
            with quiet():
                found = subject.one(spoiled_x, spoiled_y)
            what = f"{x.kind} x, {y.kind} y, NaN and infinities in some elements"
            _nan_and_flagged(found, bad, "nonfinite", what)
            for place in places(_BATCH):
                if not bad[place]:
                    same(at(found, place), at(clean, place), f"{what}: of another element,", spread=subject.spread(x, y))
    if not tried:
        raise NotApplicable("takes no continuous variable")


def spoil(variable: Variable, bad: Tensor, rows: tuple[int, int]) -> Variable:
    """A continuous variable with a NaN in one element of the batch and an infinity in another, which ``bad`` then marks."""
    if variable.kind != "continuous":
        return variable
    values = variable.values.clone()
    first, second = (rows[0], 1), (rows[1], 2)
    values[first][7, 0], values[second][3, -1] = torch.nan, torch.inf
    bad[first], bad[second] = True, True
    return with_values(variable, values)


def no_data(subject: Subject) -> None:
    """Without data the value is NaN and flagged ``empty``: no samples, all masked, or all of one element masked."""
    for x, ys in subject.examples(samples=60):
        for y in ys:
            what = f"{x.kind} x, {y.kind} y"
            with quiet():
                found = subject.one(_first(x, 0), _first(y, 0))
                _nan_and_flagged(found, torch.tensor(True), "empty", f"{what}, no samples")
                found = subject.one(with_values(x, x.values, torch.zeros(60, dtype=torch.bool)), y)
                _nan_and_flagged(found, torch.tensor(True), "empty", f"{what}, all samples masked")
    mask = torch.ones(2, 60, dtype=torch.bool)
    mask[1] = False
    for x, ys in subject.examples((2,), samples=60):
        for y in ys:
            plain = subject.one(x, y)
            with quiet():
                found = subject.one(with_values(x, x.values, mask), y)
            what = f"{x.kind} x, {y.kind} y, one element masked"
            _nan_and_flagged(found, ~mask[:, 0], "empty", what)
            same(at(found, (0,)), at(plain, (0,)), f"{what}: of the other,", spread=subject.spread(x, y))


def _nan_and_flagged(found: Estimate, where: Tensor, flag: str, what: str) -> None:
    require(flag in found.flags, f"{what}: there is no flag {flag}")
    require(bool((found.flags[flag].cpu() == where).all()), f"{what}: the flag {flag} is {found.flags[flag].tolist()}")
    nans = found.value.isnan().cpu()
    require(bool((nans == where).all()), f"{what}: the value is {found.value.tolist()}, and must be NaN there and only there")


def few_samples(subject: Subject) -> None:
    """One, two or three samples raise nothing, and are flagged ``few_samples``, ``empty`` or ``nonfinite``."""
    for samples in (1, 2, 3):
        for x, ys in subject.examples(samples=60):
            for y in ys:
                what = f"{x.kind} x, {y.kind} y, {samples} samples"
                with quiet():
                    found = subject.one(_first(x, samples), _first(y, samples))
                require(not found.value.isinf().any(), f"{what}: the value is infinite")
                require(raised(found, "few_samples", "empty", "nonfinite").all(), f"{what}: no flag says that they are few")


def constant(subject: Subject) -> None:
    """A variable that never changes tells nothing: the value is 0, or a flag is raised."""
    for x, ys in subject.examples(samples=60):
        for y in ys:
            for kind, pair in (("x", (_constant(x), y)), ("y", (x, _constant(y)))):
                if pair["xy".index(kind)].kind != "identity":
                    with quiet():
                        found = subject.one(*pair)
                    _nothing_or_flagged(found, f"{x.kind} x, {y.kind} y, {kind} constant")


def one_class(subject: Subject) -> None:
    """Labels that are all alike tell nothing: the value is 0, or a flag is raised; also in one element of a batch."""
    for x, _ in subject.examples((2,), samples=60):
        y = cases.example("labels", part=1, samples=60, batch=(2,))
        values = y.values.clone()
        values[1] = -7
        plain = subject.one(x, y)
        with quiet():
            found = subject.one(x, with_values(y, values))
        _nothing_or_flagged(at(found, (1,)), f"{x.kind} x, labels of one class")
        same(at(found, (0,)), at(plain, (0,)), f"{x.kind} x: of the element with all classes,", spread=subject.spread(x, y))


def duplicates(subject: Subject) -> None:
    """Samples that occur three times each, or in one column only, give a finite value or a flag."""
    thrice = torch.arange(60) // 3
    for x, ys in subject.examples(samples=60):
        for y in ys:
            repeated = with_values(x, x.values[thrice]), with_values(y, y.values[thrice])
            pairs = [repeated, (repeated[0], y)]
            if x.kind == "continuous":
                still = x.values.clone()
                still[:, 0] = 0.25
                pairs.append((with_values(x, still), y))
            for pair in pairs:
                with quiet():
                    found = subject.one(*pair)
                sane = (found.value.isfinite() & (found.value >= 0)) | raised(found)
                require(sane.all(), f"{x.kind} x, {y.kind} y, repeated values: {found.value.tolist()} and no flag")


def singletons(subject: Subject) -> None:
    """Labels that occur once each, or one of them among others, give a finite value or a flag."""
    for x, _ in subject.examples(samples=60):
        once = torch.zeros(60, dtype=torch.long)
        once[17] = 1
        for values in (torch.arange(60), once):
            with quiet():
                found = subject.one(x, Variable.labels(values))
            sane = (found.value.isfinite() & (found.value >= 0)) | raised(found)
            require(sane.all(), f"{x.kind} x, labels that occur once: {found.value.tolist()} and no flag")


def _first(variable: Variable, samples: int) -> Variable:
    return with_values(variable, variable.values[:samples])


def _constant(variable: Variable) -> Variable:
    return with_values(variable, torch.full_like(variable.values, 3))


def _nothing_or_flagged(found: Estimate, what: str) -> None:
    nothing = found.value.abs() <= 1e-6
    require((nothing | raised(found)).all(), f"{what}: the value is {found.value.tolist()} and no flag is raised")


CHECKS = (
    Check(nonfinite),
    Check(no_data),
    Check(few_samples),
    Check(constant),
    Check(one_class, (takes("labels"),)),
    Check(duplicates, (continuous_x,)),
    Check(singletons, (takes("labels"),)),
)
