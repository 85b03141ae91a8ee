"""Tagged sentences as tensors: words, how they are spelled, and labels by task; what the recipes of taggers read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

import ibmon
from ibmon import data
from ibmon.data import Sentence, Tagged
from ibmon_recipes import networks

PADDING, UNKNOWN = 0, 1
"""Characters that are none: what is past the end of a word, and what no word of the training has."""
SPELLED = 32
"""First characters of a word that are read; hardly anything but addresses has more."""
OUTSIDE = "O"


@dataclass(frozen=True, slots=True)
class Sentences:
    """``words`` ``(sentences, time)``, positions in the vocabulary, and ``labels`` of the same shape by task: 0 past the end.

    ``lengths`` ``(sentences,)`` are on the CPU, where packed sequences want them.
    """

    words: Tensor
    lengths: Tensor
    labels: dict[str, Tensor]

    @property
    def mask(self) -> Tensor:
        """Which timepoints are words ``(sentences, time)``."""
        return self.words != 0

    def to(self, device: torch.device) -> Sentences:
        return Sentences(self.words.to(device), self.lengths, {task: y.to(device) for task, y in self.labels.items()})

    def only(self, rows: Tensor) -> Sentences:
        """Those ``rows``, padded to the longest of them."""
        lengths = self.lengths[rows]
        time = int(lengths.max())
        here = rows.to(self.words.device)
        return Sentences(self.words[here, :time], lengths, {task: y[here, :time] for task, y in self.labels.items()})

    def minibatches(self, size: int, order: torch.Generator) -> list[Tensor]:
        """Rows ``(size,)`` of sentences of about the same length, in random order; equal lengths are mixed anew each time."""
        shuffled = torch.randperm(len(self.lengths), generator=order)
        batches = shuffled[self.lengths[shuffled].sort(stable=True).indices].split(size)
        return [batches[k] for k in torch.randperm(len(batches), generator=order).tolist()]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The parts of a data set, the words they are made of, and the names of the labels by task.

    ``spelling`` ``(words, characters)`` gives the first ``SPELLED`` characters of each word of the vocabulary, padded; there
    are ``characters`` of them, those of the training and the two that are none. The first word is padding.
    """

    vocabulary: tuple[str, ...]
    spelling: Tensor
    characters: int
    classes: dict[str, tuple[str, ...]]
    train: Sentences
    validation: Sentences
    test: Sentences

    def to(self, device: torch.device) -> Corpus:
        parts = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, spelling=self.spelling.to(device), **parts)


def corpus(parts: Tagged, tasks: Sequence[str]) -> Corpus:
    """The three parts as tensors, with the labels of these tasks; O comes first, the others by name.

    Raises IbmonError where a part is empty, or a sentence lacks a task.
    """
    for name, part in (("training", parts.train), ("validation", parts.validation), ("test", parts.test)):
        if not part:
            raise ibmon.IbmonError(f"There is no sentence for {name}.")
    every = (*parts.train, *parts.validation, *parts.test)
    lacking = next((task for task in tasks if any(task not in sentence.tags for sentence in every)), None)
    if lacking is not None:
        raise ibmon.IbmonError(f"There are sentences without the task {lacking!r}; name its column in --columns.")
    classes = {task: _sorted(tag for sentence in every for tag in sentence.tags[task]) for task in tasks}
    vocabulary = ("<pad>", *sorted({word for sentence in every for word in sentence.words}))
    alphabet = sorted({character for sentence in parts.train for word in sentence.words for character in word})
    number = {character: k for k, character in enumerate(alphabet, start=UNKNOWN + 1)}
    spelled = [[number.get(character, UNKNOWN) for character in word[:SPELLED]] for word in vocabulary[1:]]
    return Corpus(
        vocabulary,
        _padded([[], *spelled]),
        len(alphabet) + UNKNOWN + 1,
        classes,
        *(_sentences(part, vocabulary, classes) for part in (parts.train, parts.validation, parts.test)),
    )


def in_parts(sentences: Sequence[Sentence]) -> Tagged:
    """Eight tenths for training, a tenth each for validation and test: drawn at random, the same ones for every seed of a run."""
    tenth = len(sentences) // 10
    rest, validation = held_out(sentences, tenth)
    train, test = held_out(rest, tenth)
    return Tagged(train, validation, test)


def held_out(sentences: Sequence[Sentence], count: int) -> tuple[tuple[Sentence, ...], tuple[Sentence, ...]]:
    """All but ``count`` sentences, and these: drawn at random, the same ones for every seed of a run, in their order."""
    held = set(torch.randperm(len(sentences), generator=networks.stream("held out", 0))[:count].tolist())
    return tuple(s for k, s in enumerate(sentences) if k not in held), tuple(s for k, s in enumerate(sentences) if k in held)


def of_files(paths: str, columns: str) -> Tagged:
    """Files apart by commas, with these columns: one that is taken apart by ``in_parts``, or those of training, validation, test.

    A column ``ner`` becomes IOB2. Raises IbmonError for another number of files, and as ``ibmon.data.conll`` does.
    """
    each = [Path(path.strip()).expanduser() for path in paths.split(",")]
    if len(each) not in (1, 3):
        raise ibmon.IbmonError(f"--data takes one file, or those of training, validation and test; not {len(each)}.")
    names = [name.strip() for name in columns.split(",")]
    found = [data.conll(path, names, iob2=("ner",)) for path in each]
    return in_parts(found[0]) if len(found) == 1 else Tagged(*found)


def span_f1(truth: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> float:
    """F1 of named entities, micro-averaged: an entity is found where kind, first and last word are right (CoNLL-2003).

    ``truth`` and ``predicted`` give the tags of the same sentences; 0 where not one entity is found. The package seqeval computes
    the same, but builds from source alone, needs scikit-learn, and what is an entity is known to ``ibmon.data`` already.
    """
    right = found = there = 0
    for true, guess in zip(truth, predicted, strict=True):
        expected, given = set(data.spans(true)), set(data.spans(guess))
        right += len(expected & given)
        found += len(given)
        there += len(expected)
    return 2 * right / (found + there) if right else 0.0


def kinds_only(parts: Tagged, kinds: Sequence[str]) -> Tagged:
    """The same sentences, in which named entities of other kinds than these are O. Raises IbmonError for a kind not in them."""
    every = (*parts.train, *parts.validation, *parts.test)
    known = {kind for sentence in every for kind, _, _ in data.spans(sentence.tags.get("ner", ()))}
    strange = next((kind for kind in kinds if kind not in known), None)
    if strange is not None:
        raise ibmon.IbmonError(f"There is no entity of the kind {strange!r}; there are {', '.join(sorted(known)) or 'none'}.")

    def kept(part: Iterable[Sentence]) -> tuple[Sentence, ...]:
        return tuple(replace(s, tags={**s.tags, "ner": tuple(map(of_these, s.tags["ner"]))}) for s in part)

    def of_these(tag: str) -> str:
        return tag if tag.partition("-")[2] in kinds else OUTSIDE

    return Tagged(kept(parts.train), kept(parts.validation), kept(parts.test))


def _sorted(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(tags), key=lambda tag: (tag != OUTSIDE, tag)))


def _sentences(part: Sequence[Sentence], vocabulary: Sequence[str], classes: Mapping[str, Sequence[str]]) -> Sentences:
    word = {text: k for k, text in enumerate(vocabulary)}
    labels: dict[str, Tensor] = {}
    for task, names in classes.items():
        number = {name: k for k, name in enumerate(names)}
        labels[task] = _padded([[number[tag] for tag in sentence.tags[task]] for sentence in part])
    words = _padded([[word[text] for text in sentence.words] for sentence in part])
    return Sentences(words, torch.tensor([len(sentence.words) for sentence in part]), labels)


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """``(rows, the longest)``, 0 past the end of each."""
    out = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for k, row in enumerate(rows):
        out[k, : len(row)] = torch.tensor(row, dtype=torch.long)
    return out
