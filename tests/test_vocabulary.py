"""The words of an evaluation set, from the training script to the analysis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from ibmon import EvaluationSet, Monitor
from ibmon.analysis.kept import kept
from ibmon.capture.evaluate import limited
from ibmon.records import IbmonError
from ibmon.runs.directory import RunDirectory
from ibmon.spool import StaticData, read_static, write_static
from ibmon.vocabulary import LONGEST_WORD, MOST_WORDS, decoded, encoded

Measured = Callable[..., RunDirectory]
WORDS = ("<pad>", "good", "naïve", 'a "b"\n', "", "电影")


@given(words=st.lists(st.text(max_size=LONGEST_WORD), max_size=20))
@settings(max_examples=50)
def test_words_survive_as_they_are(words: list[str]) -> None:
    assert decoded(encoded(words)) == tuple(words)


def test_what_is_too_much_or_no_text_is_cut_and_not_refused() -> None:
    cut = decoded(encoded(["a" * 100, "\ud800b", 7]))  # type: ignore[list-item]
    assert cut == ("a" * LONGEST_WORD, "?b", "7")
    assert len(decoded(encoded(range(MOST_WORDS + 3)))) == MOST_WORDS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "damaged",
    [
        torch.tensor([1.0, 2.0]),
        torch.zeros(2, 2, dtype=torch.uint8),
        torch.frombuffer(bytearray(b'["a", 1]'), dtype=torch.uint8),
        torch.frombuffer(bytearray(b'["a"'), dtype=torch.uint8),
        torch.frombuffer(bytearray(b'["\xff"]'), dtype=torch.uint8),
        torch.frombuffer(bytearray(b"[" * 5000), dtype=torch.uint8),
        torch.frombuffer(bytearray(b'["' + b"a" * 65 + b'"]'), dtype=torch.uint8),
        torch.frombuffer(bytearray(b"[" + b'"",' * MOST_WORDS + b'""]'), dtype=torch.uint8),
    ],
    ids=["floats", "matrix", "numbers", "half", "no text", "deep", "long word", "many words"],
)
def test_a_damaged_vocabulary_is_one_sentence(tmp_path: Path, damaged: torch.Tensor) -> None:
    save_file({"vocabulary": damaged}, tmp_path / "test.safetensors")
    with pytest.raises(IbmonError, match=r"test\.safetensors cannot be read: its vocabulary is no"):
        read_static(tmp_path, "test")


def test_without_one_nothing_is_written_and_old_runs_are_read(tmp_path: Path) -> None:
    write_static(tmp_path, "old", StaticData(torch.tensor([0, 1])))
    assert list(load_file(tmp_path / "old.safetensors")) == ["identity"]
    assert read_static(tmp_path, "old").vocabulary is None


def test_fewer_samples_keep_the_words() -> None:
    data = EvaluationSet(torch.zeros(9, 2, dtype=torch.long), vocabulary=WORDS)
    assert limited(data, 4).vocabulary == WORDS


def test_the_words_of_a_run_reach_its_snapshots(measured: Measured) -> None:
    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.Embedding(6, 3), nn.LSTM(3, 2, batch_first=True))
        tokens = torch.arange(20).reshape(5, 4) % 6
        sets = {"told": EvaluationSet(tokens, vocabulary=WORDS), "untold": EvaluationSet(tokens)}
        monitor.watch(model, evaluation=sets, layers=["1"], estimators=("binning:width=0.5",))

    run = measured(train, keep_snapshots=True)
    ((_, told), *_), ((_, untold), *_) = (kept(run, name).snapshots for name in ("told", "untold"))
    assert told.vocabulary == WORDS and untold.vocabulary is None
    assert told.inputs is not None and torch.equal(told.inputs.values, torch.arange(20).reshape(5, 4) % 6)


def test_the_names_of_labels_reach_the_snapshots_by_task(measured: Measured) -> None:
    classes = {"pos": ("NOUN", "naïve [@click=x]", ""), "a.b": ["O"]}

    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.Embedding(6, 3), nn.Linear(3, 3))
        tokens = torch.arange(20).reshape(5, 4) % 6
        sets = {"told": EvaluationSet(tokens, {"pos": tokens % 3}, classes=classes), "untold": EvaluationSet(tokens)}
        monitor.watch(model, evaluation=sets, layers=["1"], estimators=("binning:width=0.5",))

    run = measured(train, keep_snapshots=True)
    ((_, told), *_), ((_, untold), *_) = (kept(run, name).snapshots for name in ("told", "untold"))
    assert told.classes == {task: tuple(names) for task, names in classes.items()} and untold.classes == {}


def test_damaged_names_of_labels_are_one_sentence(tmp_path: Path) -> None:
    save_file({"classes.pos": torch.zeros(3)}, tmp_path / "test.safetensors")
    with pytest.raises(IbmonError, match=r"test\.safetensors cannot be read: its list of classes is no bytes"):
        read_static(tmp_path, "test")


@pytest.mark.parametrize("classes", [("NOUN", "VERB"), {"pos": "NOUN"}, {"pos": 3}])
def test_names_that_are_not_by_task_are_refused_before_the_training(classes: object) -> None:
    with pytest.raises(ValueError, match="classes are names of labels by task"):
        EvaluationSet(torch.zeros(2, 2), classes=classes)  # type: ignore[arg-type]
