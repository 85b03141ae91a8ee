from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ibmon import Curves, EvaluationSet, IbmonError, Plane
from ibmon.analysis.kept import kept
from ibmon.capture.evaluate import forward
from ibmon.capture.layers import choose
from ibmon.figures.build import training_curves
from ibmon.runs.directory import RunDirectory
from ibmon_analyses.generalisation_figures import figures
from ibmon_recipes import annealing, language
from ibmon_recipes.annealing import FADES_FROM, FADING, PATIENCE, Annealing, Fading
from ibmon_recipes.language_models import detached
from ibmon_recipes.lm import built, groups, schedule, train
from ibmon_recipes.lm_penalties import Penalty
from ibmon_recipes.lm_sizes import SIZES, Size
from ibmon_recipes.lstms import LSTMs, Variational, cells, masked
from support import history_of, ibmon

SMALL: dict[str, Any] = {"epochs": 2, "hidden": 8, "batch": 4, "bptt": 7, "eval_samples": 6}
WORDS = [f"w{k}" for k in range(12)]
PLACES = ("layer1.c", "layer1.h", "layer2.c", "layer2.h")
MODELS = ("lstm", "vd-lstm", "sru", "bayes-lstm")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """120 lines in which the next word is one of two: each has a follower, and two where a coin decides."""
    random = np.random.default_rng(0)
    lines: list[str] = []
    for _ in range(120):
        word, line = int(random.integers(12)), list[str]()
        for _ in range(8):
            line.append(WORDS[word])
            word = (5 * word + 1 + int(random.integers(2))) % 12
        lines.append(" ".join(line))
    path = tmp_path / "chain.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def small(text: Path) -> dict[str, Any]:
    return {**SMALL, "data": str(text)}


def model_of(*, variational: Variational | None = None, dropout: float = 0.0, tie: bool = False, seed: int = 0) -> LSTMs:
    torch.manual_seed(seed)
    return LSTMs(12, 5, dropout=dropout, tie=tie, scale=0.5, variational=variational)


def some(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(12, shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 40))
def test_streams_hold_the_text_in_order_and_the_word_after_each(count: int, length: int, more: int) -> None:
    words = torch.arange(count * length + 1 + more)
    x, y = language.streams(words, count, length)
    assert x.shape == y.shape and x.shape[0] == count and x.shape[1] % length == 0
    assert torch.equal(x.flatten(), torch.arange(x.numel())) and torch.equal(y, x + 1)
    assert len(words) - 1 - x.numel() < count * length
    with pytest.raises(IbmonError, match="too few for"):
        language.streams(words[: count * length], count, length)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 40))
def test_windows_are_apart_and_have_the_word_after_each(count: int, length: int, more: int) -> None:
    words = torch.arange(count * length + 1 + more)
    x, y = language.windows(words, count, length)
    assert x.shape == (count, length) and torch.equal(y, x + 1)
    assert len(x.unique()) == count * length, "no word is in two of them"
    with pytest.raises(IbmonError, match="take less of eval-samples"):
        language.windows(words[: count * length], count, length)


def test_a_text_has_the_words_of_its_training_part_the_most_frequent_first(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("a b\n" * 7 + "b c\n" + "a new\n" * 2)
    found = language.text(str(path))
    assert found.vocabulary == ("<eos>", "b", "a", "c", "<unk>")
    assert found.train[-3:].tolist() == [1, 3, 0] and len(found.train) == 24
    assert found.validation.tolist() == found.test.tolist() == [2, 4, 0]
    assert language.text(str(path), kept=2).vocabulary == ("<eos>", "b", "<unk>")
    assert language.text(str(path), kept=2).train[:3].tolist() == [2, 1, 0]
    few = language.text(str(path), words=4)
    assert few.train.tolist() == [2, 1, 0, 2] and few.vocabulary == found.vocabulary


@given(st.integers(1, 30), st.integers(1, 5))
def test_the_unigrams_of_a_uniform_text(vocabulary: int, times: int) -> None:
    words = torch.arange(vocabulary).repeat(times)
    assert language.entropy(words) == pytest.approx(np.log2(vocabulary), abs=1e-9)
    assert language.unigram_perplexity(words, words[:3], vocabulary) == pytest.approx(vocabulary)
    never = language.unigram_perplexity(words, torch.tensor([vocabulary]), vocabulary + 1)
    assert never == pytest.approx(vocabulary * (times + 1) + 1), "every word counts one more than it was found"


def cell_by_cell(layer: nn.LSTM, x: Tensor, state: Any) -> tuple[Tensor, Tensor]:
    """h and c of every timepoint by ``nn.LSTMCell``."""
    cell = nn.LSTMCell(layer.input_size, layer.hidden_size, dtype=x.dtype)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(layer, f"{name}_l0"))
    h, c = state[0][0], state[1][0]
    found: list[tuple[Tensor, Tensor]] = []
    for now in x.unbind(1):
        h, c = cell(now, (h, c))
        found.append((h, c))
    return torch.stack([h for h, _ in found], 1), torch.stack([c for _, c in found], 1)


def test_cell_states_and_their_gradients_are_those_of_the_layer() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(4, 3, batch_first=True, dtype=torch.float64)
    x = torch.randn(2, 9, 4, dtype=torch.float64, requires_grad=True)
    state = (torch.randn(1, 2, 3, dtype=torch.float64), torch.randn(1, 2, 3, dtype=torch.float64))
    weights = (x, *layer.parameters())
    hidden, (_, last) = layer(x, state)
    found = cells(layer, x, hidden, state)
    expected_h, expected = cell_by_cell(layer, x, state)
    assert torch.allclose(found, expected) and torch.allclose(found[:, -1], last[0]) and torch.allclose(hidden, expected_h)
    ours, theirs = (torch.autograd.grad(c.square().mean(), weights) for c in (found, expected))
    assert all(torch.allclose(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_mask_of_ones_leaves_the_layer_as_it_is_and_cells_follow_any_mask() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(4, 3, batch_first=True)
    x, state = torch.randn(2, 9, 4), (torch.randn(1, 2, 3), torch.randn(1, 2, 3))
    hidden, (h, c) = layer(x, state)
    found, (last_h, last_c) = masked(layer, x, state, torch.ones(2, 3))
    assert torch.allclose(found, hidden, atol=1e-6)
    assert torch.allclose(last_h, h, atol=1e-6) and torch.allclose(last_c, c, atol=1e-6)
    kept = torch.tensor([[0.0, 2.0, 2.0], [2.0, 0.0, 0.0]])
    found, (_, last_c) = masked(layer, x, state, kept)
    assert torch.allclose(cells(layer, x, found, state, kept)[:, -1], last_c[0], atol=1e-6)
    nothing, _ = masked(layer, x, state, torch.zeros(2, 3))
    other, _ = masked(layer, x, (torch.zeros(1, 2, 3), state[1]), torch.zeros(2, 3))
    assert torch.equal(nothing, other), "with all dropped the gates know nothing of the states before"


def test_a_carried_state_is_one_long_pass() -> None:
    model, tokens = model_of(), some(3, 20)
    whole = model(tokens)
    states, parts = None, list[Tensor]()
    for part in tokens.split(5, 1):
        read = model.read(part, states)
        states = detached(read.last)
        parts.append(model.logits(read))
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)


def test_tied_weights_are_one_matrix() -> None:
    tied, apart = model_of(tie=True), model_of()
    assert tied.output.weight is tied.embedding.weight
    assert sum(p.numel() for p in apart.parameters()) - sum(p.numel() for p in tied.parameters()) == 12 * 5


def test_variational_masks_are_the_same_at_all_timepoints() -> None:
    model, tokens = model_of(variational=Variational(0.5, skip=0.3), dropout=0.5), some(4, 50)
    torch.manual_seed(3)
    read = model.read(tokens)
    skipped = (read.inputs[0] == 0).all(-1)
    assert 0.15 < skipped.float().mean() < 0.45
    for row in range(4):
        units = (read.inputs[0][row] == 0)[~skipped[row]]
        assert torch.equal(units, units[:1].expand_as(units))
        later = read.inputs[1][row, 20:] == 0  # before the first word that is not skipped there are no states at all
        assert torch.equal(later, later[:1].expand_as(later))
    for place, (_, c) in zip(("layer1.c", "layer2.c"), read.last, strict=True):
        assert torch.allclose(model.at(place, read)[:, -1], c[0], atol=1e-6), "cells follow from the masks that were drawn"
    plain = model_of(dropout=0.5)
    plain.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(tokens), plain.eval()(tokens)), "nothing is dropped out of an evaluation"


@pytest.mark.parametrize("variational", [None, Variational(0.5)])
def test_a_penalty_reaches_the_weights_below_its_place_and_no_others(variational: Variational | None) -> None:
    model = model_of(variational=variational, dropout=0.2)
    for place in PLACES:
        model.zero_grad()
        model.at(place, model.read(some(3, 6))).square().mean().backward()
        reached = {name.partition(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert reached == {"embedding", "layer1", *(["layer2"] if place.startswith("layer2") else [])}


@pytest.mark.parametrize(("count", "length"), [(1, 100), (1, 7), (5, 8), (40, 3)])
def test_every_word_but_the_first_is_said_once(count: int, length: int) -> None:
    model, words = model_of(dropout=0.5).train(), some(38)
    found = language.said(model, words, count, length)
    assert model.training
    model.eval()
    apart = -(-37 // count)
    logits, states = list[Tensor](), list[Tensor]()
    for start in range(0, 37, apart):
        read = model.read(words[None, start : min(start + apart, 37)])
        logits.append(model.logits(read)[0])
        states.append(read.hidden[1][0])
    p = torch.distributions.Categorical(logits=torch.cat(logits).detach())
    cross_entropy = -float(p.log_prob(words[1:]).mean()) / np.log(2)
    assert found.cross_entropy == pytest.approx(cross_entropy, rel=1e-5)
    assert found.perplexity == pytest.approx(2**cross_entropy, rel=1e-4)
    assert found.entropy == pytest.approx(float(p.entropy().mean()) / np.log(2), rel=1e-5)
    assert found.norm == pytest.approx(float(torch.cat(states).detach().norm(dim=1).mean()), rel=1e-5)
    assert found.information == pytest.approx(language.entropy(words[1:]) - cross_entropy, rel=1e-4)


def test_a_model_that_knows_nothing_is_as_perplexed_as_there_are_words() -> None:
    model = model_of()
    for p in model.parameters():
        nn.init.zeros_(p)
    found = language.said(model, torch.arange(12).repeat(3)[-25:], 2, 5)
    assert found.perplexity == pytest.approx(12) and found.norm == 0
    assert found.entropy == pytest.approx(np.log2(12), rel=1e-6)
    assert found.information == pytest.approx(0, abs=1e-5)


def plain_loop(options: dict[str, Any], kind: Any) -> list[Tensor]:
    """The weights after a training as anybody would write it."""
    text = language.text(options["data"])
    size = SIZES["small"]
    sizes = {name: options[name] for name in ("hidden", "dropout") if name in options}
    model = built(kind, replace(size, **sizes), len(text.vocabulary), bottleneck=False, seed=0)
    x, y = language.streams(text.train, options["batch"], options["bptt"])
    descent = torch.optim.Adam(model.parameters(), lr=size.lr, fused=True)
    torch.manual_seed(0)
    for _ in range(options["epochs"]):
        states = None
        for now, following in zip(x.split(options["bptt"], 1), y.split(options["bptt"], 1), strict=True):
            read = model.read(now, states)
            states = detached(read.last)
            nn.functional.cross_entropy(model.logits(read).flatten(0, 1), following.flatten()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            descent.step()
            descent.zero_grad()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("model", MODELS)
def test_without_a_penalty_it_is_the_plain_loop_bit_for_bit(
    model: str, small: dict[str, Any], alone: Callable[..., Any], measured: Callable[..., RunDirectory]
) -> None:
    options = {**small, "epochs": 1, "dropout": 0.3}
    plain = plain_loop(options, model)
    penalty = "bayes" if model == "bayes-lstm" else "anp"
    for more in ({}, {"penalty": penalty, "eta": 0.0}):
        run = alone(train, **options, model=model, **more)
        assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), plain, strict=True))
    penalised = alone(train, **options, model=model, penalty=penalty, eta=0.01)
    assert not any(torch.equal(a, b) for a, b in zip(penalised.model.parameters(), plain, strict=True))
    if model not in ("lstm", "bayes-lstm"):
        return
    watched: list[Any] = []

    def under_a_monitor(monitor: Any) -> None:
        watch = monitor.watch
        monitor.watch = lambda network, **how: (watched.append(network), watch(network, **how))
        train(monitor, **options, model=model)

    measured(under_a_monitor, schedule="every:20steps")
    assert all(torch.equal(a, b) for a, b in zip(watched[0].parameters(), plain, strict=True))


@pytest.mark.parametrize(
    ("penalty", "more"),
    [("gp-kl", {}), ("vib", {}), ("vib", {"model": "sru"}), ("bayes", {"model": "bayes-lstm"}), ("confidence", {})],
)
def test_every_penalty_falls_when_it_weighs_and_says_what_it_is(
    penalty: Any, more: dict[str, Any], small: dict[str, Any], alone: Callable[..., Any]
) -> None:
    options = {**small, **more, "epochs": 2, "lr": 0.02, "penalty": penalty}
    weak, strong = (alone(train, **options, eta=eta) for eta in (1e-4, 3.0))
    assert strong.logged["penalty"][0] == {"weight": 3.0}
    means = [[said["mean [nats]"] for said in run.logged["penalty"][1:]] for run in (weak, strong)]
    assert len(means[0]) == 2 and means[1][-1] < means[0][-1]
    model = strong.model
    torch.manual_seed(0)
    with torch.no_grad():
        read = model.read(some(4, 7))
        cost = float(Penalty(penalty, 1.0, model.places[-1], "l2", 0.1)(model, read, model.logits(read)))
    assert cost == pytest.approx(means[1][-1], abs=0.5 + 0.2 * abs(means[1][-1])), "that of the last epoch, on other words"


def test_usual_strengths_weigh_the_square_of_the_norm_alike(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    options = {**small, "epochs": 0}
    weights = {
        kind: alone(train, **options, penalty=kind, model="bayes-lstm" if kind == "bayes" else "lstm").logged["penalty"][0][
            "weight"
        ]
        for kind in ("none", "anp", "gp-kl", "vib", "bayes")
    }
    assert weights == pytest.approx({"none": 0.0, "anp": 1e-3, "gp-kl": 2 * 8 * 1e-3, "vib": 2e-3, "bayes": 2e-3})


def test_a_bottleneck_is_random_in_training_alone(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    model = LSTMs(12, 5, dropout=0.0, tie=False, scale=0.5, bottleneck=True)
    tokens = some(3, 6)
    first, again = model.read(tokens), model.read(tokens)
    assert first.gaussian is not None and torch.equal(first.hidden[1], again.hidden[1])
    spread = (first.top - again.top).detach() / (0.5 * first.gaussian.log_variance.detach()).exp()
    assert 0.7 < float(spread.std()) / 2**0.5 < 1.3
    evaluated = model.eval().read(tokens)
    assert evaluated.gaussian is not None and torch.equal(evaluated.top, evaluated.gaussian.mean)
    asked = {kind: alone(train, **{**small, "epochs": 0}, penalty=kind).watched["analyses"] for kind in ("vib", "anp")}
    assert asked == {"vib": ["generalisation:layer=bottleneck"], "anp": ["generalisation:layer=layer2.h"]}


@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_the_states_of_every_place_are_recorded(model: Any, bottleneck: bool) -> None:
    network = built(model, Size(hidden=4, layers=3 if model == "sru" else 2, scale=0.5), 12, bottleneck=bottleneck, seed=0).eval()
    tokens = some(3, 6)
    with torch.no_grad():
        read = network.read(tokens)
        data = EvaluationSet(tokens, forward=lambda model, tokens: model.read(tokens) and None)
        layers, _ = forward(network, choose(network, network.watched), data)
        expected = {place: network.at(place, read) for place in network.places}
    if bottleneck and model != "bayes-lstm":
        expected["bottleneck"] = read.top
    assert set(layers) == set(expected)
    for name, activation in layers.items():
        assert activation.axes == ("sample", "time", "unit")
        assert torch.allclose(activation.values, expected[name], atol=1e-6), name


@pytest.mark.parametrize("place", PLACES)
def test_a_strong_penalty_makes_states_small(place: str, small: dict[str, Any], alone: Callable[..., Any]) -> None:
    options = {**small, "epochs": 1, "lr": 0.02, "place": place}
    free, held = (alone(train, **options, penalty=kind, eta=10.0) for kind in ("none", "anp"))
    tokens = some(5, 7)
    with torch.no_grad():
        before, after = (float(run.model.at(place, run.model.read(tokens)).norm(dim=-1).mean()) for run in (free, held))
    assert after < before / 3


def test_the_convention_decides_the_weight_and_the_norm_the_penalty(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    options = {**small, "epochs": 1, "penalty": "anp", "eta": 0.1}
    weights = [
        alone(train, **options, eta_convention=convention).logged["penalty"][0]["weight"]
        for convention in ("sum", "n_over_k", "one_over_k")
    ]
    assert weights == pytest.approx([0.1, 0.1 * 4 * 7 / 8, 0.1 / 8])
    runs = [alone(train, **options, norm=norm).model.output.weight for norm in ("l1", "l2", "linf")]
    assert not any(torch.equal(a, b) for a, b in pairwise([*runs, runs[0]]))
    assert alone(train, **small).logged["penalty"] == [{"weight": 0.0}]


def test_sgd_goes_back_to_the_best_weights_and_slows_down() -> None:
    model = nn.Linear(1, 1)
    descent = torch.optim.SGD(model.parameters(), lr=1.0)
    rule = Annealing(model, descent)
    first = model.weight.detach().clone()
    assert not rule.went_back(1, 9.0)
    for epoch, worse in ((2, 9.5), (3, float("nan"))):
        nn.init.constant_(model.weight, 7.0)
        assert rule.went_back(epoch, worse) and torch.equal(model.weight, first)
    assert descent.param_groups[0]["lr"] == pytest.approx(0.49)
    nn.init.constant_(model.weight, 3.0)
    assert not rule.went_back(4, 8.0) and model.weight.detach() == 3 and rule.best_epoch == 4
    for epoch in range(5, 5 + annealing.MOST_DECAYS - 1):
        assert not rule.over
        rule.went_back(epoch, 8.5)
    assert rule.decays == annealing.MOST_DECAYS + 1 and rule.over and rule.best_epoch == 4


def test_an_sru_fades_and_goes_back_at_the_end_alone() -> None:
    def trained(epochs: int, perplexity: Callable[[int], float]) -> tuple[Fading, nn.Linear, list[int]]:
        model = nn.Linear(1, 1)
        fading = Fading(model, torch.optim.SGD(model.parameters(), lr=1.0), epochs)
        back = list[int]()
        for epoch in range(1, epochs + 1):
            nn.init.constant_(model.weight, float(epoch))
            if fading.went_back(epoch, perplexity(epoch)):
                back.append(epoch)
            if fading.over:
                break
        return fading, model, back

    fading, model, back = trained(FADES_FROM + 2, lambda epoch: -epoch)
    assert fading.over and not back and model.weight.detach() == FADES_FROM + 2
    assert fading.descent.param_groups[0]["lr"] == pytest.approx(FADING**3)
    fading, model, back = trained(100, lambda epoch: abs(epoch - 20))
    assert back == [20 + PATIENCE] and model.weight.detach() == 20 == fading.best_epoch
    fading, model, back = trained(10, lambda epoch: abs(epoch - 7))
    assert back == [10] and model.weight.detach() == 7


def test_a_chain_of_words_is_learned_up_to_its_coins(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    run = alone(train, **{**small, "epochs": 14, "hidden": 16, "lr": 0.02})
    unigrams, last = run.logged["unigrams on validation"][0]["perplexity"], run.logged["validation"][-1]
    assert 11 < unigrams < 14 and run.logged["validation"][0]["perplexity"] > last["perplexity"]
    assert 2 < last["perplexity"] < unigrams / 3, "two followers each, and the word after the end of a line"
    for said in (last, run.logged["train"][-1], *run.logged["test"]):
        bits = np.log2(said["perplexity"])
        assert np.log2(13) > said["H(Y) − cross-entropy [bits]"] + bits > np.log2(11)
        assert said["prediction entropy [bits]"] == pytest.approx(bits, abs=0.3)
    assert last["perplexity gap"] == pytest.approx(last["perplexity"] - run.logged["train"][-1]["perplexity"])


LENS = "H(Y) − cross-entropy by lens [bits]"


def test_what_each_layer_tells_is_logged_after_every_epoch(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    options = {**small, "epochs": 9, "hidden": 16, "lr": 0.02}
    run, without = alone(train, **options), alone(train, **options, lens_words=0)
    text = language.text(small["data"])
    for place in PLACES:
        told = [said[LENS] for said in run.logged[place]]
        assert len(told) == 9 and told[-1] > max(1, told[0]), "the first layer knows the word, and so most of what can be known"
        assert told[-1] < language.entropy(text.validation[1:]) - 0.5, "a coin decides"
    assert not set(PLACES) & set(without.logged) and without.losses == run.losses
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), without.model.parameters(), strict=True))
    with pytest.raises(IbmonError, match="lens-words 0 or more"):
        alone(train, **small, lens_words=-1)


SGD = {"size": "medium", "hidden": 16, "dropout": 0.0}


@pytest.fixture
def wide_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "medium", replace(SIZES["medium"], scale=0.5))  # 0.05 is for hundreds of units


@pytest.mark.usefixtures("wide_weights")
def test_plain_sgd_learns_and_is_tested_at_its_best(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    run = alone(train, **{**small, **SGD, "epochs": 6})
    assert isinstance(run.watched["optimizer"], torch.optim.SGD) and run.model.output.weight is not run.model.embedding.weight
    assert run.logged["validation"][-1]["perplexity"] < run.logged["unigrams on validation"][0]["perplexity"] * 0.8
    text = language.text(small["data"])
    best = min(said["perplexity"] for said in run.logged["validation"])
    assert language.said(run.model, text.validation, 4, 7).perplexity == pytest.approx(best, rel=1e-5)


@pytest.mark.usefixtures("wide_weights")
@pytest.mark.parametrize(("model", "lr", "epochs", "decays"), [("lstm", 4.0, 3, 15), ("lstm", 4.0, 20, 0), ("sru", 1.0, 4, 15)])
def test_the_last_snapshot_and_all_newest_numbers_are_of_the_best_weights(
    model: str,
    lr: float,
    epochs: int,
    decays: int,
    small: dict[str, Any],
    measured: Callable[..., RunDirectory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(annealing, "MOST_DECAYS", decays)
    watched: list[Any] = []

    def watching(monitor: Any) -> None:
        watch = monitor.watch
        monitor.watch = lambda network, **how: (watched.append(network), watch(network, **how))
        train(monitor, **{**small, **SGD, "epochs": epochs}, model=model, lr=lr)

    run = measured(watching, keep_snapshots=True)
    network, text = watched[0], language.text(small["data"])
    scalars = history_of(run).scalars
    tried = scalars["validation/perplexity"]
    epoch, last = scalars["best weights/epoch"].value[-1], tried.epoch[-1]
    assert epoch < last <= epochs and (last == epochs) == (decays > 0), "or this tests nothing"
    for place in network.places:
        told = scalars[f"{place}/{LENS}"]
        assert told.value[-1] == told.value[told.epoch == epoch][0]
    assert tried.value[-1] == tried.value.min() == tried.value[tried.epoch == epoch][0]
    assert language.said(network, text.validation, 4, 7).perplexity == pytest.approx(tried.value[-1], rel=1e-4)
    assert language.said(network, text.test, 4, 7).perplexity == pytest.approx(scalars["test/perplexity"].value[-1], rel=1e-4)
    inputs, _ = language.windows(text.validation, 6, 7)
    _, newest = kept(run, "validation").snapshots[-1]
    with torch.no_grad():
        states = network.eval().read(inputs).hidden[-1]
    assert torch.allclose(newest.layers[f"layer{network.layers}.h"].values, states, atol=1e-6)
    assert newest.epoch == last, "taken when the training ended"


@pytest.mark.parametrize("epochs", [1, 3, 5, 12, 20])
def test_there_is_a_snapshot_at_the_end_of_every_epoch(epochs: int) -> None:
    adam = schedule(replace(SIZES["small"], epochs=epochs), 50)
    ends = [50 * (k + 1) for k in range(epochs)]
    if adam.unit == "steps":
        assert set(ends) <= set(adam.points) and 12 <= len(adam.points) <= 15 and adam.points[-1] == ends[-1]
    else:
        assert adam.interval == 1 and epochs >= 12
    assert str(schedule(replace(SIZES["medium"], epochs=epochs), 50)) == "every:1epochs"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bottleneck", [False, True])
def test_all_matrices_decay_but_embedding_and_output(model: Any, bottleneck: bool) -> None:
    for tie in (False, True):
        network = built(model, Size(hidden=4, tie=tie), 12, bottleneck=bottleneck, seed=0)
        names = {id(p): name for name, p in network.named_parameters()}
        decaying, others = groups(network, 0.3)
        assert (decaying["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
        slow, rest = ({names[id(p)] for p in group["params"]} for group in (decaying, others))
        assert slow | rest == set(names.values()) and not slow & rest
        assert all(network.get_parameter(name).ndim == 2 and "embedding" not in name and "output" not in name for name in slow)
        assert {name for name in rest if network.get_parameter(name).ndim == 2} <= {"embedding.weight", "output.weight"}


def test_weight_decay_is_added_to_the_gradient(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    free, held = (
        alone(train, **{**small, **SGD, "epochs": 2}, weight_decay=decay).model.layer1.weight_hh_l0.norm()
        for decay in (0.0, 0.05)
    )
    assert held < free / 2


def test_the_seed_decides_weights_and_dropout(small: dict[str, Any], alone: Callable[..., Any]) -> None:
    options = {**small, "epochs": 1, "dropout": 0.5}
    first, again, other = (alone(train, **options, seed=seed) for seed in (0, 0, 1))
    assert first.losses == again.losses and first.logged == again.logged
    assert first.losses[0] != other.losses[0]


def test_a_run_shows_what_is_said_and_states_at_every_word(small: dict[str, Any], measured: Callable[..., RunDirectory]) -> None:
    run = measured(lambda m: train(m, **small, penalty="anp"), keep_snapshots=True)
    history = history_of(run)
    assert not history.failures
    (chart,) = (f for f in training_curves(history) if f.name == "perplexity" and isinstance(f, Curves))
    assert {line.label for line in chart.lines} == {"train", "validation", "test", "unigrams on validation"}
    found = {(s.quantity, s.estimator) for s in history.select("I(X;H_t)")} | {
        (s.quantity, s.estimator) for s in history.select("I(H_t;Y)")
    }
    assert found == {(q, e) for q in ("I(X;H_t)", "I(H_t;Y)") for e in ("kde:variance=0.1", "kde:relative=true,variance=0.1")}
    snapshots = kept(run, "validation").snapshots
    assert len(snapshots) > 10
    text = language.text(small["data"])
    inputs, targets = language.windows(text.validation, 6, 7)
    _, newest = snapshots[-1]
    assert set(newest.layers) == set(PLACES) and newest.outputs is None
    assert all(a.axes == ("sample", "time", "unit") and a.values.shape == (6, 7, 8) for a in newest.layers.values())
    assert torch.equal(newest.targets["next"], targets) and newest.inputs is not None
    assert torch.equal(newest.inputs.values, inputs) and tuple(newest.vocabulary or ()) == text.vocabulary
    assert newest.gradients
    plane = next(f for f in figures(history) if f.name == "generalisation-perplexity-gap-validation")
    assert isinstance(plane, Plane) and "layer2.h" in plane.title
    assert [t.label for t in plane.trajectories] == ["kde:variance=0.1", "kde:relative=true,variance=0.1"]
    gap = history.scalars["validation/perplexity gap"]
    for t in plane.trajectories:
        assert len(t.x) == 2 and np.isfinite(t.x).all() and t.y.tolist() == gap.value.tolist() and t.epoch.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 0}, "are 1 or more"),
        ({"batch": 0}, "are 1 or more"),
        ({"bptt": 0}, "are 1 or more"),
        ({"eval_samples": 0}, "are 1 or more"),
        ({"epochs": -1}, "are 0 or more"),
        ({"train_words": -1}, "are 0 or more"),
        ({"vocabulary": -1}, "vocabulary and lens-words 0 or more"),
        ({"lr": 0.0}, "lr is a number above 0"),
        ({"lr": float("inf")}, "lr is a number above 0"),
        ({"weight_decay": -1e-3}, "weight-decay are numbers from 0 on"),
        ({"layers": 3}, "lstm has two"),
        ({"model": "sru", "layers": 0}, "are 1 or more"),
        ({"noise": "unigram", "noise_rate": 1.5}, "noise-rate is a probability, not 1.5"),
        ({"place": "layer3.h"}, "place is one of layer1.c, layer1.h, layer2.c, layer2.h, not layer3.h"),
        ({"penalty": "bayes"}, "those of lstm are not: say --model bayes-lstm"),
        ({"penalty": "anp", "model": "bayes-lstm"}, "random already"),
        ({"penalty": "vib", "model": "bayes-lstm"}, "random already"),
        ({"penalty": "vib", "norm": "l1"}, "norm and eta-convention are of anp"),
        ({"penalty": "gp-kl", "eta_convention": "one_over_k"}, "norm and eta-convention are of anp"),
        ({"penalty": "confidence", "place": "layer1.h"}, "place is of anp and gp-kl"),
        ({"penalty": "gp-kl", "gp_noise": 0.0}, "gp-noise is a variance above 0"),
        ({"dropout": 1.0}, "below 1"),
        ({"eta": -1.0}, "from 0 on"),
        ({"eta": float("nan")}, "from 0 on"),
        ({"batch": 1000}, "864 words are too few for 1000 streams of 7"),
        ({"train_words": 20}, "20 words are too few for 4 streams of 7"),
        ({"eval_samples": 16}, "hold 15 samples of 7"),
        ({"data": "none.txt"}, "There is no file none.txt"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(
    options: dict[str, Any], said: str, small: dict[str, Any], alone: Callable[..., Any]
) -> None:
    with pytest.raises(IbmonError, match=said):
        alone(train, **{**small, **options})


def test_a_text_whose_last_line_is_empty_has_no_next_word(tmp_path: Path, alone: Callable[..., Any]) -> None:
    path = tmp_path / "t.txt"
    path.write_text("a b c\n" * 9 + "\n")
    with pytest.raises(IbmonError, match="a part of a single word"):
        alone(train, **SMALL, data=str(path))


@pytest.mark.long
def test_a_file_of_ones_own_is_found_from_where_one_is(text: Path) -> None:
    options = ("--epochs", "1", "--hidden", "6", "--eval-samples", "4", "--bptt", "7", "--model", "vd-lstm", "--no-tie")
    done = ibmon("run", "lm", "--data", text.name, "--penalty", "anp", "--place", "layer1.c", *options, cwd=text.parent)
    assert done.returncode == 0, done.stderr
    assert "data=chain.txt, model=vd-lstm" in ibmon("show", cwd=text.parent).stdout


@pytest.mark.long
def test_a_part_of_the_penn_treebank_is_said_far_better_than_by_unigrams(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, alone: Callable[..., Any]
) -> None:
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    run = alone(train, epochs=1, train_words=250_000, vocabulary=2000, lr=5e-3, eval_samples=50)
    unigrams, last = run.logged["unigrams on validation"][0]["perplexity"], run.logged["validation"][-1]
    assert len(run.losses) == 249_999 // 700 and run.logged["validation"] == [last]
    assert last["perplexity"] < 0.7 * unigrams
    assert last["H(Y) − cross-entropy [bits]"] > 0.4
    assert run.model.embedding.weight.shape == (2000, 128)
