"""A tagger without training, whose units are known to serve one task or the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import ibmon
from ibmon import Activation, EvaluationSet, Snapshot
from ibmon.analysis.values import logged
from ibmon.capture.evaluate import forward
from ibmon.capture.layers import choose
from ibmon.figures.build import build_figures
from ibmon.figures.figure import Figure
from ibmon.records import Result
from ibmon.runs.history import History, thin
from support import history_of, written

WORDS, HALF, TIME = 13, 6, 9
UNITS = 2 * HALF
POS, NER = 4, 3
VOCABULARY = ("<pad>", *(f"word{k}" for k in range(1, WORDS)))
CLASSES = {"pos": ("NOUN", "VERB", "[@click=x]", "a\nb"), "ner": ("O", "B-PER", "I-PER")}


class Passing(nn.Module):
    """A recurrent layer that puts out what it is given."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x, None


class Tagger(nn.Module):
    """Units 0 to 5 code the part of speech of a word and 6 to 11 its entity; each head reads its own half.

    The gate of a unit for one task is 1 less that for the other, another one for every word.
    """

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(3)
        word = torch.arange(WORDS)
        self.codes = [torch.randn(classes, HALF, generator=rng) for classes in (POS, NER)]
        own = [code[labels] for code, labels in zip(self.codes, (word % POS, word // POS % NER), strict=True)]
        self.words = nn.Embedding.from_pretrained(torch.cat(own, 1))
        self.hidden = Passing()
        self.gates = nn.Embedding.from_pretrained(torch.rand(WORDS, UNITS, generator=rng))

    def forward(self, words: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        states, _ = self.hidden(self.words(words))
        gate = self.gates(words)
        ibmon.tap("gate.pos", gate, axes=("sample", "time", "unit"))
        ibmon.tap("gate.ner", 1 - gate, axes=("sample", "time", "unit"))
        halves = {"pos": states[..., :HALF], "ner": states[..., HALF:]}
        return {
            task: ibmon.tap(f"{task}.output", self.scored(half, code), axes=("sample", "time", "unit"))
            for (task, half), code in zip(halves.items(), self.codes, strict=True)
        }

    def scored(self, states: Tensor, code: Tensor) -> Tensor:
        return torch.softmax(-(states[..., None, :] - code).square().sum(-1), -1)


def sentences(samples: int, seed: int = 0) -> EvaluationSet:
    """Sentences of random words, padded to one length, with the labels of a ``Tagger``."""
    rng = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, TIME + 1, (samples,), generator=rng)
    mask = torch.arange(TIME) < lengths[:, None]
    words = torch.where(mask, torch.randint(1, WORDS, (samples, TIME), generator=rng), 0)
    targets = {"pos": torch.where(mask, words % POS, 0), "ner": torch.where(mask, words // POS % NER, 0)}
    return EvaluationSet({"words": words, "lengths": lengths}, targets, mask, vocabulary=VOCABULARY, classes=CLASSES)


def snapshot_of(layers: Mapping[str, Activation], data: EvaluationSet, **others: Any) -> Snapshot:
    """A snapshot on sentences, as a run has it."""
    return replace(
        Snapshot(others.pop("step", 0), others.pop("epoch", 0.0), others.pop("evaluation", "test"), layers=layers),
        inputs=Activation(data.inputs["words"], ("sample", "unit"), data.mask),
        targets=data.targets,
        vocabulary=data.vocabulary,
        classes=data.classes or {},
        **others,
    )


def captured(data: EvaluationSet, **others: Any) -> Snapshot:
    """What a ``Tagger`` does with sentences."""
    model = Tagger()
    layers, _ = forward(model, choose(model, ["hidden"]), data)
    return snapshot_of({name: replace(layer, mask=data.mask) for name, layer in layers.items()}, data, **others)


def measured_by(analysis: Any, snapshot: Snapshot, estimators: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Measurements by quantity, and by what they are of where there is a subject."""
    found = analysis.measure(snapshot, estimators or {})
    return {" · ".join([m.quantity, *m.subject.values()]): m for m in found}


def history_after(job: str, *measurements: tuple[Snapshot, list[Any]]) -> History:
    """The history of a run whose one job measured these."""
    lines = [
        Result(
            segment=1,
            seq=seq,
            job=job,
            step=shot.step,
            epoch=shot.epoch,
            evaluation=shot.evaluation,
            values=[logged(m, Path("unused"), "unused") for m in said],
        )
        for seq, (shot, said) in enumerate(measurements)
    ]
    return history_of(written(lines, role="analyst", run=written([])))


def figures_of(history: History, screen: str, until: int | None = None) -> dict[str, Figure]:
    """The figures of a run up to a step, by name; all of them are on one screen."""
    if until is not None:
        history = replace(history, series=tuple(thin(s, until) for s in history.series))
    drawn, failures = build_figures(history)
    assert not failures
    assert {figure.screen for figure in drawn} <= {screen}
    return {figure.name: figure for figure in drawn}
