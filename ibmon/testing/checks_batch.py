"""Checks of batches and masks, and of whether the ys of one call leave each other alone."""

from __future__ import annotations

import torch
from torch import Tensor

from ibmon.tensors import Variable

from . import cases
from .check import Check, takes
from .subject import NotApplicable, Subject, at, chosen, element, places, same, with_values

_BATCH = (2, 3)
_FILLER = {"continuous": torch.nan, "labels": -(2**40)}
"""What masked samples hold here: it must not matter."""


def batch(subject: Subject) -> None:
    """A batch gives what its elements give one by one, with a y for each element or one y for all."""
    for x, ys in subject.examples(_BATCH):
        shared = [cases.example(y.kind, part=1, seed=4) for y in ys]
        for y, whole in zip([*ys, *shared], subject.call(x, [*ys, *shared]), strict=True):
            spread = subject.spread(element(x, (0, 0)), element(y, (0, 0)))
            for place in places(_BATCH):
                single = subject.one(element(x, place), element(y, place))
                same(at(whole, place), single, f"{x.kind} x, {y.kind} y, element {place} of the batch", spread=spread)


def mask_of_x(subject: Subject) -> None:
    """An estimate with a mask of x equals that of the samples that are data, whatever the others hold."""
    _masked(subject, of_x=True, of_y=False)


def mask_of_y(subject: Subject) -> None:
    """An estimate with a mask of y, or with masks of both, equals that of the samples that are data in both."""
    _masked(subject, of_x=False, of_y=True)
    _masked(subject, of_x=True, of_y=True)


def _masked(subject: Subject, *, of_x: bool, of_y: bool) -> None:
    masks = [torch.rand(*_BATCH, 120, generator=cases.generator(i)) < 0.75 for i in (8, 9)]
    tried = False
    for x, ys in subject.examples(_BATCH):
        for y in ys:
            if of_y and y.kind == "identity":
                continue  # an identity is of the whole evaluation set
            tried = True
            masked_x = padded(x, masks[0]) if of_x else x
            masked_y = padded(y, masks[1]) if of_y else y
            data = (masks[0] if of_x else True) & (masks[1] if of_y else torch.tensor(True))
            whole, spread = subject.one(masked_x, masked_y), subject.spread(element(x, (0, 0)), element(y, (0, 0)))
            for place in places(_BATCH):
                compressed = subject.one(*_compressed(x, y, place, data[place]))
                what = f"{x.kind} x, {y.kind} y, masked against compressed samples"
                same(at(whole, place), compressed, what, spread=1.2 * spread)  # of fewer samples
    if not tried:
        raise NotApplicable("takes no variable that could have a mask")


def _compressed(x: Variable, y: Variable, place: tuple[int, ...], keep: Tensor) -> tuple[Variable, Variable]:
    return chosen(element(x, place), keep), chosen(element(y, place), keep)


def padded(variable: Variable, mask: Tensor) -> Variable:
    """A variable with a mask, and rubbish in the samples that are no data."""
    where = ~mask[..., None] if variable.kind == "continuous" else ~mask
    return with_values(variable, variable.values.masked_fill(where, _FILLER[variable.kind]), mask)


def other_ys(subject: Subject) -> None:
    """What is estimated for one y does not depend on the other ys of the call, masked ones and repeated identities included."""
    masked = torch.rand(120, generator=cases.generator(8)) < 0.5
    for x, ys in subject.examples():
        others = [cases.example(y.kind, part=2, seed=6) for y in ys]
        others += [padded(y, masked) for y in others if y.kind != "identity"]
        others += [with_values(y, y.values // 3) for y in others if y.kind == "identity"]
        for y in ys:
            alone = subject.one(x, y)
            spread = subject.spread(x, y)
            for company in (*([other] for other in others), others):
                first, last = subject.call(x, [y, *company])[0], subject.call(x, [*company, y])[-1]
                kinds = " and ".join(other.kind + (" (masked)" if other.mask is not None else "") for other in company)
                for found in (first, last):
                    # A flag may speak of the layer as a whole, and change with what is known about its inputs.
                    same(found, alone, f"{x.kind} x, {y.kind} y, in company of {kinds}", spread=spread, flags=False)


CHECKS = (
    Check(batch),
    Check(mask_of_x),
    Check(mask_of_y, (takes("labels", "continuous"),)),
    Check(other_ys),
)
