from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ibmon import EvaluationSet, Monitor
from ibmon.capture.gradients import GradientWindow, evenly
from ibmon.runs.directory import RunDirectory
from support import history_of


def _window(gradients: torch.Tensor, **options: object) -> GradientWindow:
    """A window over one parameter that is given these gradients (minibatches, *shape)."""
    parameter = nn.Parameter(torch.ones(gradients.shape[1:], dtype=gradients.dtype))
    window = GradientWindow({"w": parameter}, **options)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        window.add()
    return window


@given(st.integers(1, 40), st.floats(-1e3, 1e3), st.integers(0, 2**31))
@settings(max_examples=40)
def test_statistics_equal_the_textbook(minibatches: int, offset: float, seed: int) -> None:
    gradients = torch.randn(minibatches, 3, 4, generator=torch.Generator().manual_seed(seed)) + offset
    statistics = _window(gradients).close()["w"]
    exact = gradients.double()
    assert statistics.mean == pytest.approx(float(exact.mean(0).norm()), rel=1e-5)
    assert statistics.std == pytest.approx(float(exact.std(0, correction=0).norm()), rel=1e-4, abs=1e-6 * (1 + abs(offset)))
    assert (statistics.count, statistics.size) == (minibatches, 12)
    assert statistics.norm == pytest.approx(12**0.5)


def test_a_full_batch_has_exactly_no_noise() -> None:
    gradient = torch.randn(5, 7) * 1e3
    assert _window(gradient.expand(20, 5, 7)).close()["w"].std == 0.0


def test_the_published_values_are_reproduced() -> None:
    oracle = Path(os.environ.get("IBMON_ORACLE") or Path(__file__).parents[3] / "shared" / "oracle")
    if not oracle.is_dir():
        pytest.skip(f"no oracle values in {oracle}: set IBMON_ORACLE to run this")
    stored = np.load(oracle / "information_plane" / "gradients.npz")
    layers = sorted(name for name in stored.files if name.startswith("grad_layer"))
    assert layers
    for number, name in enumerate(layers):
        for epoch, gradients in enumerate(stored[name]):
            statistics = _window(torch.from_numpy(np.asarray(gradients))).close()["w"]
            assert statistics.mean == pytest.approx(float(stored["ibsgd_gradmean"][number, epoch]), rel=1e-5)
            assert statistics.std == pytest.approx(float(stored["ibsgd_gradstd"][number, epoch]), rel=1e-5)


def test_what_is_not_finite_is_counted_and_not_averaged() -> None:
    good = torch.randn(6, 4)
    bad = torch.full((1, 4), float("nan"))
    for order in (torch.cat([good, bad]), torch.cat([bad, good])):
        statistics = _window(order).close()["w"]
        assert (statistics.count, statistics.nonfinite) == (6, 1)
        assert statistics.mean == pytest.approx(float(good.mean(0).norm()), rel=1e-5)


def test_scaled_gradients_are_divided_by_the_scale() -> None:
    parameter = nn.Parameter(torch.zeros(3))
    window = GradientWindow({"w": parameter})
    parameter.grad = torch.tensor([2.0, 4.0, 4.0]) * 1024
    window.add(torch.tensor(1024.0))
    assert window.close()["w"].mean == pytest.approx(6.0)


def test_a_parameter_without_gradient_took_no_part() -> None:
    used, other, never = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    window = GradientWindow({"used": used, "other": other, "never": never})
    used.grad = torch.ones(2)
    window.add()
    other.grad = torch.ones(2)
    window.add()
    statistics = window.close()
    assert statistics.keys() == {"used", "other"}
    assert statistics["other"].mean == pytest.approx(0.5 * 2**0.5)
    assert not window.empty


def test_no_gradient_at_all_is_noticed() -> None:
    window = GradientWindow({"w": nn.Parameter(torch.zeros(2))})
    window.add()
    assert window.empty
    assert window.close() == {}


def test_replicas_are_kept_apart() -> None:
    gradients = torch.randn(9, 3, 2, 5)
    together = _window(gradients, replicas=3).close()["w"]
    for r in range(3):
        single = _window(gradients[:, r]).close()["w"]
        assert float(torch.as_tensor(together.mean)[r]) == pytest.approx(float(single.mean), rel=1e-5)
        assert float(torch.as_tensor(together.std)[r]) == pytest.approx(float(single.std), rel=1e-5)
    assert together.size == 10


def test_half_precision_is_squared_in_full() -> None:
    gradients = torch.full((4, 10), 3000.0, dtype=torch.float16)
    assert _window(gradients).close()["w"].mean == pytest.approx(3000 * 10**0.5, rel=1e-3)


@given(st.integers(1, 500), st.integers(1, 64))
def test_minibatches_are_spread_evenly_over_the_window(total: int, most: int) -> None:
    chosen = [i for i in range(total) if evenly(i, total, most)]
    assert len(chosen) == min(total, most)
    gaps = np.diff(chosen)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_gradients_of_a_closure_are_read_after_it(measured: Callable[..., RunDirectory]) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    x, y = torch.randn(20, 3), torch.randn(20, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
    norms: list[float] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        return loss

    def train(monitor: Monitor) -> None:
        monitor.watch(model, optimizer=optimizer, evaluation=EvaluationSet(x), schedule="every:1steps", estimators=["binning"])
        for _ in range(4):
            closure()
            norms.append(float(model.weight.grad.norm()))
            optimizer.zero_grad()
            optimizer.step(closure)

    history = history_of(measured(train))
    (series,) = [s for s in history.select("gradient mean") if s.subject["parameter"] == "weight"]
    assert series.value.tolist() == pytest.approx(norms, rel=1e-5)
    assert not [n for n in history.notices if n.level != "info"]


class Scaled(torch.optim.SGD):
    def step(self, closure=None, scale: float = 1.0):  # pyright: ignore[reportIncompatibleMethodOverride]
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                p.data.add_(p.grad, alpha=-scale * group["lr"])
        return loss


class Numbered(torch.optim.SGD):
    def step(self, epoch=0):  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().step() if epoch >= 0 else None


class Asking(torch.optim.SGD):
    def step(self, loss_of):  # pyright: ignore[reportIncompatibleMethodOverride]
        loss_of(1.0)
        return super().step()


@pytest.mark.parametrize("kind", [Scaled, Numbered, Asking])
def test_optimizers_of_ones_own_get_what_they_were_given(kind: type, measured: Callable[..., RunDirectory]) -> None:
    ends: list[torch.Tensor] = []

    def train(monitor: Monitor | None) -> None:
        torch.manual_seed(0)
        model, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(20, 3)
        optimizer = kind(model.parameters(), lr=0.1)
        if monitor is not None:
            monitor.watch(model, optimizer=optimizer, evaluation=EvaluationSet(x), schedule="every:1steps")

        def loss_of(scale: float = 1.0) -> torch.Tensor:
            optimizer.zero_grad()
            loss = scale * model(x).square().mean()
            loss.backward()
            return loss

        for number in range(6):
            loss_of()
            optimizer.step(*{Scaled: (loss_of, 0.3), Numbered: (number,), Asking: (loss_of,)}[kind])
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))

    train(None)
    run = measured(train)
    assert torch.equal(ends[0], ends[1])
    history = history_of(run)
    assert history.captured >= 5 and history.select("gradient mean")


def test_an_update_of_an_optimizer_that_is_watched_twice_counts_once(measured: Callable[..., RunDirectory]) -> None:
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh()), torch.randn(20, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train(monitor: Monitor) -> None:
        for _ in range(2):
            monitor.watch(model, optimizer=optimizer, evaluation=EvaluationSet(x), schedule="every:1steps")
        for _ in range(3):
            model(x).square().mean().backward()
            optimizer.step()

    history = history_of(measured(train))
    assert max(s.step.max() for s in history.select("I(X;T)")) == 3


def test_a_model_that_the_pass_would_change_is_trained_on_with_gradients_alone(measured: Callable[..., RunDirectory]) -> None:
    class Restless(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                self.weight.mul_(0.9)
            return super().forward(x)

    model, x = nn.Sequential(Restless(3, 4), nn.Tanh()), torch.randn(20, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train(monitor: Monitor) -> None:
        monitor.watch(model, optimizer=optimizer, evaluation=EvaluationSet(x), schedule="every:1steps")
        for _ in range(3):
            model(x).square().mean().backward()
            optimizer.step()

    history = history_of(measured(train))
    assert "No further snapshots are taken" in " ".join(notice.text for notice in history.notices)
    assert len(history.dropped) == 1 and not history.select("I(X;T)") and history.select("gradient mean")


@pytest.mark.parametrize("done", [0, 7])
def test_a_training_from_a_checkpoint_counts_on(done: int, measured: Callable[..., RunDirectory]) -> None:
    model = nn.Sequential(nn.Linear(3, 1))
    x = torch.randn(20, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step, epoch = 50 + done, 5 + done / 10

    def train(monitor: Monitor) -> None:
        monitor.watch(model, optimizer=optimizer, evaluation=EvaluationSet(x), step=step, epoch=epoch, estimators=["binning"])
        for number in monitor.epochs(7, first=5, steps_per_epoch=10, done=done):
            for _ in range(10 - done if number == 5 else 10):
                model(x).square().mean().backward()
                optimizer.step()
                optimizer.zero_grad()
                monitor.log("train", seen=1.0)

    history = history_of(measured(train))
    (series,) = history.select("I(X;T)")
    assert (series.step.tolist(), series.epoch.tolist()) == ([step, 60, 70], [epoch, 6, 7])
    assert history.scalars["train/seen"].epoch.tolist() == pytest.approx([k / 10 for k in range(step + 1, 71)])
    assert history.progress is not None and history.progress.epoch == 7
