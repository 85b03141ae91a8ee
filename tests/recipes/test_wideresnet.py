from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import ibmon.data
from ibmon import IbmonError
from ibmon.analysis.kept import kept
from ibmon.data import Images
from ibmon.runs.directory import RunDirectory, find_run
from ibmon_recipes import wideresnet
from ibmon_recipes.networks import stream
from ibmon_recipes.wide_networks import SHIFT, Block, Standard, WideResNet, augmented, initialise, pooled
from ibmon_recipes.wideresnet import judged, rate, train
from support import history_of
from support import ibmon as command

SMALL: dict[str, Any] = {"epochs": 2, "batch": 16, "eval_samples": 12}
LAYERS = {"group1": 16, "group2": 32, "group3": 64, "features": 64, "logits": 4}
CLASSES = ("red", "green", "blue", "grey")


def colours(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise of 8 × 8 with one colour brighter than the others, or none."""
    random = np.random.default_rng(seed)
    x, y = random.integers(0, 160, (n, 8, 8, 3)), np.arange(n) % 4
    for colour in range(3):
        x[y == colour, ..., colour] += 90
    return x.astype(np.uint8), y.astype(np.uint8)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The data sets that were asked for; each has 40 images to train on and 24 for testing."""
    names: list[str] = []

    def images(name: str) -> Images:
        names.append(name)
        return Images(*colours(40, 0), *colours(24, 1), CLASSES)

    monkeypatch.setattr(ibmon.data, "cifar10", lambda subset=None: images(f"cifar10 {subset}"))
    monkeypatch.setattr(ibmon.data, "cifar100", lambda: images("cifar100"))
    return names


def tensors(n: int = 24, seed: int = 1) -> tuple[Tensor, Tensor]:
    x, y = colours(n, seed)
    return torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y).long()


def model_of(depth: int = 10, width: int = 1, seed: int = 0) -> WideResNet:
    model = WideResNet(depth, width, 4)
    initialise(model, torch.Generator().manual_seed(seed))
    return model


@pytest.mark.parametrize(
    ("depth", "width", "classes", "millions"),
    [(28, 10, 10, 36.5), (16, 8, 10, 11.0), (40, 4, 10, 8.9), (22, 8, 10, 17.2), (40, 1, 10, 0.6)],
)
def test_it_has_the_parameters_of_the_papers_tables(depth: int, width: int, classes: int, millions: float) -> None:
    with torch.device("meta"):
        model = WideResNet(depth, width, classes)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_wrn_28_10_has_36479194_parameters_and_more_for_more_classes() -> None:
    with torch.device("meta"):
        ten, hundred = (sum(p.numel() for p in WideResNet(28, 10, classes).parameters()) for classes in (10, 100))
    assert (ten, hundred) == (36_479_194, 36_479_194 + 90 * 641)


def test_groups_halve_places_and_double_channels() -> None:
    model = model_of(16, 2)
    read = model.read(torch.randn(3, 3, 32, 32))
    assert [tuple(g.shape) for g in read.groups] == [(3, 32, 32, 32), (3, 64, 16, 16), (3, 128, 8, 8)]
    assert read.features.shape == (3, model.units) == (3, 128) and bool((read.features >= 0).all())
    assert torch.equal(read.logits, model.readout(read.features)) and read.logits.shape == (3, 4)
    assert [len(group) for group in model.groups] == [2, 2, 2]
    x = torch.randn(3, 3, 32, 32)
    assert torch.equal(model.eval()(x), model.read(x).logits)


@pytest.mark.parametrize(("inputs", "channels", "stride"), [(4, 4, 1), (4, 8, 1), (4, 4, 2), (4, 8, 2)])
def test_a_block_adds_to_its_shortcut(inputs: int, channels: int, stride: int) -> None:
    block = Block(inputs, channels, stride)
    x = torch.randn(2, inputs, 6, 6)
    nn.init.zeros_(block.second.weight)
    expected = x if block.shortcut is None else block.shortcut(torch.relu(block.before(x)))
    assert torch.equal(block(x), expected)
    assert (block.shortcut is None) == (inputs == channels and stride == 1)


def test_weights_are_those_of_their_seed() -> None:
    models = [model_of(10, 4, seed) for seed in (0, 0, 1)]
    weights = [dict(model.named_parameters()) for model in models]
    assert all(torch.equal(w, weights[1][name]) for name, w in weights[0].items())
    for name, module in models[0].named_modules():
        if isinstance(module, nn.Conv2d):
            height, width = module.kernel_size
            assert float(module.weight.detach().std()) == pytest.approx(
                (2 / (height * width * module.out_channels)) ** 0.5, rel=0.1
            )
            assert not torch.equal(module.weight, weights[2][f"{name}.weight"])
    assert float(models[0].readout.weight.detach().abs().max()) == pytest.approx(256**-0.5, rel=0.05)
    assert not models[0].readout.bias.detach().any()


def test_images_are_measured_in_standard_deviations_of_each_colour() -> None:
    x, _ = tensors()
    rows = Standard.of(x)(x).double()
    assert torch.allclose(rows.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-5)
    assert torch.allclose(rows.std((0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64), atol=1e-5)
    assert not Standard.of(torch.full_like(x, 7))(torch.full_like(x, 7)).any(), "images of one colour stay finite"


def pieces(image: np.ndarray) -> dict[bytes, tuple[int, int, bool]]:
    """What may come of an image (channels, height, width), by numpy, and the move and the mirror that it comes of."""
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="reflect")
    found: dict[bytes, tuple[int, int, bool]] = {}
    for top in range(2 * SHIFT + 1):
        for left in range(2 * SHIFT + 1):
            piece = padded[:, top : top + height, left : left + width]
            found[piece.tobytes()] = top, left, False
            found[piece[..., ::-1].tobytes()] = top, left, True
    return found


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(5, 9), st.integers(5, 9), st.integers(0, 1000))
def test_an_augmented_image_is_a_piece_of_the_reflected_one(n: int, height: int, width: int, seed: int) -> None:
    x = torch.randint(256, (n, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    before = x.clone()
    first, again = (augmented(x, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(x, before) and torch.equal(first, again)
    assert first.dtype == torch.uint8 and first.shape == x.shape
    for image, piece in zip(x.numpy(), first.numpy(), strict=True):
        assert piece.tobytes() in pieces(image)


def test_every_move_is_made_and_half_of_the_images_are_mirrored() -> None:
    image = torch.randint(256, (1, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    known = pieces(image[0].numpy())
    drawn = augmented(image.expand(4000, -1, -1, -1), torch.Generator().manual_seed(0))
    made = [known[piece.tobytes()] for piece in drawn.numpy()]
    assert len(set(made)) == 2 * 9 * 9
    assert sum(mirrored for *_, mirrored in made) == pytest.approx(2000, abs=150)
    assert np.mean([top for top, *_ in made]) == pytest.approx(4, abs=0.15)


def test_the_rate_falls_where_it_does_in_200_epochs() -> None:
    rates = [rate(0.1, epoch, 200) for epoch in range(200)]
    falls = [epoch for epoch, (a, b) in enumerate(pairwise(rates), start=1) if b < a]
    assert falls == [60, 120, 160] and rates[-1] == pytest.approx(0.1 * 0.2**3)
    assert [rate(1.0, epoch, 10) for epoch in (0, 2, 3, 5, 6, 7, 8, 9)] == pytest.approx(
        [1, 1, 0.2, 0.2, 0.04, 0.04, 0.008, 0.008]
    )
    assert rate(0.1, 0, 1) == 0.1


@pytest.mark.parametrize("chunk", [5, 24, 100])
def test_images_are_judged_as_one_by_one(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wideresnet, "CHUNK", chunk)
    model = model_of()
    x, y = tensors()
    standard = Standard.of(x)
    model(standard(x))  # so that running means are not those of the beginning
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = judged(model, x, y, standard, mixed=False)
    assert model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    read = model.eval().read(standard(x))
    p = torch.distributions.Categorical(logits=read.logits.detach())
    loss = -float(p.log_prob(y).mean())
    assert found.loss == pytest.approx(loss, rel=1e-4)
    assert found.accuracy == pytest.approx(float((read.logits.argmax(1) == y).float().mean()))
    assert found.norm == pytest.approx(float(read.features.detach().norm(dim=1).mean()), rel=1e-4)
    assert found.entropy == pytest.approx(float(p.entropy().mean()) / log(2), rel=1e-4)
    assert found.information == pytest.approx(2 - loss / log(2), abs=1e-4), "four classes as frequent as each other"


def test_a_network_that_knows_nothing_says_nothing() -> None:
    model = model_of()
    nn.init.zeros_(model.readout.weight)
    x, y = tensors()
    found = judged(model, x, y, Standard.of(x), mixed=False)
    assert found.loss == pytest.approx(log(4)) and found.accuracy == 0.25
    assert found.entropy == pytest.approx(2) and found.information == pytest.approx(0, abs=1e-6)


def plain_loop(options: dict[str, Any], *, augment: bool) -> dict[str, Tensor]:
    """Weights and running means after a training as anybody would write it."""
    x, y = tensors(40, 0)
    standard = Standard.of(x)
    model = WideResNet(10, 1, 4)
    initialise(model, stream("weights", 0))
    model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    descent = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
    order, moves = stream("order", 0), stream("augmentation", 0)
    for epoch in range(options["epochs"]):
        descent.param_groups[0]["lr"] = rate(0.1, epoch, options["epochs"])
        for rows in torch.randperm(40, generator=order).split(options["batch"]):
            shown = augmented(x[rows], moves) if augment else x[rows]
            nn.functional.cross_entropy(model(standard(shown)), y[rows]).backward()
            descent.step()
            descent.zero_grad()
    return model.state_dict()


@pytest.mark.parametrize("augment", [True, False])
def test_without_a_penalty_it_is_the_plain_loop_bit_for_bit(
    augment: bool, alone: Callable[..., Any], measured: Callable[..., RunDirectory]
) -> None:
    plain = plain_loop(SMALL, augment=augment)
    for more in ({}, {"penalty": "anp", "eta": 0.0}):
        run = alone(train, **SMALL, augment=augment, **more)
        assert all(torch.equal(value, plain[name]) for name, value in run.model.state_dict().items())
    penalised = alone(train, **SMALL, augment=augment, penalty="anp", eta=0.01)
    weights = dict(penalised.model.named_parameters())
    assert not torch.equal(weights["first.weight"], plain["first.weight"])
    watched: list[nn.Module] = []

    def under_a_monitor(monitor: Any) -> None:
        watch = monitor.watch
        monitor.watch = lambda network, **how: (watched.append(network), watch(network, **how))
        train(monitor, **SMALL, augment=augment)

    measured(under_a_monitor, schedule="every:1epochs")
    assert all(torch.equal(value, plain[name]) for name, value in watched[0].state_dict().items())


def test_a_strong_penalty_makes_features_small(alone: Callable[..., Any]) -> None:
    free, held = (alone(train, **{**SMALL, "epochs": 6}, lr=0.05, penalty=kind, eta=1.0) for kind in ("none", "anp"))
    assert held.logged["train"][-1]["feature norm"] < free.logged["train"][-1]["feature norm"] / 5


def test_the_convention_decides_the_weight_and_the_norm_the_penalty(alone: Callable[..., Any]) -> None:
    options = {**SMALL, "epochs": 1, "penalty": "anp", "eta": 0.1}
    weights = [
        alone(train, **options, eta_convention=convention, width=2).logged["penalty"][0]["weight"]
        for convention in ("sum", "n_over_k", "one_over_k")
    ]
    assert weights == pytest.approx([0.1, 0.1 * 16 / 128, 0.1 / 128])
    runs = [alone(train, **options, norm=norm).model.first.weight for norm in ("l1", "l2", "linf")]
    assert not any(torch.equal(a, b) for a, b in pairwise([*runs, runs[0]]))
    assert alone(train, **SMALL).logged["penalty"] == [{"weight": 0.0}]


def test_colours_are_learned_and_what_is_logged_fits_together(alone: Callable[..., Any]) -> None:
    run = alone(train, **{**SMALL, "epochs": 12, "lr": 0.05})
    before, now = run.logged["train"][-1], run.logged["test"][-1]
    assert before["accuracy"] > 0.9 and now["accuracy"] > 0.9
    assert now["loss gap"] == pytest.approx(now["loss"] - before["loss"])
    assert now["accuracy gap"] == pytest.approx(before["accuracy"] - now["accuracy"])
    assert now["H(Y) − cross-entropy [bits]"] == pytest.approx(2 - now["loss"] / log(2), abs=1e-5)
    assert len(run.logged["test"]) == 12 and len(run.losses) == 12 * 3


def test_the_seed_decides_weights_order_and_moves(alone: Callable[..., Any]) -> None:
    first, again, other = (alone(train, **SMALL, seed=seed) for seed in (0, 0, 1))
    assert first.losses == again.losses and first.logged == again.logged
    assert first.losses[0] != other.losses[0]


def test_each_size_has_its_data_and_the_options_come_before_it(asked: list[str], alone: Callable[..., Any]) -> None:
    alone(train, epochs=0)
    alone(train, epochs=0, data="cifar100")
    paper = alone(train, size="paper", epochs=0, depth=10, width=1)
    assert asked == ["cifar10 jpeg", "cifar100", "cifar10 None"]
    assert paper.watched["batch_size"] == 128
    few = alone(train, **{**SMALL, "train_samples": 20, "epochs": 1})
    assert len(few.losses) == 2 and few.model.units == 64


def test_in_bfloat16_features_and_logits_stay_single_and_the_monitor_knows(alone: Callable[..., Any]) -> None:
    run = alone(train, **{**SMALL, "epochs": 1}, mixed=True, penalty="anp")
    assert run.watched["autocast"] == torch.bfloat16 and all(p.dtype == torch.float32 for p in run.model.parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        read = run.model.read(torch.randn(2, 3, 8, 8))
    assert read.groups[0].dtype == torch.bfloat16
    assert read.features.dtype == read.logits.dtype == pooled(read.groups[0]).dtype == torch.float32
    assert alone(train, **SMALL).watched["autocast"] is None, "on a CPU"


def test_groups_features_and_logits_are_measured(measured: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wideresnet, "CHUNK", 5)
    run = measured(lambda m: train(m, **{**SMALL, "eval_samples": 20}), keep_snapshots=True)
    history = history_of(run)
    assert not history.failures and not history.disabled
    for quantity in ("I(X;T)", "I(T;Y)"):
        found = history.select(quantity)
        assert {(s.subject["layer"], s.estimator) for s in found} == {(n, e) for n in LAYERS for e in wideresnet.ESTIMATORS}
    norms = {s.subject["layer"]: s.value[-1] for s in history.select("‖T‖₂")}
    assert set(norms) == set(LAYERS)
    _, newest = kept(run, "test").snapshots[-1]
    assert {name: a.values.shape[1] for name, a in newest.layers.items()} == LAYERS
    assert all(a.axes == ("sample", "unit") and a.values.shape[0] == 20 for a in newest.layers.values())
    assert norms["features"] == pytest.approx(float(newest.layers["features"].values.norm(dim=1).mean()), rel=1e-4)
    assert newest.outputs is not None and torch.equal(newest.outputs.values, newest.layers["logits"].values)
    assert newest.classes["class"] == CLASSES and newest.gradients


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 12}, "depth is 6n"),
        ({"depth": 4}, "depth is 6n"),
        ({"width": 0}, "width is 1 or more"),
        ({"batch": 0}, "are 1 or more"),
        ({"eval_samples": 0}, "are 1 or more"),
        ({"epochs": -1}, "are 0 or more"),
        ({"train_samples": -1}, "are 0 or more"),
        ({"weight_decay": -1.0}, "are 0 or more"),
        ({"lr": 0.0}, "lr above 0"),
        ({"lr": float("nan")}, "lr above 0"),
        ({"eta": -1.0}, "from 0 on"),
        ({"eta": float("inf")}, "from 0 on"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(options: dict[str, Any], said: str, alone: Callable[..., Any]) -> None:
    with pytest.raises(IbmonError, match=said):
        alone(train, **{**SMALL, **options})


@pytest.mark.long
def test_photographs_are_told_apart_and_their_plane_is_measured(data_folder: Path, own_runs: Path) -> None:
    options = ("--epochs", "5", "--eval-samples", "300", "--penalty", "anp", "--lossless")
    done = command("run", "wideresnet", *options, timeout=900, IBMON_DATA=str(data_folder))
    assert done.returncode == 0, done.stderr
    history = history_of(find_run(None))
    assert not history.disabled and not history.failures
    assert history.scalars["test/accuracy"].value[-1] > 0.4, "by chance 0.1"
    about = {s.subject["layer"]: s for s in history.select("I(T;Y)", estimator="kde:relative=true,variance=0.1")}
    assert set(about) == set(LAYERS)
    assert about["features"].value[-1] > about["features"].value[0]
