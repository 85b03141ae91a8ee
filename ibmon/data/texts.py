"""Data sets of texts with a class each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .archives import damaged, members
from .store import fetch, files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+|[!?]")
_MARKUP = re.compile(r"<[^<>]{1,40}>")
_LEAF = re.compile(r"\((\d) ([^()\s]+)\)")
_ROOT = re.compile(r"\((\d) ")
_APART = re.compile(r" (?=n't\b|'(?:s|re|ve|ll|d|m)\b)", re.IGNORECASE)
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]"}


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Texts and their classes ``(texts,)`` uint8; a label is the position of its name in ``classes``.

    ``validation`` is empty where the data set has no such part.
    """

    train: tuple[str, ...]
    train_y: np.ndarray
    test: tuple[str, ...]
    test_y: np.ndarray
    classes: tuple[str, ...]
    validation: tuple[str, ...] = ()
    validation_y: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))


def words(text: str) -> list[str]:
    """The words of a text in lower case, ``!`` and ``?`` included: other punctuation, markup and signs are left out."""
    return [word.replace("’", "'") for word in _WORD.findall(_MARKUP.sub(" ", text).lower())]


def imdb() -> Texts:
    """Film reviews, 25 000 + 25 000, negative or positive (Maas et al. 2011); of one class after the other."""
    (archive,) = files("imdb")
    classes = ("negative", "positive")
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for name, data in members(archive, r"aclImdb/(train|test)/(neg|pos)/\d+_\d+\.txt"):
        _, of, sentiment, file = name.split("/")
        found.setdefault((of, sentiment), []).append((int(file.partition("_")[0]), data.decode("utf-8", "replace")))
    if len(found) < 4:
        raise damaged(archive, "it lacks reviews of one class")

    def part(name: str) -> tuple[tuple[str, ...], np.ndarray]:
        each = [sorted(found[name, sentiment]) for sentiment in ("neg", "pos")]
        labels = np.repeat(np.arange(2, dtype=np.uint8), [len(reviews) for reviews in each])
        return tuple(text for reviews in each for _, text in reviews), labels

    return Texts(*part("train"), *part("test"), classes)


def sst() -> Texts:
    """Sentences of film reviews on Rotten Tomatoes in five classes, 8544 + 1101 + 2210 (Socher et al. 2013).

    What was taken apart for parsing is joined again: ``do n't`` reads ``don't``.
    """
    archive = fetch("sst") / "trainDevTestTrees_PTB.zip"
    found = {name: data.decode("utf-8", "replace") for name, data in members(archive, r"trees/(train|dev|test)\.txt")}
    if len(found) < 3:
        raise damaged(archive, "it has not the three parts train, dev and test")
    train, validation, test = (_trees(archive, found[f"trees/{part}.txt"].split("\n")) for part in ("train", "dev", "test"))
    classes = ("very negative", "negative", "neutral", "positive", "very positive")
    return Texts(*train, *test, classes, *validation)


def _trees(archive: Path, lines: Iterable[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The sentences and the labels of their roots."""
    texts: list[str] = []
    labels: list[int] = []
    for line in lines:
        if not line.strip():
            continue
        root, leaves = _ROOT.match(line), [str(word) for _, word in _LEAF.findall(line)]
        if root is None or not leaves or int(root[1]) > 4:
            raise damaged(archive, f"{line[:40]!r} is no tree with a class from 0 to 4")
        labels.append(int(root[1]))
        joined = " ".join(_BRACKETS.get(word, word) for word in leaves)
        texts.append(_APART.sub("", joined.replace("\\", "")))
    return tuple(texts), np.array(labels, np.uint8)
