from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.io import loadmat

from ibmon_recipes.tishby import labels, network, patterns


def test_generated_patterns_and_labels_are_the_published_ones(data_folder: Path) -> None:
    published = loadmat(data_folder / "szt12" / "var_u.mat")
    assert torch.equal(patterns(), torch.from_numpy(published["F"]).float())
    assert torch.equal(labels(), torch.from_numpy(published["y"]).reshape(-1).long())


def test_the_labels_are_nearly_balanced() -> None:
    y = labels()
    p = y.double().mean()
    assert int(y.sum()) == 2118
    assert float(-(p * p.log2() + (1 - p) * (1 - p).log2())) == pytest.approx(0.99916, abs=5e-6)


def test_the_network_is_the_papers_and_its_seed_decides_it() -> None:
    nets = [network("tanh", torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    shapes = [tuple(p.shape) for n, p in nets[0].named_parameters() if n.endswith("weight")]
    assert shapes == [(10, 12), (7, 10), (5, 7), (4, 5), (3, 4), (2, 3)]
    assert torch.equal(nets[0][0][0].weight, nets[1][0][0].weight)
    assert not torch.equal(nets[0][0][0].weight, nets[2][0][0].weight)
    assert torch.allclose(nets[0](patterns()).sum(1), torch.ones(4096))
