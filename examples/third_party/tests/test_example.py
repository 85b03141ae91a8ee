"""The checks that follow from what is declared, and truths."""

from math import log2

import pytest
import torch
from ibmon import Activation, Snapshot, Variable
from ibmon.testing import parametrize_with_checks

from ibmon_example import ibmon_estimators
from ibmon_example.participation_ratio import ParticipationRatio, participation_ratio
from ibmon_example.shifted_binning import ShiftedBinning


@parametrize_with_checks(list(ibmon_estimators()))
def test_holds_what_is_declared(check):
    check()


def test_the_average_over_shifts_is_that_of_the_positions_of_an_edge():
    """Two values .25 apart in cells of width 1: an edge lies between them in a quarter of all positions."""
    labels = torch.arange(200) % 2
    x = Variable.continuous(0.25 * labels[:, None].double())
    (found,) = ShiftedBinning(width=1.0, shifts=4000)(x, [Variable.labels(labels)], rng=torch.Generator().manual_seed(0))
    assert float(found.value) == pytest.approx(0.25, abs=0.03)  # four standard errors


def test_cells_that_hold_one_sample_each_know_everything():
    x = Variable.continuous(torch.arange(64.0)[:, None])
    ys = [Variable.identity(64), Variable.labels(torch.arange(64) % 8)]
    everything, labels = ShiftedBinning(width=0.5)(x, ys, rng=torch.Generator())
    assert float(everything.value) == pytest.approx(log2(64)) and everything.flags["saturated"]
    assert float(labels.value) == pytest.approx(log2(8))


def test_participation_ratio_of_known_spectra():
    scale = torch.tensor([3.0, 2.0, 1.0])
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3) * scale
    eigenvalues = scale.square()
    expected = float(eigenvalues.sum() ** 2 / eigenvalues.square().sum())
    rotated = corners @ torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0] + 7
    for values in (corners, rotated, corners @ torch.eye(3, 20)):
        assert float(participation_ratio(values)[0]) == pytest.approx(expected, rel=1e-5)
    mask = torch.rand(2, 50, generator=torch.Generator().manual_seed(1)) < 0.5
    values = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(2))
    for i, ratio in enumerate(participation_ratio(values, mask)[0]):
        assert float(ratio) == pytest.approx(float(participation_ratio(values[i][mask[i]])[0]))


def test_a_layer_at_rest_and_one_with_few_samples_are_flagged():
    layers = {
        "rest": Activation(torch.full((30, 4), 0.3), ("sample", "unit")),
        "wide": Activation(torch.randn(30, 400, generator=torch.Generator().manual_seed(0)), ("sample", "unit")),
    }
    rest, wide = ParticipationRatio().measure(Snapshot(step=0, epoch=None, evaluation="all", layers=layers), {})
    assert rest.flags["constant"] and rest.value != rest.value
    assert wide.flags["few_samples"] and not wide.flags["constant"]
