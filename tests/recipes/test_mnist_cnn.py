from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ibmon.data
from ibmon import EvaluationSet, Monitor, Snapshot, launch
from ibmon.capture.session import Session
from ibmon.runs.directory import RunDirectory, create, find_run
from ibmon.spool import StaticData, groups, read_group
from ibmon_recipes.mnist_cnn import network, pictures, train
from support import history_of
from support import ibmon as command

SHAPES = ((32, 26, 26), (64, 24, 24), (64, 12, 12), (9216,), (128,), (10,))


@pytest.fixture
def run(own_runs: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run that this process is the trainer of, and that nobody analyses: what is captured stays in the spool."""
    monkeypatch.setattr(Session, "start_analyst", lambda self: None)
    made = create(launch.describe_run(recipe="mnist-cnn", target="ibmon_recipes.mnist_cnn:train", device="cpu"))
    monkeypatch.setenv(launch.RUN_VARIABLE, str(made.path.resolve()))
    return made


def snapshots(run: RunDirectory) -> list[Snapshot]:
    return [read_group(group, lambda name: StaticData()) for folder in run.spools() for group in groups(folder)]


def test_the_network_is_the_papers_and_its_seed_decides_it() -> None:
    nets = [network("relu", torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    x = torch.rand(2, 1, 28, 28)
    shapes: list[tuple[int, ...]] = []
    for name, layer in nets[0].named_children():
        x = layer(x)
        assert name == str(len(shapes))
        shapes.append(tuple(x.shape[1:]))
    assert tuple(shapes) == SHAPES
    assert torch.allclose(x.sum(1), torch.ones(2))
    weights = [dict(net.named_parameters()) for net in nets]
    assert all(torch.equal(w, weights[1][name]) for name, w in weights[0].items())
    assert not torch.equal(weights[0]["1.0.weight"], weights[2]["1.0.weight"])


@pytest.mark.parametrize(("name", "fans"), [("0.0", 9 + 9 * 32), ("1.0", 9 * 32 + 9 * 64), ("4.0", 9216 + 128), ("5.0", 138)])
def test_weights_are_uniform_as_of_glorot_and_biases_zero(name: str, fans: int) -> None:
    parameters = dict(network("relu", torch.Generator().manual_seed(3)).named_parameters())
    weight, bound = parameters[f"{name}.weight"].detach(), (6 / fans) ** 0.5
    assert float(weight.abs().max()) == pytest.approx(bound, rel=0.02)
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.1)
    assert not parameters[f"{name}.bias"].detach().any()


def test_inputs_go_from_zero_to_one() -> None:
    assert torch.equal(pictures(torch.tensor([[[0, 255], [51, 204]]], dtype=torch.uint8)), torch.tensor([[[[0, 1], [0.2, 0.8]]]]))


def test_dropout_acts_in_training_alone(run: RunDirectory) -> None:
    model = network("relu", torch.Generator().manual_seed(0), dropout=True)
    x = torch.rand(6, 1, 28, 28)
    with Monitor() as monitor:
        monitor.watch(model, evaluation={"test": EvaluationSet(x)}, layers=[str(k) for k in range(6)])
        monitor.snapshot()
    first, second = (shot.layers for shot in snapshots(run)[:2])
    assert [tuple(first[name].values.shape[1:]) for name in first] == list(SHAPES)
    assert all(torch.equal(first[name].values, second[name].values) for name in first)
    assert model.training
    assert not torch.equal(model(x), model(x))
    plain = network("relu", torch.Generator().manual_seed(0))
    torch.testing.assert_close(first["5"].values, plain(x).detach())


def test_it_learns_and_six_layers_are_captured(run: RunDirectory, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    digits = ibmon.data.mnist()
    few = replace(digits, test_x=digits.test_x[:500], test_y=digits.test_y[:500])
    monkeypatch.setattr(ibmon.data, "mnist", lambda: few)
    with Monitor() as monitor:
        train(monitor, epochs=2, batch=64, train_samples=512, eval_samples=20, dropout=True)
    shots = snapshots(run)
    assert (shots[0].step, shots[-1].step) == (0, 16)
    layers = shots[-1].layers
    assert [tuple(layers[name].values.shape) for name in "012345"] == [(20, *shape) for shape in SHAPES]
    assert {layers[name].axes for name in "012"} == {("sample", "channel", "height", "width")}
    assert {layers[name].axes for name in "345"} == {("sample", "unit")}
    assert torch.equal(layers["2"].values.flatten(1), layers["3"].values)
    history = history_of(run)
    assert history.scalars["test/accuracy"].value[-1] > 0.3
    assert history.scalars["test/loss"].value[-1] < 2.2
    assert len(history.scalars["train/accuracy"].value) == 2


@pytest.mark.long
def test_it_recognises_digits_and_its_plane_and_pictures_are_measured(data_folder: Path, own_runs: Path) -> None:
    done = command(
        *("run", "mnist-cnn", "--epochs", "2", "--batch", "64", "--train-samples", "6000", "--eval-samples", "200", "--lossless"),
        IBMON_DATA=str(data_folder),
    )
    assert done.returncode == 0, done.stderr
    history = history_of(find_run(None))
    assert history.scalars["test/accuracy"].value[-1] > 0.95
    assert not history.disabled and not history.failures
    about = {s.subject["layer"]: s for s in history.select("I(T;Y)", estimator="kde:variance=0.0735")}
    assert set(about) == set("012345")
    assert about["5"].value[-1] > about["5"].value[0] + 1
    shown = {s.subject["layer"]: s.value for s in history.select("activation")}
    assert set(shown) == set("012345")
    assert shown["5"][-1].argmax() == 7  # what the first of the test images is
