"""Matrices of information against closed forms, and what must not change them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.linalg import solve_discrete_lyapunov

from ibmon import Estimate, Variable
from ibmon.flow import Series, bottleneck, entropies, flows, transfer_by, transfer_entropy
from ibmon_estimators.gaussian import Gaussian
from ibmon_estimators.ksg import KSG

from .conftest import bound, chain, series

WEIGHTS = np.array([[0.5, 0.2, 0.0], [0.6, 0.3, 0.0], [0.0, -0.7, 0.2]])


def covariances(weights: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a stationary autoregression: Cov(x(t), x(t)), Cov(x(t), x(t + lag)) and Cov(x(t), x(t + lag − 1))."""
    now = solve_discrete_lyapunov(weights, np.eye(len(weights)))
    return now, now @ np.linalg.matrix_power(weights, lag).T, now @ np.linalg.matrix_power(weights, lag - 1).T


def information(x: float, y: float, both: float) -> float:
    return -0.5 * np.log2(1 - both**2 / (x * y))


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_delayed_information_of_an_autoregression_is_that_of_its_covariances(lag: int) -> None:
    now, later, _ = covariances(WEIGHTS, lag)
    found = flows(series(WEIGHTS, 60_000), bound(Gaussian()), [lag])
    for i in range(3):
        for j in range(3):
            assert float(found.tdmi[0, i, j]) == pytest.approx(information(now[i, i], now[j, j], later[i, j]), abs=0.012)
            if i != j:
                same = information(now[i, i], now[j, j], now[i, j])
                assert float(found.instantaneous[i, j]) == pytest.approx(same, abs=0.012)
                assert float(found.excess[0, i, j]) == pytest.approx(float(found.tdmi[0, i, j]) - same, abs=0.012)
    assert torch.equal(found.net, -found.net.T)
    assert torch.allclose(found.net, (found.excess[0] - found.excess[0].T).nan_to_num(0), atol=1e-12)


@pytest.mark.parametrize("lag", [1, 2])
def test_transfer_entropy_of_an_autoregression_is_that_of_its_covariances(lag: int) -> None:
    now, later, before = covariances(WEIGHTS, lag)
    one = covariances(WEIGHTS, 1)[1]
    found = transfer_entropy(series(WEIGHTS, 60_000), [lag], ranks=False)[0]
    for i in range(3):
        for j in (k for k in range(3) if k != i):
            # x_i(t), x_j(t + τ) and x_j(t + τ − 1)
            joint = np.array(
                [
                    [now[i, i], later[i, j], before[i, j]],
                    [later[i, j], now[j, j], one[j, j]],
                    [before[i, j], one[j, j], now[j, j]],
                ]
            )
            x, y, z = 0, 1, 2
            both, left, right = (np.linalg.det(joint[np.ix_(k, k)]) for k in ([x, y, z], [x, z], [y, z]))
            truth = 0.5 * np.log2(left * right / (joint[z, z] * both))
            assert float(found[i, j]) == pytest.approx(truth, abs=0.012)
    assert bool(found.diagonal().isnan().all())


def test_the_closed_form_is_what_the_estimators_say_pair_by_pair() -> None:
    some = series(WEIGHTS, 400)
    for ranks, estimator in ((False, Gaussian(bias_corrected=True)), (True, None)):
        closed = transfer_entropy(some, (1, 3), ranks=ranks)
        assert torch.allclose(closed, transfer_by(some, bound(estimator), (1, 3)), atol=0.02 if ranks else 1e-9, equal_nan=True)


def test_many_pairs_in_parts_are_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    some = series(WEIGHTS, 200)
    at_once = transfer_by(some, bound(KSG()), (1,))
    monkeypatch.setattr("ibmon.flow.transfer._BYTES", 1)
    assert torch.allclose(at_once, transfer_by(some, bound(KSG()), (1,)), equal_nan=True)


def test_nearest_neighbours_and_ranks_agree_on_a_gaussian_chain() -> None:
    some = series(chain(4), 2000)
    by_ranks, by_neighbours = (flows(some, bound(estimator), (1, 2)) for estimator in (None, KSG()))
    assert torch.allclose(by_ranks.tdmi, by_neighbours.tdmi, atol=0.08)


def test_permuted_nodes_permute_everything() -> None:
    some, order = series(chain(5), 500), [3, 0, 4, 1, 2]
    other = Series.of(some.values[..., order])
    for measure in (lambda s: flows(s, bound(), (1, 2)).tdmi, lambda s: transfer_entropy(s, (1, 2))):
        assert torch.allclose(measure(some)[:, order][:, :, order], measure(other), equal_nan=True, atol=1e-12)


def test_scale_offset_and_what_trials_come_first_change_nothing() -> None:
    some = series(chain(4), 800)
    trials = Series.of(some.values.reshape(4, 200, 4))
    moved = Series.of(trials.values[[2, 0, 3, 1]] * torch.tensor([3.0, -0.1, 1e6, 7.0]) + 5)
    for measure in (lambda s: flows(s, bound(), (1, 3)).tdmi, lambda s: transfer_entropy(s, (1,))):
        assert torch.allclose(measure(trials), measure(moved), equal_nan=True, atol=1e-9)


def test_nothing_is_paired_across_the_ends_of_trials() -> None:
    rng = np.random.default_rng(0)
    source = rng.standard_normal((400, 5))
    # The second node says what the first did at the last moment of the trial before.
    other = np.concatenate([np.roll(source[:, -1:], 1, axis=0), rng.standard_normal((400, 4))], axis=1)
    joined = Series.of(torch.from_numpy(np.stack([source, other], -1)))
    apart = flows(joined, bound(), (1,))
    assert apart.rows == 400 * 4
    assert float(apart.tdmi[0, 0, 1]) < 0.005
    assert float(flows(Series.of(joined.values.reshape(-1, 2)), bound(), (1,)).tdmi[0, 0, 1]) > 0.015


def test_informations_at_several_lags_are_of_the_same_rows() -> None:
    some = series(chain(3), 300)
    alone = flows(Series.of(some.values[:, :-4]), bound(), (1,))
    assert torch.allclose(alone.instantaneous, flows(some, bound(), (1, 5)).instantaneous)
    assert torch.allclose(alone.tdmi[0], flows(some, bound(), (1, 5)).tdmi[0])


def test_entropy_is_that_of_a_gaussian_and_endless_without_a_density() -> None:
    values = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[:, 1] *= 4
    values[:, 2] = values[:, 2].round()
    found = entropies(Series.of(values))
    gaussian = 0.5 * np.log2(2 * np.pi * np.e)
    assert found[:2].tolist() == pytest.approx([gaussian, gaussian + 2], abs=0.08)
    assert float(found[2]) == -np.inf


@dataclass(frozen=True)
class Counting:
    """An estimator of somebody else, which has nothing but the operation and says nothing but a value."""

    unit: str = "bits"

    def pairwise(self, x: Variable, y: Variable, *, lag: int, rng: torch.Generator) -> Estimate:
        assert lag == 0
        rise = (x.values.sign().mT @ y.values.sign()) / x.samples
        return Estimate(rise.abs(), unit=self.unit)


def test_anyones_estimator_will_do_if_it_is_in_bits() -> None:
    some = series(chain(3), 300)
    found = flows(some, bound(Counting()), (1,))
    assert found.tdmi.shape == (1, 3, 3) and not found.flags
    with pytest.raises(ValueError, match="bits"):
        flows(some, bound(Counting("α-bits")), (1,))


def test_a_constant_node_has_no_flow_and_says_so() -> None:
    some = series(chain(3), 200)
    still = Series.of(torch.cat([some.values, torch.ones(1, 200, 1)], -1))
    found = flows(still, bound(), (1,))
    assert found.net[3].tolist() == [0, 0, 0, 0]
    assert bool(found.flags["constant"][3, 0]) and not bool(found.flags["constant"][0, 1])
    assert transfer_entropy(still)[0, 3, :3].abs().max() == 0


@pytest.mark.parametrize("lags", [(), (0,), (-1,), (95,)])
def test_lags_that_do_not_fit_are_refused(lags: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="lag"):
        flows(series(chain(3), 100), bound(), lags)


def test_hidden_nodes_that_carry_more_of_both_correlate() -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(800, 1, generator=generator)
    noise = torch.randn(800, 6, generator=generator) * torch.tensor([0.2, 0.4, 0.8, 1.2, 2.0, 3.0])
    found = bottleneck(source + noise, source, source + 0.5 * torch.randn(800, 1, generator=generator), bound())
    assert found.inputs.shape == (6,) and bool((found.inputs.diff() < 0).all())
    assert found.pearson > 0.9 and found.spearman == pytest.approx(1)
    assert found.inputs[2] == pytest.approx(0.5 * np.log2(1 + 1 / 0.64), abs=0.1)
    still = bottleneck(source + noise, source, torch.ones(800, 1), bound())
    assert np.isnan(still.pearson)
    with pytest.raises(ValueError, match="do not fit"):
        bottleneck(noise, source[:10], source, bound())
