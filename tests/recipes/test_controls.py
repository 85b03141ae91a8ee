from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ibmon.data
from ibmon import IbmonError, Monitor
from ibmon.runs.directory import RunDirectory
from ibmon_recipes import mnist_mlp, tishby
from ibmon_recipes.networks import Controls, fully_connected, glorot_uniform, layers, shuffled
from support import history_of

Alone = Callable[..., Any]
Measured = Callable[..., RunDirectory]


@pytest.fixture
def few_digits(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST with 300 test images."""
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    digits = ibmon.data.mnist()
    few = replace(digits, test_x=digits.test_x[:300], test_y=digits.test_y[:300])
    monkeypatch.setattr(ibmon.data, "mnist", lambda: few)


def _parameters(monitor: Any) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in monitor.model.named_parameters()}


def _outputs(model: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    with torch.no_grad():
        for name, module in model.named_children():
            x = module(x)
            out[name] = x
    return out


# -- rescaling ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_rescaling_by_a_power_of_two_changes_the_layers_and_no_bit_of_the_training(activation: str, alone: Alone) -> None:
    plain, scaled = (alone(tishby.train, epochs=5, activation=activation, rescale=c) for c in (1.0, 8.0))
    ours, theirs = _parameters(scaled), _parameters(plain)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert scaled.logged == plain.logged
    big, small = (_outputs(m.model, tishby.patterns()) for m in (scaled, plain))
    assert scaled.watched["layers"] == plain.watched["layers"] == list("123456")
    for name in "12345":
        assert torch.equal(big[name], 8 * small[name])
    assert torch.equal(big["6"], small["6"])


def test_rescaling_by_any_number_leaves_the_function(alone: Alone) -> None:
    plain, scaled = (alone(tishby.train, epochs=5, rescale=c) for c in (1.0, 0.3))
    torch.testing.assert_close(scaled.model(tishby.patterns()), plain.model(tishby.patterns()), rtol=0, atol=1e-5)


def test_a_fixed_noise_reads_more_in_a_rescaled_layer(measured: Measured) -> None:
    def ixt(**options: Any) -> float:
        run = measured(lambda m: tishby.train(m, epochs=1, **options), estimators=["kde:variance=0.1"], max_samples=512)
        (series,) = history_of(run).select("I(X;T)", layer="3")
        return float(series.value[-1])

    assert ixt(rescale=16.0) > ixt() + 1


# -- noise ----------------------------------------------------------------------------------------------------------------


def test_the_next_layer_gets_the_watched_one_with_noise_of_just_this_variance() -> None:
    controls = Controls(rescale=4.0, noise=0.5)
    weights, noise = (torch.Generator().manual_seed(seed) for seed in (0, 1))
    model = fully_connected((6, 40, 30, 3), "tanh", glorot_uniform, weights, controls=controls, noise=noise)
    assert layers(model) == ["1", "2", "3"]
    x = torch.randn(2000, 6, generator=torch.Generator().manual_seed(2))
    out = _outputs(model, x)
    assert torch.equal(out["1"], 4 * torch.tanh(model[0][0](x)))
    for name in "12":
        added = 4 * out[f"{name}-handed-on"] - out[name]
        assert float(added.std()) == pytest.approx(0.5, rel=0.02)
        assert abs(float(added.mean())) < 0.01


def test_noise_comes_from_the_seed_and_leaves_weights_and_split_alone(alone: Alone) -> None:
    plain, noisy, again = (alone(tishby.train, epochs=2, noise=s, seed=7) for s in (0.0, 0.2, 0.2))
    assert all(torch.equal(value, _parameters(again)[name]) for name, value in _parameters(noisy).items())
    assert any(not torch.equal(value, _parameters(plain)[name]) for name, value in _parameters(noisy).items())
    first, second = (tishby.start(7, controls=Controls(noise=s)) for s in (0.0, 0.2))
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.model.get_parameter("3.0.weight"), second.model.get_parameter("3.0.weight"))


def test_a_noisy_training_is_bit_for_bit_the_same_under_the_monitor(alone: Alone, measured: Measured) -> None:
    options: dict[str, Any] = {"epochs": 4, "noise": 0.2, "protocol": "frozen", "seed": 3}
    plain = _parameters(alone(tishby.train, **options))
    kept: list[nn.Module] = []

    class Keeping(Monitor):
        def watch(self, model: nn.Module | None = None, **given: Any) -> None:
            assert model is not None
            kept.append(model)
            super().watch(model, **{**given, "schedule": "every:1epochs"})

    def watched(monitor: Monitor) -> None:
        monitor.__class__ = Keeping
        tishby.train(monitor, **options)

    history = history_of(measured(watched, max_samples=50))
    assert history.captured == 5 and not history.failures
    assert {s.estimator for s in history.select("I(X;T)")} == {"kde:variance=0.04", "sample-propagation:variance=0.04"}
    assert all(torch.equal(p.detach(), plain[name]) for name, p in kept[0].named_parameters())


def test_with_more_noise_in_the_network_its_first_layer_says_less(measured: Measured) -> None:
    """The weights of the untrained first layer are the same: only the channel T → T + Z differs."""

    def bits(noise: float) -> float:
        history = history_of(measured(lambda m: tishby.train(m, epochs=0, noise=noise), max_samples=512))
        (series,) = history.select("I(X;T)", layer="1", estimator=f"sample-propagation:variance={noise**2:g}")
        return float(series.value[0])

    little, much = bits(0.01), bits(2.0)
    assert little == pytest.approx(9.0, abs=0.05), "log2 512: nothing is lost"
    assert much < 2.5


def test_noise_decides_the_estimators_unless_there_is_none(alone: Alone) -> None:
    single = alone(tishby.train, epochs=0, noise=0.1).watched
    assert single["estimators"] == ("kde:variance=0.01", "sample-propagation:variance=0.01")
    together = alone(tishby.train, epochs=0, noise=0.1, replicas=2).watched
    assert together["estimators"] == ("kde:variance=0.01",)
    assert alone(tishby.train, epochs=0, replicas=2).watched["estimators"] == ("binning:width=0.07",)


@pytest.mark.parametrize("wrong", [{"rescale": 0.0}, {"rescale": float("nan")}, {"noise": -1.0}, {"noise": float("inf")}])
def test_impossible_controls_are_one_sentence(wrong: dict[str, float], alone: Alone) -> None:
    with pytest.raises(IbmonError, match=next(iter(wrong))):
        alone(tishby.train, epochs=0, **wrong)


# -- full batch -----------------------------------------------------------------------------------------------------------


def test_full_batch_is_plain_gradient_descent(alone: Alone) -> None:
    trained = alone(tishby.train, epochs=10, full_batch=True, optimizer="sgd", lr=0.2, seed=1)
    assert len(trained.losses) == 10
    assert trained.losses == sorted(trained.losses, reverse=True)
    begun = tishby.start(1)
    x, y = tishby.patterns()[begun.train], tishby.labels()[begun.train]
    body = nn.Sequential(*list(begun.model[:-1]), begun.model[-1][0])
    for _ in range(10):
        gradients = torch.autograd.grad(nn.functional.cross_entropy(body(x), y), list(begun.model.parameters()))
        with torch.no_grad():
            for p, g in zip(begun.model.parameters(), gradients, strict=True):
                p -= 0.2 * g
    for ours, theirs in zip(trained.model.parameters(), begun.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_images_in_parts_give_the_update_of_the_whole(few_digits: None, alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"epochs": 2, "full_batch": True, "train_samples": 500, "lr": 0.1}
    whole = alone(mnist_mlp.train, **options)
    assert len(whole.losses) == 2
    assert whole.watched["batch_size"] == 500
    monkeypatch.setattr(mnist_mlp, "CHUNK", 120)
    parts = alone(mnist_mlp.train, **options)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-5)
    for name, value in _parameters(parts).items():
        torch.testing.assert_close(value, _parameters(whole)[name], rtol=0, atol=1e-6)
    assert whole.logged["train"][0]["loss"] == pytest.approx(whole.losses[0], rel=1e-5)


# -- random labels --------------------------------------------------------------------------------------------------------


def test_shuffled_labels_are_those_labels_and_say_nothing_of_the_inputs() -> None:
    y = tishby.labels()
    z = shuffled(y)
    assert torch.equal(z.bincount(), y.bincount())
    agreement = float((z == y).float().mean())
    assert abs(agreement - 0.5) < 0.05
    assert torch.equal(z, shuffled(y)), "the same for everybody: what is pooled has one Y"


def test_random_labels_are_trained_on_and_measured(alone: Alone) -> None:
    trained = alone(tishby.train, epochs=1, random_labels=True, full_batch=True, seed=2)
    (measured_on,) = trained.watched["evaluation"].values()
    z = measured_on.targets["shuffled"]
    assert torch.equal(z, shuffled(tishby.labels()))
    begun = tishby.start(2)
    body = nn.Sequential(*list(begun.model[:-1]), begun.model[-1][0])
    loss = nn.functional.cross_entropy(body(tishby.patterns()[begun.train]), z[begun.train])
    assert trained.losses[0] == pytest.approx(float(loss.detach()), rel=1e-6)


def test_random_labels_of_digits_are_measured_where_they_were_trained_on(few_digits: None, alone: Alone) -> None:
    told = alone(mnist_mlp.train, epochs=0, random_labels=True, train_samples=400, eval_samples=100).watched["evaluation"]
    assert list(told) == ["train", "test"]
    digits = torch.from_numpy(ibmon.data.mnist().train_y[:400]).long()
    assert torch.equal(told["train"].targets["shuffled"], shuffled(digits)[:100])
    assert torch.equal(told["test"].targets["digit"], torch.from_numpy(ibmon.data.mnist().test_y[:100]).long())
