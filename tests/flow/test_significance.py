"""Tests of a flow where there is one and where there is none, and what surrogates keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ibmon.flow import (
    Series,
    circularly_shifted,
    delayed_information,
    dependence,
    direction,
    flows,
    order,
    study,
    transfer_statistic,
    trials_shuffled,
    trophic_levels,
)
from ibmon.flow.surrogates import block_numbers, exchanges, halves
from ibmon_estimators.ksg import KSG

from .conftest import bound, chain, reversible, seeded, series


def test_a_chain_has_a_direction_and_its_order_stands() -> None:
    some = series(chain(6), 500)
    found = direction(some, bound(), surrogates=99, rng=seeded())
    assert found.p_value == 0.01 and found.strength > 3 * float(found.null.mean())
    assert found.blocks == 20 and found.null.shape == (99,)
    assert [float(found.pair_p_all[i, i + 1]) for i in range(5)] == pytest.approx([0.01] * 5)
    assert bool(found.pair_p.diagonal().isnan().all()) and torch.allclose(found.pair_p, found.pair_p.T, equal_nan=True)
    ordered = order(some, bound(), draws=40, rng=seeded())
    assert torch.equal(ordered.draws.median(0).values.argsort(), torch.arange(6))
    assert bool((ordered.before.triu(1)[0, 1:] > 0.95).all())
    assert torch.allclose(ordered.before + ordered.before.T, torch.ones(6, 6).double())
    height = trophic_levels(flows(some, bound()).net).height
    assert bool(((ordered.lower <= height + 0.3) & (height - 0.3 <= ordered.upper)).all())


def test_nearest_neighbours_find_the_same() -> None:
    some, neighbours = series(chain(4), 400), bound(KSG(k=15, permutations=0))
    assert direction(some, neighbours, (1, 2), surrogates=19, rng=seeded()).p_value == 0.05
    assert order(some, neighbours, draws=10, rng=seeded()).before[0, 3] == 1


def test_p_values_are_uniform_where_time_can_be_turned() -> None:
    every = [direction(series(reversible(5, s), 200, s), bound(), surrogates=19, rng=seeded(s)) for s in range(100)]
    p = np.array([found.p_value for found in every])
    assert (p <= 0.05).mean() <= 0.1 and 0.4 <= p.mean() <= 0.6
    assert 0.15 <= (p <= 0.25).mean() <= 0.36
    apart = ~torch.eye(5, dtype=torch.bool)
    alone = torch.stack([found.pair_p for found in every])[:, apart]
    assert 0.02 <= float((alone <= 0.05).double().mean()) <= 0.08
    assert np.mean([bool((found.pair_p_all[apart] <= 0.05).any()) for found in every]) <= 0.1


def test_p_values_of_pairs_are_uniform_where_nodes_are_alone() -> None:
    memory = np.diag([0.0, 0.5, 0.8, 0.9])
    for statistic in (delayed_information(bound(), (1,)), transfer_statistic((1,))):
        every = [dependence(series(memory, 200, s), statistic, surrogates=19, rng=seeded(s)) for s in range(60)]
        apart = ~torch.eye(4, dtype=torch.bool)
        p = torch.stack([found.p for found in every])[:, apart]
        assert 0.02 <= float((p <= 0.05).double().mean()) <= 0.08 and 0.45 <= float(p.mean()) <= 0.55
        assert np.mean([bool((found.p_all[apart] <= 0.05).any()) for found in every]) <= 0.12


def test_dependence_and_transfer_find_the_edges_of_a_chain() -> None:
    some = series(chain(4), 500)
    for statistic in (delayed_information(bound(), (1,)), transfer_statistic((1,))):
        found = dependence(some, statistic, surrogates=99, rng=seeded())
        assert [float(found.p_all[i, i + 1]) for i in range(3)] == pytest.approx([0.01] * 3)
        assert found.surrogates == "shifted in circles"
    assert float(dependence(some, transfer_statistic((1,)), surrogates=99, rng=seeded()).p_all[1, 0]) > 0.05


def test_a_driver_that_comes_at_once_is_no_transfer_where_memory_differs() -> None:
    """What the verdict cannot do, and transfer entropy can: no node acts on another here."""
    rng = np.random.default_rng(0)
    kicks = rng.standard_normal((2000, 4)) + rng.standard_normal((2000, 1))
    x, rows = np.zeros(4), []
    for kick in kicks:
        x = np.array([0.0, 0.3, 0.6, 0.9]) * x + kick
        rows.append(x)
    some = Series.of(torch.from_numpy(np.array(rows)))
    assert direction(some, bound(), surrogates=99, rng=seeded()).p_value == 0.01
    found = dependence(some, transfer_statistic((1,)), surrogates=99, rng=seeded())
    assert float(found.value.abs().max()) < 0.005


def test_shifts_keep_the_spectrum_of_every_node_and_break_what_they_share() -> None:
    values = series(chain(4), 300).values.reshape(3, 100, 4)
    drawn = circularly_shifted(values, 7, seeded())
    assert drawn.shape == (7, 3, 100, 4)
    power, kept = (torch.fft.rfft(v, dim=-2).abs() for v in (values, drawn))
    assert torch.allclose(kept, power.expand_as(kept), atol=1e-9)
    assert torch.equal(drawn.sort(-2).values, values.sort(-2).values.expand_as(drawn))


@pytest.mark.parametrize(("time", "nodes", "least"), [(100, 2, 5), (500, 16, 25), (600, 60, 8), (30, 40, 0)])
def test_no_two_nodes_are_shifted_alike(time: int, nodes: int, least: int) -> None:
    clocks = torch.arange(time).double()[None, :, None].expand(3, time, nodes)
    drawn = circularly_shifted(clocks, 50, seeded())
    shifts = drawn[:, :, 0].long()  # (surrogates, trials, nodes)
    between = (shifts[..., None] - shifts[..., None, :]) % time
    between = torch.minimum(between, time - between)[..., ~torch.eye(nodes, dtype=torch.bool)]
    assert int(between.min()) >= least and int(between.max()) > 0.4 * time
    assert len(shifts.unique()) > 0.9 * time and len(between.unique()) > 0.3 * time


def test_every_edge_of_a_long_chain_is_found_among_many_nodes() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((600, 40))
    for k in range(1, 40):
        values[1:, k] = 0.8 * values[:-1, k - 1] + 0.6 * rng.standard_normal(599)
    found = dependence(Series.of(torch.from_numpy(values)), transfer_statistic((1,)), surrogates=99, rng=seeded())
    edges = found.p_all.diagonal(1)
    assert float((edges <= 0.05).double().mean()) == 1.0
    others = found.p_all[~(torch.eye(40, dtype=torch.bool) | torch.eye(40, dtype=torch.bool).roll(1, 1))]
    assert float((others <= 0.05).double().mean()) < 0.01


def test_exchanged_trials_keep_every_trial() -> None:
    values = torch.arange(5 * 4 * 3.0).reshape(5, 4, 3)
    drawn = trials_shuffled(values, 6, seeded())
    assert torch.equal(drawn.sort(1).values, values.expand_as(drawn).sort(1).values)
    assert torch.equal(drawn.diff(dim=2), torch.full((6, 5, 3, 3), 3.0))
    assert len({tuple(row) for row in drawn[0, :, 0].div(12).floor().T.tolist()}) > 1
    many = Series.of(torch.randn(24, 30, 2, generator=seeded()))
    assert dependence(many, transfer_statistic((1,)), surrogates=19, rng=seeded()).surrogates == "trials exchanged"


@pytest.mark.parametrize(
    ("trials", "length", "blocks", "number"), [(1, 95, 20, 20), (3, 40, 20, 21), (64, 10, 20, 64), (1, 5, 20, 5)]
)
def test_blocks_are_pieces_of_trials_of_nearly_one_length(trials: int, length: int, blocks: int, number: int) -> None:
    numbers = block_numbers(trials, length, blocks)
    assert len(numbers) == trials * length and int(numbers.max()) + 1 == number
    assert bool((numbers.diff() >= 0).all()) and bool((numbers.diff() <= 1).all())
    counts = numbers.bincount()
    assert int(counts.max() - counts.min()) <= 1
    assert all(numbers[end - 1] != numbers[end] for end in range(length, trials * length, length))
    for drawn in (exchanges(numbers, 50, seeded()), halves(numbers, 50, seeded())):
        assert drawn.shape == (50, len(numbers))
        for b in range(number):
            assert bool((drawn[:, numbers == b].all(1) | ~drawn[:, numbers == b].any(1)).all())
    assert set(halves(torch.arange(10), 20, seeded()).sum(1).tolist()) == {5}


def test_surrogates_in_parts_are_the_same_surrogates(monkeypatch: pytest.MonkeyPatch) -> None:
    some = series(chain(3), 150)

    def everything() -> list[torch.Tensor]:
        directed = direction(some, bound(), (1, 2), surrogates=20, rng=seeded())
        ordered = order(some, bound(), (1, 2), draws=20, rng=seeded())
        return [directed.null, directed.pair_p_all, ordered.draws]

    at_once = everything()
    monkeypatch.setattr("ibmon.flow.significance._BYTES", 1)
    assert all(torch.allclose(a, b, equal_nan=True) for a, b in zip(at_once, everything(), strict=True))


def test_a_study_is_the_same_for_the_same_generator_and_permutes_with_its_nodes() -> None:
    some = series(chain(5), 300)
    one, same = (study(some, bound(), (1, 2), surrogates=39, draws=20, rng=seeded(3)) for _ in range(2))
    assert one.direction.p_value == same.direction.p_value and torch.equal(one.dependence.value, same.dependence.value)
    assert torch.equal(one.dependence.null, same.dependence.null)
    assert torch.equal(one.order.draws, same.order.draws) and one.verdicts() == same.verdicts()
    turned = study(Series.of(some.values.flip(-1)), bound(), (1, 2), surrogates=39, draws=20, rng=seeded(3))
    assert torch.allclose(turned.levels.height, one.levels.height.flip(-1))
    assert turned.direction.p_value == one.direction.p_value
    edge = one.edges(1)[0]
    assert int(edge.target) == int(edge.source) + 1 and edge.net == float(one.flows.net.max())
    assert [e.net for e in one.edges()] == sorted((e.net for e in one.edges()), reverse=True)


def test_verdicts_say_what_is_there_and_what_is_not() -> None:
    some = series(chain(8), 500)
    grouped = Series(some.values, some.names, {"first": (0, 1, 2, 3), "last": (4, 5, 6, 7)})
    told: list[float] = []
    found = study(grouped, bound(), surrogates=39, draws=20, rng=seeded(), tell=told.append)
    said = found.verdicts()
    assert said["direction"].startswith("yes") and said["groups"].startswith("first < last: yes, 100 %")
    assert "cause" in said["caution"] and told == sorted(told) and told[-1] == pytest.approx(1)
    nothing = study(series(reversible(6), 500), bound(), surrogates=39, draws=20, rng=seeded()).verdicts()
    assert nothing["direction"].startswith("cannot be told") and nothing["layers"].endswith("no order")
    assert "groups" not in nothing


def test_tests_without_surrogates_are_refused() -> None:
    some = series(chain(3), 100)
    with pytest.raises(ValueError, match="surrogate"):
        direction(some, bound(), surrogates=0, rng=seeded())
    with pytest.raises(ValueError, match="two blocks"):
        order(some, bound(), blocks=1, rng=seeded())
