from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from torch import Tensor, nn

from ibmon import Curves, IbmonError
from ibmon.analysis.kept import kept
from ibmon.capture import evaluate
from ibmon.capture.layers import choose
from ibmon.figures.build import training_curves
from ibmon.runs.directory import RunDirectory
from ibmon_recipes.temperature import (
    CELLS,
    WARM_UP,
    Hours,
    Network,
    autoregression,
    detached,
    error,
    evaluation_set,
    persistence,
    rmse,
    train,
)
from support import history_of, ibmon

SMALL: dict[str, Any] = {"epochs": 2, "hidden": 5, "streams": 4, "bptt": 24, "eval_hours": 120}


def process(coefficients: list[float], hours: int, seed: int) -> np.ndarray:
    """An autoregressive process whose noise has the standard deviation 1."""
    noise = np.random.default_rng(seed).standard_normal(hours + 500)
    return lfilter([1.0], [1.0, *(-np.array(coefficients))], noise)[500:]


def daily(hours: int, seed: int = 0) -> np.ndarray:
    return 60 + 10 * np.sin(np.arange(hours) * 2 * np.pi / 24) + process([0.9], hours, seed)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """2500 hours of a day's ups and downs and of weather."""
    path = tmp_path / "station.csv"
    path.write_text("\n".join(["level", *map(repr, daily(2500).tolist()), ""]), encoding="utf-8")
    return path


@pytest.fixture
def small(table: Path) -> dict[str, Any]:
    return {**SMALL, "csv": str(table), "column": "level"}


@pytest.mark.parametrize("horizon", [1, 3, 6])
@pytest.mark.parametrize("coefficients", [[0.9], [1.2, -0.5], [0.5, 0.0, 0.0, 0.3]])
def test_an_autoregressive_process_is_forecast_to_its_noise(coefficients: list[float], horizon: int) -> None:
    values = process(coefficients, 40_000, 1)
    moving_average = lfilter([1.0], [1.0, *(-np.array(coefficients))], np.eye(1, horizon)[0])
    least = np.sqrt((moving_average**2).sum())  # what no forecast from the past can know (Hamilton 1994, section 4.2)
    found = rmse(autoregression(values, horizon, 30_000, 30_000), values[30_000:])
    assert found == pytest.approx(least, rel=0.03)


@pytest.mark.parametrize("horizon", [1, 6])
def test_the_error_of_persistence_is_the_one_that_is_known(horizon: int) -> None:
    phi, values = 0.9, process([0.9], 40_000, 2)
    expected = np.sqrt(2 * (1 - phi**horizon) / (1 - phi**2))
    assert rmse(persistence(values, horizon, 100), values[100:]) == pytest.approx(expected, rel=0.03)
    line = 3.0 * np.arange(200)
    assert rmse(persistence(line, horizon, 100), line[100:]) == 3 * horizon
    assert rmse(autoregression(line, horizon, 150, 150), line[150:]) < 1e-6


@settings(max_examples=25)
@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 60))
def test_forecasts_and_inputs_are_of_what_is_known_by_then(horizon: int, window: int, back: int) -> None:
    values = np.random.default_rng(0).standard_normal(300)
    start, moment = 200, 299 - back  # what is forecast at ``moment`` is known at ``moment − horizon``
    later = values.copy()
    later[moment - horizon + 1 :] += 100
    for forecast in (persistence, lambda v, h, s: autoregression(v, h, s, 150)):
        before, after = (forecast(v, horizon, start) for v in (values, later))
        assert len(before) == 100
        known = moment - start + 1
        assert np.array_equal(before[:known], after[:known])
    hours = Hours.of(values, window, horizon)
    row = moment - hours.first
    newest = torch.from_numpy(values).float().flip(0)[299 - moment + horizon :]
    assert torch.equal(hours.x[row], newest[:window]) and float(hours.y[row]) == np.float32(values[moment])
    assert len(hours.x) == len(hours.y) == 300 - hours.first


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_carried_state_is_one_long_pass(cell: str) -> None:
    model = Network(cell, 2, 5, torch.Generator().manual_seed(0))
    x = torch.randn(3, 60, 2, generator=torch.Generator().manual_seed(1))
    whole, _ = model(x)
    state, parts = None, []
    for part in x.split(20, 1):
        found, after = model(part, state)
        parts.append(found)
        state = detached(after)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)
    assert torch.allclose(model(x[:, 40:], model.warmed_up(x[:, :40]))[0], whole[:, 40:], atol=1e-6)


class Copy(Network):
    """Forecasts that nothing changes."""

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return x[..., :1], state


@pytest.mark.parametrize(("start", "end", "streams"), [(700, 1000, 7), (700, 1000, 300), (601, 850, 1), (601, 850, 64)])
def test_the_error_is_of_every_hour_of_a_part_and_of_no_other(start: int, end: int, streams: int) -> None:
    values = process([0.9], 1000, 3)
    model = Copy("elman", 2, 3, torch.Generator())
    expected = rmse(persistence(values[:end], 6, start), values[start:end])
    assert float(error(model, Hours.of(values, 2, 6), start, end, streams)) == pytest.approx(expected, rel=1e-5)


def test_warmed_up_stretches_say_what_one_long_pass_says() -> None:
    values = process([0.9], 1500, 4)
    hours = Hours.of(values, 1, 6)
    model = Network("gru", 1, 8, torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = (model(hours.x[None])[0][0, :, 0] - hours.y)[1000 - hours.first :].square().mean().sqrt()
    assert float(error(model, hours, 1000, 1500, 8)) == pytest.approx(float(whole), rel=1e-4)


@pytest.mark.parametrize("cell", list(CELLS))
def test_layers_are_recorded_over_time_without_the_warming_up(cell: str) -> None:
    values, horizon = process([0.9], 1200, 5), 6
    hours = Hours.of(values, 3, horizon)
    model = Network(cell, 3, 5, torch.Generator().manual_seed(0))
    data, targets = evaluation_set(hours, 600, 1200, 2, 150)
    layers, outputs = evaluate.forward(model, choose(model, ["input", "hidden", "output"]), data)
    assert {name: (a.axes, tuple(a.values.shape)) for name, a in layers.items()} == {
        name: (("sample", "time", "unit"), (2, 150, units)) for name, units in (("input", 3), ("hidden", 5), ("output", 1))
    }
    assert outputs is not None and torch.equal(outputs.values, layers["output"].values)
    series = torch.from_numpy(values).float()
    for stream, start in enumerate((600, 900)):
        inputs = layers["input"].values[stream]
        for unit in range(3):
            assert torch.equal(inputs[:, unit], series[start - horizon - unit :][:150])
        assert torch.equal(targets[stream, :, 0], series[start : start + 150])
        assert torch.equal(targets[stream, :-horizon, 0], inputs[horizon:, 0]), "the newest input, horizon timepoints later"
        first = start - hours.first - WARM_UP
        with torch.no_grad():
            states = model.hidden(hours.x[None, first : first + WARM_UP + 150])[0][0]
        assert torch.allclose(layers["hidden"].values[stream], states[WARM_UP:], atol=1e-6)


def test_the_seed_decides_the_weights(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    runs = [alone(train, **small, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (list(run.model.parameters()) for run in runs)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert runs[0].logged == runs[1].logged
    fresh = nn.RNN(1, 64).weight_hh_l0
    mine = Network("elman", 1, 64, torch.Generator()).hidden.weight_hh_l0
    assert float(mine.detach().abs().max()) == pytest.approx(float(fresh.detach().abs().max()), rel=0.01)


@pytest.mark.parametrize("cell", list(CELLS))
def test_it_learns_and_its_inputs_follow_the_window(cell: str, small: dict[str, Any], alone: Callable[..., Any]) -> None:
    run = alone(train, **{**small, "epochs": 12, "hidden": 12, "lr": 0.01}, cell=cell, window=4)
    assert run.model.hidden.input_size == 4
    assert run.logged["train"][-1]["loss"] < run.logged["train"][0]["loss"] / 2
    assert run.logged["network test"][-1]["RMSE"] < run.logged["persistence test"][-1]["RMSE"] / 2


def test_a_run_shows_the_errors_in_one_chart_and_says_what_its_outputs_are_about(
    small: dict[str, Any], measured: Callable[..., RunDirectory]
) -> None:
    run = measured(lambda m: train(m, **small, horizon=3), keep_snapshots=True, schedule="at:2epochs")
    history = history_of(run)
    assert not history.failures
    (chart,) = (figure for figure in training_curves(history) if figure.name == "RMSE" and isinstance(figure, Curves))
    labels = {line.label for line in chart.lines}
    assert labels == {"network validation", "network test", "persistence test", "linear AR(48) test"}
    assert all(len(line.y) == 2 and np.isfinite(line.y).all() for line in chart.lines)
    ((_, untrained), *_, (_, newest)) = kept(run, "test").snapshots
    assert (untrained.step, newest.step) == (0, 2 * 18)
    for snapshot in (untrained, newest):
        assert {"input", "hidden", "output"} == set(snapshot.layers)
        target = snapshot.probes["forecast.target"]
        assert target.axes == ("sample", "time", "unit")
        assert int(snapshot.probes["forecast.horizon"].values) == 3
        assert torch.equal(target.values[:, :-3], snapshot.layers["input"].values[:, 3:, :1])
    assert newest.gradients


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 0}, "1 or more"),
        ({"horizon": 0}, "1 or more"),
        ({"window": 0}, "1 or more"),
        ({"streams": 0}, "1 or more"),
        ({"bptt": 0}, "1 or more"),
        ({"eval_streams": 0}, "1 or more"),
        ({"eval_hours": 3}, "2 or more for each of 8 stretches, not 3"),
        ({"epochs": -1}, "0 or more"),
        ({"lr": 0.0}, "above 0"),
        ({"eval_hours": 376, "eval_streams": 1}, "375 hours are tested on"),
        ({"bptt": 500}, "has 2500 values, too few to train on 4 streams of 500"),
        ({"window": 1500}, "too few"),
        ({"column": None}, "csv needs column"),
        ({"column": "lebel"}, "did you mean 'level'"),
        ({"csv": "none.csv"}, "There is no file none.csv"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(
    options: dict[str, Any], said: str, small: dict[str, Any], alone: Callable[..., Any]
) -> None:
    with pytest.raises(IbmonError, match=said):
        alone(train, **{**small, **options})


def test_a_constant_is_not_forecast(tmp_path: Path, alone: Callable[..., Any]) -> None:
    path = tmp_path / "flat.csv"
    path.write_text("level\n" + "7\n" * 2500)
    with pytest.raises(IbmonError, match="constant where it is trained on"):
        alone(train, **SMALL, csv=str(path), column="level")


@pytest.mark.long
def test_a_file_of_ones_own_is_found_from_where_one_is(table: Path) -> None:
    options = ("--epochs", "1", "--streams", "4", "--bptt", "24", "--eval-hours", "40", "--hidden", "3", "--cell", "gru")
    done = ibmon("run", "temperature", "--csv", table.name, "--column", "level", *options, cwd=table.parent)
    assert done.returncode == 0, done.stderr
    assert "csv=station.csv, column=level" in ibmon("show", cwd=table.parent).stdout


@pytest.mark.long
def test_thirty_epochs_leave_persistence_far_behind(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, alone: Callable[..., Any]
) -> None:
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    run = alone(train, epochs=30)
    found = {name: values[-1]["RMSE [°F]"] for name, values in run.logged.items() if name != "train"}
    assert found["persistence test"] == pytest.approx(6.15, abs=0.01)
    assert found["linear AR(48) test"] == pytest.approx(4.25, abs=0.01)
    assert found["network test"] < 5.0
    assert len(run.losses) == 30 * 11
