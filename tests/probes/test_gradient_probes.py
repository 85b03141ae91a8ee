from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ibmon import Curves, EvaluationSet, Monitor
from ibmon.figures.build import build_figures
from ibmon.probes import frozen_gradients, parallel_gradients, statistics_of
from ibmon.runs.directory import RunDirectory
from support import history_of

Measured = Callable[..., RunDirectory]


def _loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def _data(n: int = 96) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(n, 4, generator=generator), torch.randint(0, 3, (n,), generator=generator)


def test_gradients_at_fixed_weights_are_those_of_a_plain_loop() -> None:
    x, y = _data()
    model = nn.Linear(4, 3)
    said = frozen_gradients(_loss, x, y, batch=16, minibatches=4)(model, EvaluationSet(x), rng=torch.Generator().manual_seed(7))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(7))
    gradients = []
    for k in range(4):
        rows = order[16 * k : 16 * (k + 1)]
        gradients.append(torch.autograd.grad(_loss(model, x[rows], y[rows]), model.weight)[0].double())
    each = torch.stack(gradients)
    found = statistics_of({f"frozen.{name}": a for name, a in said.items()}, "frozen")["weight"]
    assert found.mean == pytest.approx(float(each.mean(0).norm()), rel=1e-5)
    assert found.std == pytest.approx(float(each.std(0, correction=0).norm()), rel=1e-5)
    assert (found.count, found.population, found.size) == (4, 6, 12)
    assert found.norm == pytest.approx(float(model.weight.detach().norm()))


def test_too_few_samples_for_two_minibatches_are_refused() -> None:
    x, y = _data(20)
    with pytest.raises(ValueError, match="two minibatches"):
        frozen_gradients(_loss, x, y, batch=16)


def test_parallel_gradients_are_taken_over_the_networks() -> None:
    weights = nn.Parameter(torch.randn(5, 3, 2))
    x = torch.randn(5, 7, 3)
    model = nn.ParameterDict({"w": weights})
    said = parallel_gradients(lambda m: (x @ m["w"]).square().mean(dim=(1, 2)))(model, EvaluationSet(x), rng=torch.Generator())
    each = torch.stack([torch.autograd.grad((x[r] @ weights[r]).square().mean(), weights)[0][r] for r in range(5)])
    found = statistics_of({f"parallel.{name}": a for name, a in said.items()}, "parallel")["w"]
    assert found.mean == pytest.approx(float(each.mean(0).norm()), rel=1e-5)
    assert found.std == pytest.approx(float(each.std(0, correction=0).norm()), rel=1e-5)
    assert (found.count, found.size) == (5, 6)


def test_protocols_are_measured_side_by_side_with_their_level_of_noise(measured: Measured) -> None:
    x, y = _data()

    def train(monitor: Monitor) -> None:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        monitor.watch(
            model,
            optimizer=optimizer,
            evaluation={"all": EvaluationSet(x, y)},
            probes={"frozen": frozen_gradients(_loss, x, y, batch=16, minibatches=3)},
            estimators=("binning:width=0.5",),
            schedule="every:1epochs",
            batch_size=16,
        )
        for _ in monitor.epochs(3):
            for rows in torch.randperm(len(x)).split(16):
                optimizer.zero_grad()
                _loss(model, x[rows], y[rows]).backward()
                optimizer.step()

    history = history_of(measured(train))
    frozen = history.select("gradient SNR", layer="0", parameter="weight", protocol="frozen")[0]
    own = next(s for s in history.select("gradient SNR", layer="0", parameter="weight") if "protocol" not in s.subject)
    assert frozen.step.tolist() == [0, 6, 12, 18], "the untrained network has frozen gradients, too"
    assert own.step.tolist() == [6, 12, 18]
    assert frozen.details["null"][0] == pytest.approx(((1 - 3 / 6) / (3 - 1)) ** 0.5)
    assert own.details["null"].tolist() == [0.0, 0.0, 0.0], "all minibatches of the epoch were read"
    names = {f.name for f in build_figures(history)[0]}
    assert {"gradient-snr", "gradient-snr-frozen", "gradient-noise-scale", "weight-norms-frozen"} <= names


def test_curves_of_a_layer_with_several_weights_say_which(measured: Measured) -> None:
    def train(monitor: Monitor) -> None:
        torch.manual_seed(0)
        model = nn.ModuleDict({"lstm": nn.LSTM(2, 3, batch_first=True), "out": nn.Linear(3, 1)})
        x = torch.randn(8, 5, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

        def forward(model: nn.Module, x: Tensor) -> Tensor:
            return model["out"](model["lstm"](x)[0])  # pyright: ignore[reportIndexIssue]

        monitor.watch(model, optimizer=optimizer, evaluation=EvaluationSet(x, forward=forward), schedule="every:1epochs")
        for _ in monitor.epochs(2):
            for rows in range(4):
                optimizer.zero_grad()
                forward(model, x[2 * rows : 2 * rows + 2]).square().mean().backward()
                optimizer.step()

    drawn = {figure.name: figure for figure in build_figures(history_of(measured(train)))[0] if isinstance(figure, Curves)}
    each = {"lstm ih_l0", "lstm hh_l0", "out"}
    assert {line.label for line in drawn["gradient-snr"].lines} == each, "all minibatches are read: no line of noise"
    assert {line.label for line in drawn["weight-norms"].lines} == each
    assert {line.label for line in drawn["gradient-norms"].lines} == {f"{one} {what}" for one in each for what in ("mean", "std")}


@pytest.mark.parametrize(("count", "population"), [(8, 8), (8, 64), (32, None)])
def test_pure_noise_reads_its_level_and_the_noise_scale_is_that_of_single_samples(count: int, population: int | None) -> None:
    from ibmon_analyses.gradient_snr import noise_floor, noise_scale

    generator = torch.Generator().manual_seed(0)
    batch, dims, readings, scales = 16, 200, [], []
    whole = batch * (population or 10 * count)
    for _ in range(20):
        noise = torch.randn(whole, dims, generator=generator, dtype=torch.float64)
        noise -= noise.mean(0)  # the full gradient is zero
        each = noise.reshape(-1, batch, dims).mean(1)[:count]
        mean, std = each.mean(0).norm(), each.std(0, correction=0).norm()
        readings.append(float(mean / std))
        signal = 0.3 * dims**0.5 * torch.ones(dims, dtype=torch.float64) / dims**0.5
        each = each + signal
        scales.append(noise_scale(each.mean(0).norm(), each.std(0, correction=0).norm(), batch, count, population))
    level = noise_floor(count, population or 10 * count)
    assert np.mean(readings) == pytest.approx(level, rel=0.05, abs=1e-9)
    # tr Σ = dims (unit variance), ‖μ‖² = .09 dims
    assert float(torch.stack(scales).mean()) == pytest.approx(1 / 0.09, rel=0.05)


def test_a_mean_that_is_not_above_the_noise_has_no_noise_scale() -> None:
    from ibmon_analyses.gradient_snr import noise_scale

    one = torch.tensor(1.0, dtype=torch.float64)
    assert noise_scale(0.1 * one, one, 16, 8, None).isnan()


def test_the_short_last_minibatch_is_left_out_of_the_window(measured: Measured) -> None:
    def train(monitor: Monitor) -> None:
        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        data = EvaluationSet(torch.randn(20, 1))
        monitor.watch(model, optimizer=optimizer, evaluation={"all": data}, estimators=("binning",), schedule="every:1epochs")
        for _ in monitor.epochs(2, steps_per_epoch=3, short_last=True):
            for gradient in (1.0, 3.0, 1000.0):
                optimizer.zero_grad()
                (model.weight * gradient).sum().backward()
                optimizer.step()

    history = history_of(measured(train))
    assert history.select("gradient mean")[0].value.tolist() == [2.0, 2.0]
    assert history.select("gradient minibatches")[0].value.tolist() == [2.0, 2.0]
