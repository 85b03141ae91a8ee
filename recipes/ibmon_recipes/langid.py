"""The language of every word of tweets in English and Spanish: are two units of many enough to tell it?"""

from __future__ import annotations

from typing import Literal

from torch import nn

import ibmon
from ibmon import data
from ibmon.data import Tagged
from ibmon_recipes import sentences, taggers
from ibmon_recipes.tagger_training import Training, fit, network

TASK = "language"


def corpora() -> Tagged:
    """The published validation part for test, and as many tweets of the training part for validation: 8:1:1."""
    found = data.codeswitch_en_es()
    train, validation = sentences.held_out(found.train, len(found.validation))
    return Tagged(train, validation, found.validation)


def train(
    monitor: ibmon.Monitor,
    *,
    model: Literal["full", "fixed", "small"] = "full",
    n: int = 256,
    epochs: int = 8,
    patience: int = 2,
    batch: int = 32,
    lr: float = 1e-3,
    data: str = "",
    columns: str = "word,language",
    eval_samples: int = 100,
    seed: int = 0,
) -> None:
    """The language of every word of a tweet, read from all units of an LSTM over words, from two of them, or from its only two.

    A BiLSTM over the characters of each word makes its representation, one over the words the states, and a perceptron the
    language: English, Spanish or other. The network with the best validation accuracy is tested, and the last snapshot is of
    it. T is taken over test tweets at every word: the states, the gate of fixed, and the output.

    Args:
        model: full reads all units of the states, fixed one that reads forwards and one that reads backwards, small has only two
        n: units of the character embedding, its LSTM and the perceptron; twice as many of the states; LSTMs count both directions
        epochs: passes over the training set
        patience: epochs without a better validation accuracy after which training ends; 0 trains all epochs
        batch: tweets in a minibatch, of about the same length
        lr: learning rate of adam
        data: your own sentences, a word a line: one file, or those of training, validation and test apart by commas
        columns: what the columns of these files are; _ is skipped
        eval_samples: test tweets that figures are of; 0 for all
        seed: of the weights and the order of the minibatches
    """
    training = Training(epochs, batch, lr, patience, eval_samples, seed)
    sizes = taggers.Sizes(n, n, 2 if model == "small" else 2 * n, n)
    corpus = sentences.corpus(sentences.of_files(data, columns) if data else corpora(), (TASK,))

    def gates() -> dict[str, nn.Module]:
        return {TASK: taggers.Chosen(taggers.pair(sizes.hidden))} if model == "fixed" else {}

    fit(monitor, network(corpus, sizes, (TASK,), gates, seed), corpus, training)
