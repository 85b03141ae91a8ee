"""Levels of networks whose order is known, and layers among levels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon.flow import agreement, expected_order, group_order, layering, outflow, trophic_levels

from .conftest import seeded


def net_of(edges: dict[tuple[int, int], float], nodes: int) -> torch.Tensor:
    net = torch.zeros(nodes, nodes, dtype=torch.float64)
    for (i, j), flow in edges.items():
        net[i, j], net[j, i] = flow, -flow
    return net


def random_net(nodes: int, seed: int) -> torch.Tensor:
    flow = torch.randn(nodes, nodes, generator=seeded(seed), dtype=torch.float64)
    return flow - flow.T


def test_a_chain_rises_by_one_level_a_node_whatever_its_flows() -> None:
    found = trophic_levels(net_of({(2, 0): 0.3, (0, 3): 5.0, (3, 1): 1e-2}, 4))
    assert found.height.tolist() == pytest.approx([1, 3, 0, 2])
    assert float(found.incoherence) == pytest.approx(0, abs=1e-12)


def test_a_circle_has_no_order() -> None:
    found = trophic_levels(net_of({(0, 1): 1, (1, 2): 1, (2, 0): 1}, 3))
    assert found.height.tolist() == pytest.approx([0, 0, 0])
    assert float(found.incoherence) == pytest.approx(1)


def test_the_level_of_a_shortcut_lies_between() -> None:
    """0 → 1 → 2 and 0 → 2, by hand: (diag u − W − Wᵀ) h = v gives 0, 2/3, 4/3, and F₀ = (1/9 + 1/9 + 1/9) / 3."""
    found = trophic_levels(net_of({(0, 1): 1, (1, 2): 1, (0, 2): 1}, 3))
    assert found.height.tolist() == pytest.approx([0, 2 / 3, 4 / 3])
    assert float(found.incoherence) == pytest.approx(1 / 9)


def test_the_power_weighs_what_contradicts() -> None:
    edges = {(0, 1): 1.0, (1, 2): 1.0, (2, 0): 0.5}
    strong, plain = (trophic_levels(net_of(edges, 3), power=p) for p in (2, 1))
    assert float(strong.incoherence) < float(plain.incoherence)
    squared = trophic_levels(net_of({k: v**2 for k, v in edges.items()}, 3), power=1)
    assert torch.allclose(strong.height, squared.height)
    with pytest.raises(ValueError, match="positive power"):
        trophic_levels(net_of(edges, 3), power=0)


def test_parts_and_single_nodes_are_kept_apart() -> None:
    found = trophic_levels(net_of({(0, 1): 1.0, (3, 4): 1e-9, (4, 5): 1e-9}, 7), power=1)
    assert found.height[:2].tolist() == [0, 1] and found.height[3:6].tolist() == pytest.approx([0, 1, 2], abs=1e-6)
    assert found.height[[2, 6]].isnan().all()
    assert found.component.tolist() == [0, 0, 2, 3, 3, 3, 6]
    nothing = trophic_levels(torch.zeros(3, 3))
    assert nothing.height.isnan().all() and nothing.incoherence.isnan()


@given(nodes=st.integers(2, 12), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_levels_minimise_the_incoherence_and_turn_with_the_flow(nodes: int, seed: int) -> None:
    net = random_net(nodes, seed)
    found = trophic_levels(net, power=1)
    weight = net.clamp(min=0)
    equations = torch.diag(weight.sum(0) + weight.sum(1)) - weight - weight.T
    assert torch.allclose(equations @ found.height, weight.sum(0) - weight.sum(1), atol=1e-8)
    assert 0 <= float(found.incoherence) <= 1 + 1e-12
    turned = trophic_levels(-net, power=1)
    assert torch.allclose(turned.height, found.height.max() - found.height, atol=1e-8)
    assert torch.allclose(trophic_levels(7 * net).height, trophic_levels(net).height, atol=1e-8)
    order = torch.randperm(nodes, generator=seeded(seed))
    assert torch.allclose(trophic_levels(net[order][:, order], power=1).height, found.height[order], atol=1e-8)


def test_a_batch_is_its_elements() -> None:
    nets = torch.stack([random_net(5, seed) for seed in range(6)]).reshape(2, 3, 5, 5)
    found = trophic_levels(nets)
    for i in range(2):
        for j in range(3):
            assert torch.allclose(found.height[i, j], trophic_levels(nets[i, j]).height)
    assert found.incoherence.shape == (2, 3)


def test_outflow_finds_the_ends_of_a_chain_and_not_its_middle() -> None:
    out = outflow(net_of({(0, 1): 1, (1, 2): 1, (2, 3): 1}, 4))
    assert out.tolist() == pytest.approx([1 / 3, 0, 0, -1 / 3])


def test_groups_in_order_and_against_it() -> None:
    height = torch.tensor([0.0, 0.1, 1.0, 1.2, 2.0, torch.nan])
    groups = {"inputs": [0, 1], "hidden": [2, 3], "outputs": [4, 5]}
    found = group_order(height, groups, rng=seeded())
    assert found.fraction == 1 and found.between["inputs", "outputs"] == 1
    assert found.medians["inputs"] == pytest.approx(0.05, abs=0.06)
    turned = group_order(-height, groups, rng=seeded())
    assert turned.fraction == 0 and turned.p_value == 1
    assert float(expected_order(torch.zeros(4), [[0, 1], [2, 3]])) == 0.5
    with pytest.raises(ValueError, match="two"):
        group_order(height, {"inputs": [0]}, rng=seeded())
    many = torch.arange(12.0)
    assert group_order(many, {"a": range(4), "b": range(4, 8), "c": range(8, 12)}, rng=seeded()).p_value == pytest.approx(1e-3)


def test_orders_agree_with_themselves() -> None:
    height = torch.tensor([0.0, 2.0, 1.0, torch.nan])
    assert agreement(height, 3 * height + 1) == pytest.approx(1)
    assert agreement(height, -height) == pytest.approx(-1)
    assert np.isnan(agreement(height, torch.full((4,), torch.nan)))


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_layers_are_counted_and_named(layers: int) -> None:
    planted = torch.arange(layers).repeat_interleave(5)
    order = torch.randperm(5 * layers, generator=seeded(1))
    height = (planted + 0.06 * torch.randn(5 * layers, generator=seeded(2)))[order]
    found = layering(height, rng=seeded())
    assert (found.count, found.p_value) == (layers, pytest.approx(1 / 200))
    assert torch.equal(found.layer, planted[order])


def test_levels_at_random_have_no_layers_more_often_than_is_said() -> None:
    p = np.array([layering(torch.rand(16, generator=seeded(s)), references=99, rng=seeded(s + 500)).p_value for s in range(200)])
    assert 0.01 <= (p <= 0.05).mean() <= 0.1
    assert 0.4 <= p.mean() <= 0.6


def test_a_chain_has_no_layers_and_few_levels_cannot_have() -> None:
    assert layering(torch.arange(16.0), rng=seeded()).p_value > 0.5
    for few in (torch.tensor([0.0, 1.0, 2.0]), torch.ones(8), torch.full((8,), torch.nan)):
        found = layering(few, rng=seeded())
        assert found.count == 1 and np.isnan(found.p_value)


def test_names_of_the_room_are_what_they_say_whatever_was_imported_before() -> None:
    imports = "import ibmon.flow.asking; from ibmon.flow import Bottleneck, bottleneck, study"
    code = f"{imports}; assert callable(bottleneck) and callable(study)"
    subprocess.run([sys.executable, "-c", code], check=True)
