"""Estimators that know nothing of batches and masks."""

from __future__ import annotations

import pytest
import torch

from ibmon import Estimate, Variable, one_by_one


def mean_difference(x: Variable, y: Variable) -> Estimate:
    """Not information, but a number of both variables that a wrong row would change."""
    assert x.mask is None and y.mask is None and x.values.ndim == 2
    value = (x.values.double() * y.values.double().reshape(x.samples, -1)).mean()
    loud = Estimate(value, unit="u", flags={"positive": value > 0}, error=value.abs())
    return loud if value > 0 else Estimate(value, unit="u", flags={"positive": value > 0})


@pytest.mark.parametrize("kind", ["labels", "continuous"])
def test_a_batch_with_masks_is_its_elements(kind: str) -> None:
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(2, 3, 20, 2, generator=rng)
    masks = torch.rand(2, 2, 3, 20, generator=rng) < 0.7
    labels = torch.randint(-3, 4, (3, 20), generator=rng)
    other = torch.randn(3, 20, 2, generator=rng)
    y = Variable.labels(labels, masks[1]) if kind == "labels" else Variable.continuous(other, masks[1])
    whole, free = one_by_one(mean_difference, Variable.continuous(values, masks[0]), [y, Variable.identity(20)])
    assert whole.value.shape == free.value.shape == (2, 3) and whole.unit == "u"
    assert whole.error is not None
    for a in range(2):
        for b in range(3):
            keep = masks[0, a, b] & masks[1, a, b]
            of_y = labels[b][keep] if kind == "labels" else other[b][keep]
            one = mean_difference(Variable.continuous(values[a, b][keep]), Variable(of_y, y.kind))
            assert float(whole.value[a, b]) == float(one.value)
            assert bool(whole.flags["positive"][a, b]) == bool(one.flags["positive"])
            assert bool(whole.error[a, b].isnan()) == (one.error is None)


def test_what_cannot_be_estimated_is_flagged_and_never_seen() -> None:
    values = torch.ones(4, 5, 1)
    values[1, 2] = torch.nan
    mask = torch.ones(4, 5, dtype=torch.bool)
    mask[2] = False
    mask[3, 2] = False
    (found,) = one_by_one(mean_difference, Variable.continuous(values, mask), [Variable.labels(torch.ones(5))])
    assert found.value.isnan().tolist() == [False, True, True, False]
    assert found.flags["nonfinite"].tolist() == [False, True, False, False]
    assert found.flags["empty"].tolist() == [False, False, True, False]
    assert found.unit == "u"


def test_without_a_batch_the_estimate_is_a_number() -> None:
    (found,) = one_by_one(mean_difference, Variable.continuous(torch.ones(5, 1)), [Variable.labels(torch.ones(5))])
    assert found.value.shape == () and float(found.value) == 1


def test_shapes_that_do_not_fit_are_refused() -> None:
    x = Variable.continuous(torch.ones(2, 5, 1))
    with pytest.raises(ValueError, match="4 samples of y"):
        one_by_one(mean_difference, x, [Variable.labels(torch.ones(4))])
    with pytest.raises(ValueError, match="does not fit"):
        one_by_one(mean_difference, x, [Variable.labels(torch.ones(3, 5))])
