"""Parts of speech and named entities of the same sentences, by networks that share units between both tasks in several ways."""

from __future__ import annotations

import sys
from typing import Literal

from torch import nn

import ibmon
from ibmon import data
from ibmon.data import Tagged
from ibmon_recipes import sentences, taggers
from ibmon_recipes.tagger_training import Training, fit, network

TASKS = ("pos", "ner")


def corpora(split: str = "auto") -> Tagged:
    """Web texts with both tasks, as published; divided, or auto without the training part: the others, mixed, 8:1:1.

    Raises IbmonError where the published parts are asked for and that of training is not to be had.
    """
    found = data.uner_ewt(train=split != "divided")
    if found.train:
        return found
    if split == "published":
        raise ibmon.IbmonError(
            "The training part is not here: say --split divided, or get it with: ibmon data get uner-ewt-train"
        )
    if split == "auto":
        print(
            "The training part of Universal NER is neither here nor to be had from the net: "
            "the other two are mixed and divided 8:1:1, as with --split divided.",
            file=sys.stderr,
        )
    return sentences.in_parts((*found.validation, *found.test))


def train(
    monitor: ibmon.Monitor,
    *,
    model: Literal["baseline", "fixed", "gated", "shared"] = "gated",
    n: int = 32,
    task: Literal["pos", "ner"] = "pos",
    epochs: int = 16,
    patience: int = 0,
    batch: int = 32,
    lr: float = 4e-3,
    split: Literal["auto", "published", "divided"] = "auto",
    data: str = "",
    columns: str = "word,pos,ner",
    entities: str = "",
    eval_samples: int = 200,
    seed: int = 0,
) -> None:
    """Parts of speech and named entities, tagged by an LSTM over words that both tasks share: with and without gates.

    A BiLSTM over the characters of each word makes its representation, one over the words the states, and a perceptron of each
    task its tags. The network with the best mean validation accuracy is tested, and the last snapshot is of it. Sentences are
    those of the English Web Treebank with the entities of Universal NER. T is taken over test sentences at every word: the
    states, each task's gate, and its output.

    Args:
        model: gated learns how far each task reads each unit at each word, fixed gives each task half of twice as many units,
            shared lets both read all, baseline learns one task
        n: units of the character embedding and of both LSTMs, which count both directions; twice as many of the perceptrons
        task: the one that baseline learns
        epochs: passes over the training set
        patience: epochs without a better validation accuracy after which training ends; 0 trains all epochs
        batch: sentences in a minibatch, of about the same length
        lr: learning rate of adam
        split: published takes the treebank's own parts, divided those of validation and test, mixed and taken apart 8:1:1;
            auto is published where the training part is here or can be downloaded
        data: your own sentences, a word a line: one file, or those of training, validation and test apart by commas
        columns: what the columns of these files are; _ is skipped; ner may be IOB1, IOB2, IOBES or in brackets
        entities: the kinds of named entity that are kept, apart by commas; others become O; all by default
        eval_samples: test sentences that figures are of; 0 for all
        seed: of the weights and the order of the minibatches
    """
    training = Training(epochs, batch, lr, patience, eval_samples, seed)
    if data and split != "auto":
        raise ibmon.IbmonError("--split is of the treebank's sentences; leave it out with --data.")
    sizes = taggers.Sizes(n, n, 2 * n if model == "fixed" else n, 2 * n)
    parts = sentences.of_files(data, columns) if data else corpora(split)
    if entities:
        parts = sentences.kinds_only(parts, [kind.strip() for kind in entities.split(",")])
    tasks = (task,) if model == "baseline" else TASKS
    corpus = sentences.corpus(parts, tasks)
    fit(monitor, network(corpus, sizes, tasks, lambda: gates(model, sizes), seed), corpus, training)


def gates(model: str, sizes: taggers.Sizes) -> dict[str, nn.Module]:
    """The gates of both tasks; none where they read all units."""
    if model == "gated":
        return {task: taggers.Gate(sizes) for task in TASKS}
    if model == "fixed":
        return {task: taggers.Chosen(units) for task, units in zip(TASKS, taggers.exclusive(sizes.hidden), strict=True)}
    return {}
