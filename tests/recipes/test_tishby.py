from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.io import loadmat
from torch import nn

from ibmon import IbmonError
from ibmon.runs.directory import RunDirectory
from ibmon_recipes.tishby import WIDTHS, labels, patterns, start, train
from support import history_of


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
    nets = [start(seed).model for seed in (0, 0, 1)]
    shapes = [tuple(p.shape) for n, p in nets[0].named_parameters() if n.endswith("weight")]
    assert shapes == [(10, 12), (7, 10), (5, 7), (4, 5), (3, 4), (2, 3)]
    assert torch.equal(nets[0][0][0].weight, nets[1][0][0].weight)
    assert not torch.equal(nets[0][0][0].weight, nets[2][0][0].weight)
    assert torch.allclose(nets[0](patterns()).sum(1), torch.ones(4096))


def test_a_seed_gives_split_weights_and_order_from_one_stream(alone: Callable[..., Any]) -> None:
    """What runs of earlier versions drew: a seed in a paper stays what it was."""
    generator = torch.Generator().manual_seed(4)
    order = torch.randperm(4096, generator=generator)
    model = nn.Sequential()
    for inputs, units in pairwise(WIDTHS):
        linear = nn.Linear(inputs, units)
        std = inputs**-0.5
        nn.init.trunc_normal_(linear.weight, std=std, a=-2 * std, b=2 * std, generator=generator)
        nn.init.zeros_(linear.bias)
        model.extend([linear, nn.Tanh()])
    model = model[:-1]
    x, y = patterns()[order[:3277]], labels()[order[:3277]]
    descent = torch.optim.Adam(model.parameters(), lr=4e-4, fused=True)
    for _ in range(2):
        for rows in torch.randperm(3277, generator=generator).split(512):
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            descent.step()
            descent.zero_grad()
    trained = alone(train, epochs=2, seed=4).model
    for ours, theirs in zip(trained.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert list(dict(trained.named_parameters()))[:2] == ["1.0.weight", "1.0.bias"]


def test_by_default_six_layers_are_watched_on_all_patterns(alone: Callable[..., Any]) -> None:
    told = alone(train, epochs=1).watched
    assert told["layers"] == ["1", "2", "3", "4", "5", "6"]
    assert told["estimators"] == ("binning:width=0.07", "kde:variance=0.001")
    assert torch.equal(told["evaluation"]["all"].targets["y"], labels())
    assert told["batch_size"] == 512
    assert not {"probes", "updates"} & set(told)


def test_gradients_at_frozen_weights_are_measured_beside_those_of_the_training(measured: Callable[..., RunDirectory]) -> None:
    run = measured(lambda m: train(m, epochs=2, protocol="frozen", batch=128), estimators=["binning:width=0.5"], max_samples=64)
    history = history_of(run)
    assert not history.failures and not history.disabled
    frozen = history.select("gradient SNR", protocol="frozen")
    assert {(s.subject["layer"], s.subject["parameter"]) for s in frozen} == {
        (str(k), what) for k in range(1, 7) for what in ("weight", "bias")
    }
    (minibatches,) = history.select("gradient minibatches", protocol="frozen", layer="1", parameter="weight")
    assert set(minibatches.value.tolist()) == {25.0}, "whole minibatches of 128 in 3277 samples"
    noise = history.select("gradient noise scale", protocol="frozen", layer="1", parameter="weight")[0]
    assert 1 < noise.value[0] < 4096


def test_dynamics_measures_what_an_update_does(measured: Callable[..., RunDirectory]) -> None:
    options: dict[str, Any] = {"epochs": 3, "dynamics": True, "optimizer": "sgd", "lr": 0.05}
    run = measured(lambda m: train(m, **options), estimators=["binning:width=0.5"], max_samples=256)
    history = history_of(run)
    assert not history.failures and not history.disabled
    (change,) = history.select("loss change")
    (law,) = history.select("trapezoid")
    assert law.value == pytest.approx(change.value, rel=0.05, abs=1e-9)
    layers = {s.subject["layer"] for s in history.select("dI(X;T)/dt")}
    assert layers == {"1", "2", "3", "4", "5", "6"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dynamics": True, "noise": 0.1}, "differ by themselves"),
        ({"protocol": "frozen", "batch": 2000}, "two minibatches of 2000"),
        ({"protocol": "parallel", "batch": 2000}, "two minibatches of 2000"),
        ({"protocol": "parallel", "replicas": 3}, "one network a minibatch"),
        ({"protocol": "parallel", "full_batch": True}, "one network a minibatch"),
        ({"protocol": "frozen", "replicas": 3}, "that of one network"),
        ({"dynamics": True, "replicas": 3}, "that of one network"),
        ({"dynamics": True, "protocol": "parallel"}, "that of one network"),
        ({"replicas": 0}, "1 or more"),
    ],
)
def test_options_that_exclude_one_another_are_one_sentence(options: dict[str, Any], said: str, alone: Callable[..., Any]) -> None:
    with pytest.raises(IbmonError, match=said):
        alone(train, epochs=1, **options)
