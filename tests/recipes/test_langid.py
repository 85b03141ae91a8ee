from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ibmon import IbmonError
from ibmon.capture import evaluate
from ibmon.capture.layers import choose
from ibmon.data import Sentence, Tagged
from ibmon_recipes import langid, taggers
from ibmon_recipes.sentences import in_parts

LANGUAGES = {"en": "wkh", "es": "ñqu", "other": "@:!"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Tagged:
    """Tweets whose words are spelled with the letters of their language, in place of the real ones."""
    random = np.random.default_rng(0)
    tweets: list[Sentence] = []
    for _ in range(150):
        tags = tuple(random.choice(list(LANGUAGES), random.integers(1, 6)).tolist())
        words = tuple("".join(random.choice(list(LANGUAGES[tag]), random.integers(1, 4))) for tag in tags)
        tweets.append(Sentence(words, {"language": tags}))
    parts = in_parts(tweets)
    monkeypatch.setattr(langid, "corpora", lambda: parts)
    return parts


def test_real_tweets_are_tested_on_the_published_part(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    parts = langid.corpora()
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [6568, 832, 832]
    assert parts == langid.corpora()


@pytest.mark.parametrize(("model", "hidden"), [("full", 512), ("fixed", 512), ("small", 2)])
def test_sizes_are_those_of_the_paper(model: str, hidden: int, small: Tagged, alone: Callable[..., Any]) -> None:
    net = alone(langid.train, model=model, epochs=0).model
    assert net.embedding.characters.embedding_dim == 2 * net.embedding.lstm.hidden_size == 256
    assert 2 * net.hidden.lstm.hidden_size == hidden
    assert (net.head("language").mlp[0].in_features, net.head("language").mlp[0].out_features) == (hidden, 256)
    assert list(net.gates) == (["language"] if model == "fixed" else [])


def test_fixed_reads_a_unit_of_each_direction(small: Tagged, alone: Callable[..., Any]) -> None:
    units = taggers.pair(8)
    assert units[:4].tolist() == [1, 0, 0, 0] and units[4:].tolist() == [0, 0, 0, 1]
    run = alone(langid.train, model="fixed", n=4, epochs=1)
    (data,) = run.watched["evaluation"].values()
    layers, outputs = evaluate.forward(run.model, choose(run.model, run.watched["layers"]), data)
    assert set(layers) == {"hidden", "gate.language", "language.output"} and set(data.classes["language"]) == set(LANGUAGES)
    assert torch.equal(layers["gate.language"].values, units.expand(*data.mask.shape, 8))

    def others_removed(module: Any, inputs: Any, states: torch.Tensor) -> torch.Tensor:
        return states * units

    handle = run.model.hidden.register_forward_hook(others_removed)
    again = evaluate.forward(run.model, [], data)[1]
    handle.remove()
    assert outputs is not None and again is not None and torch.equal(outputs.values, again.values)


@pytest.mark.parametrize("model", ["full", "fixed", "small"])
def test_languages_are_learnt(model: str, small: Tagged, alone: Callable[..., Any]) -> None:
    run = alone(langid.train, model=model, n=16, epochs=8, patience=0, batch=8, lr=0.01)
    assert run.logged["language test"][-1]["accuracy"] > 0.95 and set(run.logged["language test"][-1]) == {"loss", "accuracy"}
    assert len(run.logged["language validation"]) == 8


def test_sentences_of_ones_own_name_their_language(tmp_path: Path, alone: Callable[..., Any]) -> None:
    (tmp_path / "a.tsv").write_text("\n\n".join(["hello\ten\nñu\tes"] * 20))
    run = alone(langid.train, data=str(tmp_path / "a.tsv"), n=4, epochs=1)
    assert run.logged["sentences"] == [{"train": 16, "validation": 2, "test": 2}]
    with pytest.raises(IbmonError, match="without the task 'language'"):
        alone(langid.train, data=str(tmp_path / "a.tsv"), columns="word,lang", n=4)


@pytest.mark.long
def test_languages_of_real_tweets(data_folder: Path, monkeypatch: pytest.MonkeyPatch, alone: Callable[..., Any]) -> None:
    monkeypatch.setenv("IBMON_DATA", str(data_folder))
    assert alone(langid.train, n=32, epochs=4, lr=4e-3).logged["language test"][0]["accuracy"] > 0.92
