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

from ibmon import Curves, IbmonError
from ibmon.analysis.kept import kept
from ibmon.figures.build import training_curves
from ibmon.runs.directory import RunDirectory
from ibmon_recipes import language
from ibmon_recipes.lm import SIZES, Annealing, built, train
from ibmon_recipes.lstms import PLACES, LanguageModel, Variational, cells, detached, masked
from support import history_of, ibmon

SMALL: dict[str, Any] = {"epochs": 2, "hidden": 8, "batch": 4, "bptt": 7, "eval_samples": 6}
WORDS = [f"w{k}" for k in range(12)]


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


def model_of(*, variational: Variational | None = None, dropout: float = 0.0, tie: bool = False, seed: int = 0) -> LanguageModel:
    torch.manual_seed(seed)
    return LanguageModel(12, 5, dropout=dropout, tie=tie, scale=0.5, variational=variational)


def some(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(12, shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 40))
def test_streams_hold_the_text_in_order_and_the_word_after_each(count: int, length: int, more: int) -> None:
    words = torch.arange(count * length + 1 + more)
    x, y = language.streams(words, count, length)
    assert x.shape == y.shape and x.shape[0] == count and x.shape[1] % length == 0
    assert torch.equal(x.flatten(), torch.arange(x.numel())) and torch.equal(y, x + 1)
    assert len(words) - 1 - x.numel() < count * length
    with pytest.raises(IbmonError, match="too few for"):
        language.streams(words[: count * length], count, length)


@settings(max_examples=30, deadline=None)
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
    assert all(kept is not None and set(kept.flatten().tolist()) == {0.0, 2.0} for kept in read.kept)
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


def plain_loop(options: dict[str, Any], *, variational: bool = False) -> list[Tensor]:
    """The weights after a training as anybody would write it."""
    text = language.text(options["data"])
    size = SIZES["small"]
    sizes = {name: options[name] for name in ("hidden", "dropout") if name in options}
    model = built(replace(size, **sizes), len(text.vocabulary), variational=variational, seed=0)
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


@pytest.mark.parametrize("model", ["lstm", "vd-lstm"])
def test_without_a_penalty_it_is_the_plain_loop_bit_for_bit(
    model: str, small: dict[str, Any], alone: Callable[..., Any], measured: Callable[..., RunDirectory]
) -> None:
    options = {**small, "epochs": 1, "dropout": 0.3}
    plain = plain_loop(options, variational=model == "vd-lstm")
    for more in ({}, {"penalty": "anp", "eta": 0.0}):
        run = alone(train, **options, model=model, **more)
        assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), plain, strict=True))
    penalised = alone(train, **options, model=model, penalty="anp", eta=0.01)
    assert not any(torch.equal(a, b) for a, b in zip(penalised.model.parameters(), plain, strict=True))
    watched: list[Any] = []

    def under_a_monitor(monitor: Any) -> None:
        watch = monitor.watch
        monitor.watch = lambda network, **how: (watched.append(network), watch(network, **how))
        train(monitor, **options, model=model)

    measured(under_a_monitor, schedule="every:20steps")
    assert all(torch.equal(a, b) for a, b in zip(watched[0].parameters(), plain, strict=True))


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
    annealing = Annealing(model, descent)
    first = model.weight.detach().clone()
    assert annealing.goes_on(9.0)
    for worse in (9.5, float("nan")):
        nn.init.constant_(model.weight, 7.0)
        assert annealing.goes_on(worse) and torch.equal(model.weight, first)
    assert descent.param_groups[0]["lr"] == pytest.approx(0.49)
    nn.init.constant_(model.weight, 3.0)
    assert annealing.goes_on(8.0) and model.weight.detach() == 3
    assert [annealing.goes_on(8.5) for _ in range(14)] == [True] * 13 + [False]


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


def test_plain_sgd_learns_and_is_tested_at_its_best(
    small: dict[str, Any], alone: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SIZES, "medium", replace(SIZES["medium"], scale=0.5))  # 0.05 is for hundreds of units
    run = alone(train, **{**small, "epochs": 6, "size": "medium", "hidden": 16, "dropout": 0.0})
    assert isinstance(run.watched["optimizer"], torch.optim.SGD) and run.model.output.weight is not run.model.embedding.weight
    assert run.logged["validation"][-1]["perplexity"] < run.logged["unigrams on validation"][0]["perplexity"] * 0.8
    text = language.text(small["data"])
    best = min(said["perplexity"] for said in run.logged["validation"])
    assert language.said(run.model, text.validation, 4, 7).perplexity == pytest.approx(best, rel=1e-5)


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 0}, "are 1 or more"),
        ({"batch": 0}, "are 1 or more"),
        ({"bptt": 0}, "are 1 or more"),
        ({"eval_samples": 0}, "are 1 or more"),
        ({"epochs": -1}, "are 0 or more"),
        ({"train_words": -1}, "are 0 or more"),
        ({"vocabulary": -1}, "are 0 or more"),
        ({"lr": 0.0}, "lr above 0"),
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
