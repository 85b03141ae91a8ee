"""The two tasks of sentiment analysis as tokens: reviews of IMDB in two classes, sentences of Rotten Tomatoes in five."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ibmon import data

PADDING, UNKNOWN = 0, 1
"""Tokens that are no word of the vocabulary."""
RARE = 5
"""Words that are found less often in both corpora together are unknown."""


TASKS = ("imdb", "rt")


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a task as words, and their labels."""

    train: Sequence[Sequence[str]]
    train_labels: Sequence[int]
    test: Sequence[Sequence[str]]
    test_labels: Sequence[int]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reviews:
    """Tokens ``(texts, time)``, padded in front, and classes ``(texts,)``."""

    tokens: Tensor
    labels: Tensor

    @property
    def mask(self) -> Tensor:
        """Which timepoints are words ``(texts, time)``."""
        return self.tokens != PADDING

    def to(self, device: torch.device) -> Reviews:
        return Reviews(self.tokens.to(device), self.labels.to(device))

    def only(self, rows: Tensor) -> Reviews:
        return Reviews(self.tokens[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class Task:
    """A task of ``classes``, its parts as tokens."""

    classes: tuple[str, ...]
    train: Reviews
    test: Reviews


@dataclass(frozen=True, slots=True)
class Corpora:
    """The tasks by name, and the words that tokens stand for; the first two are no words."""

    vocabulary: tuple[str, ...]
    tasks: dict[str, Task]


def corpora(lengths: dict[str, int]) -> Corpora:
    """The tasks ``imdb`` and ``rt``, each in ``lengths`` timepoints: earlier words are trimmed, shorter texts padded in front.

    A length of 0 is that of the longest text. The vocabulary is that of both, also where a run uses one of them.
    """
    counts = Counter(word for name in TASKS for text in texts(name).train for word in text)
    kept = sorted((word for word, count in counts.items() if count >= RARE), key=lambda word: (-counts[word], word))
    vocabulary = ("<pad>", "<unk>", *kept)
    number = {word: k for k, word in enumerate(vocabulary)}
    tasks: dict[str, Task] = {}
    for name, length in lengths.items():
        found = texts(name)
        time = length or max(map(len, (*found.train, *found.test)))
        train = Reviews(_tokens(found.train, number, time), torch.tensor(found.train_labels))
        test = Reviews(_tokens(found.test, number, time), torch.tensor(found.test_labels))
        tasks[name] = Task(found.classes, train, test)
    return Corpora(vocabulary, tasks)


@cache
def texts(task: str) -> Texts:
    """The texts of ``imdb`` or ``rt``."""
    found = {"imdb": data.imdb, "rt": data.sst}[task]()
    train, test = ([data.words(text) or ["<unk>"] for text in part] for part in (found.train, found.test))
    return Texts(train, found.train_y.tolist(), test, found.test_y.tolist(), found.classes)


def _tokens(texts: Sequence[Sequence[str]], number: dict[str, int], time: int) -> Tensor:
    tokens = torch.full((len(texts), time), PADDING)
    for row, text in enumerate(texts):
        found = [number.get(word, UNKNOWN) for word in text[-time:]]
        tokens[row, time - len(found) :] = torch.tensor(found)
    return tokens
