from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ibmon import Monitor
from ibmon.runs.directory import RunDirectory
from ibmon_recipes.networks import Controls
from ibmon_recipes.tishby import WIDTHS, labels, one_each, patterns, start, train
from ibmon_recipes.tishby_replicas import Replicas, Tanh
from support import history_of

Alone = Callable[..., Any]
Measured = Callable[..., RunDirectory]
SEED, REPLICAS = 5, 3

PROTOCOLS: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd": {"optimizer": "sgd", "lr": 0.1},
    "relu": {"activation": "relu", "lr": 2e-3},
    "full batch": {"full_batch": True, "lr": 0.01},
    "noise, rescaled, random labels": {"noise": 0.2, "rescale": 3.0, "random_labels": True, "batch": 600},
}


@pytest.mark.parametrize("options", PROTOCOLS.values(), ids=PROTOCOLS)
def test_replica_r_is_the_single_run_of_its_seed(options: dict[str, Any], alone: Alone) -> None:
    together = alone(train, epochs=20, replicas=REPLICAS, seed=SEED, **options)
    stacked = dict(together.model.named_parameters())
    singles = [alone(train, epochs=20, seed=SEED + r, **options) for r in range(REPLICAS)]
    for r, single in enumerate(singles):
        for name, own in single.model.named_parameters():
            layer, _, kind = name.split(".")
            torch.testing.assert_close(stacked[f"{layer}.{kind}"][r], own, rtol=0, atol=1e-5)
    for name in ("train", "test"):
        for quantity in ("loss", "accuracy"):
            each = [single.logged[name][-1][quantity] for single in singles]
            told = {part: together.logged[name + part][-1][quantity] for part in ("", " min", " max")}
            assert told == pytest.approx({"": np.median(each), " min": min(each), " max": max(each)}, abs=1e-3)


def test_parameters_are_named_by_their_layers() -> None:
    model = Replicas([start(s).model for s in range(4)], "tanh", Controls(), [])
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    expected = {f"{k}.weight": (4, b, a) for k, (a, b) in enumerate(pairwise(WIDTHS), start=1)}
    expected |= {f"{k}.bias": (4, b) for k, b in enumerate(WIDTHS[1:], start=1)}
    assert shapes == expected


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_what_is_captured_is_what_the_single_networks_put_out(activation: str) -> None:
    controls = Controls(rescale=3.0, noise=0.1)
    singles = [start(s, activation, controls=controls) for s in range(2)]
    model = Replicas([s.model for s in singles], activation, controls, [start(s, controls=controls).noise for s in range(2)])
    x = patterns()[:300]
    captured = model.activations(x)
    for r, single in enumerate(singles):
        given = x
        for name, module in single.model.named_children():
            given = module(given)
            if name in captured:
                torch.testing.assert_close(captured[name].values[r], given, rtol=1e-5, atol=2e-6)
    assert set(captured) == set("123456")
    assert captured["1"].axes == ("replica", "sample", "unit")


def test_the_fast_tanh_is_tanh_and_its_gradient_that_of_tanh() -> None:
    z = torch.linspace(-30, 30, 10_001)
    torch.testing.assert_close(Tanh.apply(z), torch.tanh(z), rtol=0, atol=2.5e-7)
    double = torch.linspace(-3, 3, 20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Tanh.apply, (double,))


def test_every_quantity_of_a_run_has_a_value_for_every_network(measured: Measured) -> None:
    history = history_of(measured(lambda m: train(m, epochs=3, replicas=REPLICAS), max_samples=500))
    assert not history.failures and not history.disabled and not history.dropped
    information = history.select("I(X;T)")
    assert {s.subject["layer"] for s in information} == set("123456")
    assert {s.estimator for s in information} == {"binning:width=0.07"}
    assert all(s.value.shape[1] == REPLICAS for s in information)
    weights = history.select("gradient SNR", parameter="weight")
    assert {s.subject["layer"] for s in weights} == set("123456")
    assert all(s.value.shape[1] == REPLICAS and (s.value > 0).all() for s in weights)
    assert {"train/loss", "train min/accuracy", "test max/accuracy"} <= set(history.scalars)


def test_noise_and_monitor_share_no_random_numbers(alone: Alone, measured: Measured) -> None:
    options: dict[str, Any] = {"epochs": 4, "replicas": 2, "noise": 0.3, "seed": 1}
    plain = alone(train, **options).model.state_dict()
    kept: list[dict[str, torch.Tensor]] = []

    class Keeping(Monitor):
        def watch(self, model: nn.Module | None = None, **given: Any) -> None:
            assert model is not None
            super().watch(model, **{**given, "schedule": "every:1epochs"})
            kept.append(model.state_dict())

    def watched(monitor: Monitor) -> None:
        monitor.__class__ = Keeping
        train(monitor, **options)

    history = history_of(measured(watched, max_samples=50))
    assert history.captured == 5
    assert all(torch.equal(value, plain[name]) for name, value in kept[0].items())


def test_side_by_side_networks_see_one_minibatch_each(alone: Alone) -> None:
    together = alone(train, epochs=15, protocol="parallel", seed=2, lr=0.1, optimizer="sgd")
    assert together.watched["replicas"] == 6, "six whole minibatches of 512 in 3277 samples"
    networks = one_each(start(2), 512, 2)
    assert len({int(row) for s in networks for row in s.train}) == 6 * 512
    for r in (0, 5):
        x, y = patterns()[networks[r].train], labels()[networks[r].train]
        model = start(2).model
        body = nn.Sequential(*list(model[:-1]), model[-1][0])
        descent = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(15):
            descent.zero_grad()
            nn.functional.cross_entropy(body(x), y).backward()
            descent.step()
        for k in range(6):
            torch.testing.assert_close(together.model.get_parameter(f"{k + 1}.weight")[r], model[k][0].weight, rtol=0, atol=1e-5)


def test_gradients_over_networks_side_by_side_are_measured(measured: Measured) -> None:
    run = measured(lambda m: train(m, epochs=2, protocol="parallel", batch=256, seed=3), max_samples=100)
    history = history_of(run)
    assert not history.failures and not history.disabled
    (snr,) = history.select("gradient SNR", protocol="parallel", layer="3", parameter="weight")
    (count,) = history.select("gradient minibatches", protocol="parallel", layer="3", parameter="weight")
    assert count.value[0] == 12
    begun = start(3)
    body = nn.Sequential(*list(begun.model[:-1]), begun.model[-1][0])
    weight = begun.model[2][0].weight
    each = []
    for one in one_each(start(3), 256, 3):
        loss = nn.functional.cross_entropy(body(patterns()[one.train]), labels()[one.train])
        each.append(torch.autograd.grad(loss, weight)[0].double())
    gradients = torch.stack(each)
    assert snr.value[0] == pytest.approx(float(gradients.mean(0).norm() / gradients.std(0, correction=0).norm()), rel=1e-3)
