from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ibmon.data
from ibmon import IbmonError
from ibmon.capture import evaluate
from ibmon.capture.layers import choose
from ibmon.data import Texts
from ibmon.runs.directory import RunDirectory
from ibmon_recipes import reviews, sentiment
from ibmon_recipes.embeddings import skip_gram
from ibmon_recipes.sentiment import train
from support import history_of

SMALL: dict[str, Any] = {"imdb_words": 12, "hidden": 8, "units": 6, "embedding": 8, "batch": 16, "eval_samples": 40}


def written(classes: tuple[str, ...], count: int, seed: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Texts of 3 to 15 words, in whose second half a word tells the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(classes), count)
    texts: list[str] = []
    for label in labels:
        words = [f"filler{k}x".replace("1", "one").replace("0", "zero") for k in random.integers(0, 2, random.integers(3, 15))]
        words.insert(len(words) - int(random.integers(0, len(words) // 2 + 1)), f"really{'abcde'[label]}")
        texts.append(" ".join(words))
    return tuple(texts), labels.astype(np.uint8)


@pytest.fixture
def corpora(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Small texts in place of the real ones; the vectors go into a cache of their own."""

    def texts(classes: tuple[str, ...], seed: int) -> Texts:
        return Texts(*written(classes, 300, seed), *written(classes, 200, seed + 1), classes)

    monkeypatch.setattr(ibmon.data, "imdb", lambda: texts(("negative", "positive"), 0), raising=False)
    monkeypatch.setattr(ibmon.data, "sst", lambda: texts(("--", "-", "0", "+", "++"), 2), raising=False)
    monkeypatch.setenv("IBMON_CACHE", str(tmp_path / "cache"))
    reviews.texts.cache_clear()
    yield
    reviews.texts.cache_clear()


def test_texts_are_padded_in_front_and_lose_their_earliest_words(corpora: None) -> None:
    found = reviews.corpora({"imdb": 5, "rt": 0})
    vocabulary = np.array(found.vocabulary)
    assert list(vocabulary[:2]) == ["<pad>", "<unk>"]
    for task in found.tasks:
        data, texts = found.tasks[task].train, reviews.texts(task).train
        assert data.tokens.shape[1] == (5 if task == "imdb" else max(map(len, [*texts, *reviews.texts(task).test])))
        for row, mask, text in zip(data.tokens.numpy(), data.mask.numpy(), texts, strict=True):
            assert vocabulary[row[mask]].tolist() == list(text)[-5 if task == "imdb" else 0 :]
            assert not (np.diff(mask.astype(int)) < 0).any()


def test_rare_words_are_unknown(monkeypatch: pytest.MonkeyPatch, corpora: None) -> None:
    texts = Texts(("often often often often seldom",) * 2, np.zeros(2, np.uint8), ("never",), np.zeros(1, np.uint8), ("a", "b"))
    monkeypatch.setattr(ibmon.data, "imdb", lambda: texts, raising=False)
    found = reviews.corpora({"imdb": 4})
    assert "seldom" not in found.vocabulary and "often" in found.vocabulary
    often = found.vocabulary.index("often")
    assert found.tasks["imdb"].train.tokens[0].tolist() == [often, often, often, reviews.UNKNOWN]
    assert found.tasks["imdb"].test.tokens[0].tolist() == [reviews.PADDING] * 3 + [reviews.UNKNOWN]


def test_skip_gram_vectors_are_kept_and_the_same_again(corpora: None, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [["a", "b", "a", "c"], ["c", "b"]] * 20
    first = skip_gram(texts, ("<pad>", "a", "b", "c"), 4, seed=3)
    assert first.shape == (4, 4) and not first[0].any() and first[1:].any(dim=1).all()
    (kept,) = (ibmon.data.cache_folder() / "embeddings").iterdir()
    kept.unlink()
    assert torch.equal(skip_gram(texts, ("<pad>", "a", "b", "c"), 4, seed=3), first)
    monkeypatch.setitem(__import__("sys").modules, "gensim.models", None)
    assert torch.equal(skip_gram(texts, ("<pad>", "a", "b", "c"), 4, seed=3), first)
    with pytest.raises(IbmonError, match=r"pip install 'ibmon\[text\]'"):
        skip_gram(texts, ("<pad>", "a", "b", "c"), 4, seed=4)


def test_a_minibatch_updates_its_own_head_and_what_is_shared(corpora: None) -> None:
    found = reviews.corpora({"imdb": 12, "rt": 10})
    model = sentiment.network(found, sentiment.Sizes(hidden=8, units=6, embedding=8), freeze=False, seed=0)
    data = found.tasks["rt"].train
    torch.nn.functional.cross_entropy(model.logits(data.tokens, "rt"), data.labels).backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None}
    assert all(name.startswith(("embedding.shared", "embedding.own.rt", "lstm", "rt")) for name in moved)
    assert {name for name, _ in model.named_parameters()} - moved == {
        name for name, _ in model.named_parameters() if name.startswith(("imdb", "embedding.own.imdb"))
    }


def test_the_class_is_read_from_the_last_timepoint_of_what_is_watched(corpora: None, alone: Callable[..., Any]) -> None:
    run = alone(train, epochs=1, **SMALL)
    sets = run.watched["evaluation"]
    assert list(sets) == ["imdb", "rt"]
    for task, data in sets.items():
        layers, outputs = evaluate.forward(run.model.eval(), choose(run.model, run.watched["layers"]), data)
        assert list(layers) == ["lstm", f"{task}.hidden", f"{task}.output"], "the other task's head does not run"
        assert outputs is not None and torch.equal(outputs.values, layers[f"{task}.output"].values)
        logits = run.model.logits(data.inputs, task)
        assert torch.allclose(outputs.values[:, -1], logits.softmax(1), atol=1e-6)
        expected = torch.nn.functional.cross_entropy(logits, data.targets["sentiment"])
        assert torch.allclose(data.loss(outputs.values, data.targets), expected, atol=1e-5)


def test_seeds_share_texts_and_vectors_and_differ_in_weights(corpora: None, alone: Callable[..., Any]) -> None:
    runs = [alone(train, tasks="rt", epochs=1, seed=seed, **SMALL) for seed in (0, 0, 1)]
    first, again, other = (dict(run.model.named_parameters()) for run in runs)
    assert all(torch.equal(p, again[name]) for name, p in first.items())
    assert not torch.equal(first["lstm.weight_hh_l0"], other["lstm.weight_hh_l0"])
    inputs = [run.watched["evaluation"]["rt"].inputs for run in runs]
    assert torch.equal(inputs[0], inputs[2])


def test_options_beside_paper_win(corpora: None, alone: Callable[..., Any]) -> None:
    run = alone(train, tasks="rt", paper=True, **{**SMALL, "epochs": 1})
    assert run.model.lstm.hidden_size == 8 and run.model.dropout.p == 0
    assert run.watched["optimizer"].param_groups[0]["lr"] == 1e-4


def test_a_run_learns_both_tasks_and_tells_when_the_word_was_read(corpora: None, measured: Callable[..., RunDirectory]) -> None:
    run = measured(
        lambda m: train(m, epochs=8, lr=0.02, **{**SMALL, "eval_samples": 200}),
        estimators=["kde:relative=true,variance=0.1"],
        schedule="every:10000steps",
    )
    history = history_of(run)
    assert not history.failures and not history.disabled
    for task, chance in (("imdb", 0.5), ("rt", 0.2)):
        assert history.scalars[f"{task} test/accuracy"].value[-1] > chance + 0.3
        (known,) = history.select("I(H_t;Y)", layer="lstm", evaluation=task)
        less = known.value - known.details["null"]
        assert less[-1, -1] > less[0, -1] + 0.3, "the trained state after the last word tells the class"
        assert history.select("saliency", evaluation=task)


@pytest.mark.parametrize(
    "options", [{"batch": 0}, {"imdb_words": 0}, {"eval_samples": 0}, {"dropout": 1.0}, {"rt_words": -1}, {"hidden": 0}]
)
def test_nothing_to_train_is_one_sentence(options: dict[str, Any], alone: Callable[..., Any]) -> None:
    with pytest.raises(IbmonError, match="or more"):
        alone(train, epochs=1, **options)


@pytest.mark.long
def test_real_sentences_are_told_apart_better_than_by_guessing(alone: Callable[..., Any]) -> None:
    logged = alone(train, tasks="rt", rt_words=0, epochs=4).logged["rt test"]
    assert logged[-1]["accuracy"] > 0.36, "always the largest class: 0.286"
