from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ibmon.data
from ibmon import IbmonError, Monitor
from ibmon.capture import evaluate
from ibmon.capture.layers import choose
from ibmon.data import Sentence, Tagged
from ibmon.runs.directory import RunDirectory
from ibmon_recipes import tagger_training, taggers, tagging
from ibmon_recipes.sentences import Corpus, Sentences, corpus, in_parts
from ibmon_recipes.tagger_training import Training, evaluation_set, fit, network
from ibmon_recipes.tagger_training import measured as accuracies
from ibmon_recipes.taggers import Sizes, Tagger
from support import history_of

MODELS = ("baseline", "fixed", "gated", "shared")
NAMES = {"PER": ("Ann", "Bob"), "LOC": ("Rome", "Oslo")}


def planted(count: int, seed: int) -> tuple[Sentence, ...]:
    """Sentences whose words end as their part of speech is called; a name of two words is an entity, and X begins none."""
    random = np.random.default_rng(seed)
    found: list[Sentence] = []
    for _ in range(count):
        words, pos, ner = [], [], []
        for _ in range(random.integers(1, 6)):
            if random.random() < 0.4:
                kind = str(random.choice(list(NAMES)))
                words += [str(random.choice(NAMES[kind])), "Xname"]
                pos += ["NAME"] * 2
                ner += [f"B-{kind}", f"I-{kind}"]
            else:
                ending = str(random.choice(["verb", "noun"]))
                words.append("".join(random.choice(list("abc"), 2)) + ending)
                pos.append(ending.upper())
                ner.append("O")
        found.append(Sentence(tuple(words), {"pos": tuple(pos), "ner": tuple(ner)}))
    return tuple(found)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Tagged:
    """Small planted sentences in place of the real ones."""
    parts = in_parts(planted(200, 0))
    monkeypatch.setattr(tagging, "corpora", lambda split: parts)
    return parts


def tagger(model: str, n: int = 8, seed: int = 0) -> tuple[Corpus, Tagger]:
    tasks = ("pos",) if model == "baseline" else tagging.TASKS
    sizes = Sizes(n, n, 2 * n if model == "fixed" else n, 2 * n)
    made = corpus(in_parts(planted(60, 1)), tasks)
    return made, network(made, sizes, tasks, lambda: tagging.gates(model, sizes), seed)


def test_real_sentences_are_taken_apart_eight_to_one(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    parts = tagging.corpora("divided")
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [3258, 407, 407]
    assert set(parts.train[0].tags) == {"pos", "ner"}


def test_published_parts_are_used_where_there_is_one_to_train_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = Tagged(planted(30, 0), planted(5, 1), planted(5, 2))
    offered = published

    def uner_ewt(*, train: bool = True) -> Tagged:
        return offered if train else Tagged((), published.validation, published.test)

    monkeypatch.setattr(ibmon.data, "uner_ewt", uner_ewt, raising=False)
    assert tagging.corpora() == tagging.corpora("published") == published
    divided = tagging.corpora("divided")
    assert [len(part) for part in (divided.train, divided.validation, divided.test)] == [8, 1, 1]
    assert capsys.readouterr() == ("", "")
    offered = Tagged((), published.validation, published.test)
    assert tagging.corpora() == divided
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "neither here nor to be had" in said and "divided 8:1:1" in said
    with pytest.raises(IbmonError, match=r"training part is not here.*ibmon data get uner-ewt-train"):
        tagging.corpora("published")


# -- the networks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", [32, 64])
def test_sizes_are_those_of_the_paper(model: str, n: int) -> None:
    _, net = tagger(model, n)
    hidden = 2 * n if model == "fixed" else n
    assert net.embedding.characters.embedding_dim == n
    assert net.embedding.lstm.bidirectional and 2 * net.embedding.lstm.hidden_size == n
    assert net.hidden.lstm.bidirectional and 2 * net.hidden.lstm.hidden_size == hidden and net.hidden.lstm.input_size == n
    for task in net.tasks:
        assert (net.head(task).mlp[0].in_features, net.head(task).mlp[0].out_features) == (hidden, 2 * n)
    assert net.tasks == (("pos",) if model == "baseline" else ("pos", "ner"))
    assert set(net.gates) == (set(net.tasks) if model in ("gated", "fixed") else set())


@pytest.mark.parametrize("model", MODELS)
def test_padding_never_changes_a_prediction(model: str) -> None:
    made, net = tagger(model)
    part = made.train
    together = net(made.spelling[part.words], part.lengths)
    for row, length in enumerate(part.lengths[:20].tolist()):
        alone = net(made.spelling[part.words[row : row + 1, :length]], part.lengths[row : row + 1])
        for task in net.tasks:
            assert torch.allclose(together[task][row, :length], alone[task][0], atol=1e-6)
            assert not together[task][row, length:].any()
            assert torch.allclose(alone[task].sum(-1), torch.ones(1))


def test_a_word_is_the_last_states_of_both_directions() -> None:
    made, net = tagger("gated")
    word = made.spelling[made.train.words[0, 0]]
    length = int((word != 0).sum())
    states, _ = net.embedding.lstm(net.embedding.characters(word[None, :length]))
    half = states.shape[-1] // 2
    expected = torch.cat([states[0, -1, :half], states[0, 0, half:]])
    assert torch.allclose(net.embedding(word[None, None])[0, 0], expected, atol=1e-6)


def test_a_learned_gate_reads_the_state_before_and_the_word() -> None:
    made, net = tagger("gated")
    part = made.train.only(torch.arange(5))
    data = evaluation_set(part, made, net.tasks)
    layers, _ = evaluate.forward(net, choose(net, ["hidden", "embedding"]), data)
    states, x = layers["hidden"].values, layers["embedding"].values
    for task in net.tasks:
        gate = net.get_submodule(f"gates.{task}")
        for i in range(int(part.lengths.min())):
            before = states[:, i - 1] if i else torch.zeros_like(states[:, 0])
            expected = torch.sigmoid(gate.state(before) + gate.word(x[:, i]))
            assert torch.allclose(layers[f"gate.{task}"].values[:, i], expected, atol=1e-6)
        read = states * layers[f"gate.{task}"].values
        expected = net.head(task)(read).softmax(-1)[part.mask]
        outputs = net(data.inputs["characters"], data.inputs["lengths"])
        assert torch.allclose(outputs[task][part.mask], expected, atol=1e-6)


@pytest.mark.parametrize("n", [2, 6, 32])
def test_fixed_gates_are_binary_and_exclude_each_other(n: int) -> None:
    one, other = taggers.exclusive(2 * n)
    assert torch.equal(one + other, torch.ones(2 * n)) and set(one.tolist()) == {0.0, 1.0}
    for units in (one, other):
        assert int(units[:n].sum()) == int(units[n:].sum()) == n // 2, "half of either direction"
    made, net = tagger("fixed", n)
    x = net.embedding(made.spelling[made.train.words])
    states = net.hidden(x, made.train.lengths).detach().requires_grad_()
    for task, units in zip(net.tasks, (one, other), strict=True):
        gate = net.get_submodule(f"gates.{task}")
        net.head(task)(states * gate(x, states)).square().sum().backward()
        assert torch.equal(states.grad.abs().sum((0, 1)) > 0, units > 0), "a task reads its units and no other"
        states.grad = None


def test_gating_changes_nothing_else_of_a_seed() -> None:
    gated, shared = (dict(tagger(model)[1].named_parameters()) for model in ("gated", "shared"))
    assert {name for name in gated if name not in shared} == {name for name in gated if name.startswith("gates.")}
    assert all(torch.equal(p, gated[name]) for name, p in shared.items())
    other = dict(tagger("shared", seed=1)[1].named_parameters())
    assert not torch.equal(shared["hidden.lstm.weight_hh_l0"], other["hidden.lstm.weight_hh_l0"])


# -- the training -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_a_planted_rule_is_learnt(model: str, small: Tagged, alone: Callable[..., Any]) -> None:
    run = alone(tagging.train, model=model, n=16, epochs=6, batch=8, lr=0.01)
    last = run.logged["pos test"][-1]
    assert len(run.logged["pos test"]) == 1 and last["accuracy"] > 0.95
    if model != "baseline":
        entities = run.logged["ner test"][-1]
        assert entities["accuracy"] > 0.9 and entities["f1"] > 0.8
        assert len(run.logged["ner validation"]) == 6
    else:
        assert "ner test" not in run.logged


def test_baseline_learns_the_task_that_is_asked_for(small: Tagged, alone: Callable[..., Any]) -> None:
    run = alone(tagging.train, model="baseline", task="ner", n=4, epochs=1)
    assert run.model.tasks == ("ner",) and "f1" in run.logged["ner test"][0] and "pos test" not in run.logged


def test_what_is_watched(small: Tagged, alone: Callable[..., Any]) -> None:
    for model in MODELS:
        run = alone(tagging.train, model=model, n=4, epochs=1, eval_samples=15)
        (data,) = run.watched["evaluation"].values()
        words, tasks = data.inputs["words"], run.model.tasks
        assert words.shape == data.mask.shape and len(words) == 15 and next(iter(data.inputs)) == "words"
        assert torch.equal(data.mask, words != 0)
        layers, _ = evaluate.forward(run.model, choose(run.model, run.watched["layers"]), data)
        gates = {f"gate.{task}" for task in tasks} if model in ("gated", "fixed") else set()
        assert set(layers) == {"hidden", *gates, *(f"{task}.output" for task in tasks)}
        for layer in layers.values():
            assert layer.axes == ("sample", "time", "unit") and layer.values.shape[:2] == words.shape
        outputs = evaluate.call(run.model, data, data.inputs)
        expected = torch.zeros(())
        for task in tasks:
            assert data.targets[task].shape == words.shape and not data.targets[task][~data.mask].any()
            assert len(data.classes[task]) == outputs[task].shape[-1]
            assert torch.allclose(outputs[task][data.mask], layers[f"{task}.output"].values[data.mask])
            of_words = outputs[task][data.mask].log()
            expected = expected + torch.nn.functional.nll_loss(of_words, data.targets[task][data.mask])
        assert torch.allclose(data.loss(outputs, data.targets), expected, atol=1e-5)
        said = [data.vocabulary[k] for k in words[0][data.mask[0]].tolist()]
        assert any(tuple(said) == s.words for s in small.test)


@pytest.fixture
def best_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the third epoch on no word of validation counts as right."""
    measured, calls = tagger_training.measured, 0

    def falling(model: Tagger, made: Corpus, data: Sentences) -> dict[str, dict[str, float]]:
        nonlocal calls
        calls += data is made.validation
        found = measured(model, made, data)
        return {k: {**v, "accuracy": 0.0} for k, v in found.items()} if data is made.validation and calls > 2 else found

    monkeypatch.setattr(tagger_training, "measured", falling)


@pytest.mark.usefixtures("best_early")
@pytest.mark.parametrize(("epochs", "patience"), [(12, 3), (5, 0)])
def test_the_network_of_the_best_epoch_is_restored_and_tested(epochs: int, patience: int, alone: Callable[..., Any]) -> None:
    made, net = tagger("gated")
    kept: list[dict[str, Any]] = []

    def train(monitor: Any) -> None:
        log = monitor.log

        def spy(name: str, **values: Any) -> None:
            if name == "validation":
                kept.append(copy.deepcopy(monitor.model.state_dict()))
            log(name, **values)

        monitor.log = spy
        fit(monitor, net, made, Training(epochs=epochs, batch=4, lr=0.1, patience=patience, eval_samples=0, seed=0))

    run = alone(train)
    found = [values["accuracy"] for values in run.logged["validation"]]
    best = found.index(max(found))
    assert run.logged["best"] == [{"epoch": best + 1.0}]
    assert best < 2 and len(found) == (min(epochs, best + 1 + patience) if patience else epochs)
    assert len(run.snapshots) == 1
    for weights in (net.state_dict(), run.snapshots[0]):
        assert all(torch.equal(value, kept[best][name]) for name, value in weights.items())
    tested = accuracies(net, made, made.test)
    for task in net.tasks:
        assert run.logged[f"{task} test"] == [pytest.approx(tested[task])]


def test_accuracies_are_those_of_words_counted_one_by_one() -> None:
    made, net = tagger("shared")
    found = accuracies(net, made, made.train)
    with torch.no_grad():
        probabilities = net(made.spelling[made.train.words], made.train.lengths)
    for task in net.tasks:
        right = losses = 0.0
        for p, labels, length in zip(probabilities[task], made.train.labels[task], made.train.lengths.tolist(), strict=True):
            for t in range(length):
                right += int(p[t].argmax() == labels[t])
                losses -= float(p[t, labels[t]].log())
        words = int(made.train.lengths.sum())
        assert found[task]["accuracy"] == pytest.approx(right / words)
        assert found[task]["loss"] == pytest.approx(losses / words, rel=1e-5)


def test_the_seed_decides_weights_and_order(small: Tagged, alone: Callable[..., Any]) -> None:
    first, again, other = (alone(tagging.train, n=4, epochs=1, seed=seed) for seed in (0, 0, 1))
    assert first.losses == again.losses and first.losses != other.losses


# -- files of one's own -------------------------------------------------------------------------------------------------------


def test_sentences_of_ones_own(tmp_path: Path, alone: Callable[..., Any]) -> None:
    parts = in_parts(planted(60, 2))
    paths = []
    for name, part in (("train", parts.train), ("dev", parts.validation), ("test", parts.test)):
        lines = ["\n".join(f"{w} x {p} {e}" for w, p, e in zip(s.words, *s.tags.values(), strict=True)) for s in part]
        (tmp_path / name).write_text("\n\n".join(lines))
        paths.append(str(tmp_path / name))
    run = alone(tagging.train, data=",".join(paths), columns="word,_,pos,ner", n=4, epochs=1)
    assert run.logged["sentences"] == [{"train": 48, "validation": 6, "test": 6}]
    one = alone(tagging.train, data=paths[0], columns="word,_,pos,ner", n=4, epochs=1, entities="LOC")
    assert one.logged["sentences"] == [{"train": 40, "validation": 4, "test": 4}]
    (data,) = one.watched["evaluation"].values()
    assert data.classes["ner"] == ("O", "B-LOC", "I-LOC")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 7}, "even number"),
        ({"n": 0}, "one unit or more"),
        ({"batch": 0}, "1 or more"),
        ({"epochs": -1}, "0 or more"),
        ({"eval_samples": -1}, "0 or more"),
        ({"entities": "PER,GPE"}, "no entity of the kind 'GPE'; there are LOC, PER"),
        ({"data": "a.conll", "split": "divided"}, "leave it out with --data"),
        ({"data": "a,b"}, "one file, or those of training, validation and test; not 2"),
        ({"data": "absent.conll"}, "There is no file absent.conll"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    options: dict[str, Any], said: str, small: Tagged, alone: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IbmonError, match=said):
        alone(tagging.train, **{"n": 4, "epochs": 1, **options})


def test_files_without_a_task_or_with_too_few_sentences_are_refused(tmp_path: Path, alone: Callable[..., Any]) -> None:
    path = tmp_path / "a"
    path.write_text("\n\n".join(["one X"] * 20))
    with pytest.raises(IbmonError, match="without the task 'ner'; name its column"):
        alone(tagging.train, data=str(path), columns="word,pos", n=4)
    path.write_text("one X\n")
    with pytest.raises(IbmonError, match="no sentence for validation"):
        alone(tagging.train, model="baseline", data=str(path), columns="word,pos", n=4)


# -- whole runs ---------------------------------------------------------------------------------------------------------------


def test_a_run_is_watched_at_every_word(small: Tagged, measured: Callable[..., RunDirectory]) -> None:
    run = measured(
        lambda m: tagging.train(m, n=4, epochs=2, eval_samples=20), estimators=["binning:width=0.07"], schedule="every:2epochs"
    )
    history = history_of(run)
    assert not history.failures and not history.disabled
    assert {"pos test/accuracy", "ner test/f1", "pos validation/loss", "best/epoch"} <= set(history.scalars)
    for layer in ("hidden", "gate.pos", "gate.ner", "pos.output"):
        assert history.select("mean activation", layer=layer) or history.select("I(X;H_t)", layer=layer)


@pytest.mark.usefixtures("best_early")
@pytest.mark.parametrize(("epochs", "patience"), [(4, 0), (8, 1)])
def test_the_last_snapshot_is_of_the_network_that_is_tested(
    epochs: int, patience: int, small: Tagged, measured: Callable[..., RunDirectory]
) -> None:
    def train(monitor: Monitor) -> None:
        tagging.train(monitor, model="shared", n=8, epochs=epochs, patience=patience, batch=8, eval_samples=0)

    history = history_of(measured(train, estimators=["binning"], schedule="every:1epochs"))
    best, validation = history.scalars["best/epoch"].value[-1], history.scalars["validation/accuracy"].value
    done = len(validation)
    assert best == validation.argmax() + 1 < done
    for task in tagging.TASKS:
        (series,) = history.select("accuracy", task=task)
        assert series.epoch.tolist() == list(range(done + 1)), "one snapshot an epoch"
        assert series.step.tolist() == [20 * epoch for epoch in range(done + 1)]
        assert series.value[-1] == pytest.approx(history.scalars[f"{task} test/accuracy"].value[-1])
        assert series.value[-1] == series.value[int(best)], "what it was in its own epoch"


@pytest.mark.long
def test_gates_of_real_sentences(data_folder: Path, monkeypatch: pytest.MonkeyPatch, alone: Callable[..., Any]) -> None:
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    logged = alone(tagging.train, split="divided").logged
    assert logged["pos test"][0]["accuracy"] >= 0.83
    assert logged["ner test"][0]["f1"] >= 0.3, "all O has none"
