from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from ibmon.records import RunInfo
from ibmon.runs.directory import RunDirectory
from ibmon_recipes.mnist_mlp import WIDTHS, flat, train
from ibmon_recipes.networks import fully_connected, glorot_uniform
from support import history_of, ibmon


def network(seed: int) -> nn.Sequential:
    return fully_connected(WIDTHS, "relu", glorot_uniform, torch.Generator().manual_seed(seed))


def test_the_network_is_the_papers_and_its_seed_decides_it() -> None:
    nets = [network(seed) for seed in (0, 0, 1)]
    shapes = [tuple(p.shape) for name, p in nets[0].named_parameters() if name.endswith("weight")]
    assert shapes == [(b, a) for a, b in pairwise(WIDTHS)]
    first = [net[0][0].weight for net in nets]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])
    bound = (6 / (784 + 1024)) ** 0.5
    assert float(first[0].detach().abs().max()) == pytest.approx(bound, rel=1e-3)


def test_inputs_go_from_minus_one_to_one() -> None:
    rows = flat(torch.tensor([[[0, 255], [51, 204]]], dtype=torch.uint8))
    assert torch.allclose(rows, torch.tensor([[-1.0, 1.0, -0.6, 0.6]]))


def test_frozen_gradients_and_dynamics_are_measured(
    measured: Callable[..., RunDirectory], data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    run = measured(
        lambda m: train(m, epochs=1, train_samples=256, eval_samples=60, batch=32, protocol="frozen", dynamics=True),
        estimators=["binning:width=0.5"],
    )
    history = history_of(run)
    assert not history.failures and not history.disabled
    assert {s.subject["layer"] for s in history.select("gradient SNR", protocol="frozen")} == set("12345")
    (minibatches,) = history.select("gradient minibatches", protocol="frozen", layer="1", parameter="weight")
    assert set(minibatches.value.tolist()) == {8.0}
    (change,), (law,) = history.select("loss change"), history.select("trapezoid")
    assert law.value == pytest.approx(change.value, rel=0.05)
    assert {s.estimator for s in history.select("dI(X;T)/dt")} == {"kde:variance=0.1"}


@pytest.mark.long
def test_it_learns_on_real_digits_and_its_plane_is_measured(data_folder: Path, own_runs: Path) -> None:
    done = ibmon(
        *("run", "mnist-mlp", "--epochs", "3", "--optimizer", "adam", "--train-samples", "6000", "--eval-samples", "500"),
        IBMON_DATA=str(data_folder),
    )
    assert done.returncode == 0, done.stderr
    from ibmon.runs.directory import find_run

    run = find_run(None)
    history = history_of(run)
    assert isinstance(history.run, RunInfo)
    assert history.scalars["test/accuracy"].value[-1] > 0.85
    for estimator in ("kde:variance=0.1", "binning:width=0.5"):
        last = {s.subject["layer"]: s.value[-1] for s in history.select("I(T;Y)", estimator=estimator)}
        first = {s.subject["layer"]: s.value[0] for s in history.select("I(T;Y)", estimator=estimator)}
        assert set(last) == {"1", "2", "3", "4", "5"}
        assert last["5"] > first["5"] + 0.5
    (entropy,) = history.select("H(X)")[:1]
    assert entropy.value[-1] == pytest.approx(8.966, abs=0.001)
