"""A language model with and without the penalty of "From Information Bottleneck to Activation Norm Penalty"."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

import torch
from torch import nn

import ibmon
from ibmon import penalties
from ibmon_recipes import language
from ibmon_recipes.language import Text, said
from ibmon_recipes.lstms import PLACES, LanguageModel, Variational, detached

ESTIMATORS = ("kde:variance=0.1", "kde:relative=true,variance=0.1")
SNAPSHOTS = 12
"""Of a run, unless it has more epochs."""
DECAY, MOST_DECAYS = 0.7, 15
"""Of the learning rate of plain sgd, each time that the validation part is said worse than at best."""


@dataclass(frozen=True, slots=True)
class Size:
    """What ``--size`` stands for unless an option says otherwise.

    ``scale`` is of the uniform weights, ``largest`` the norm that gradients are cut to, ``recurrent`` the dropout of h_{t−1} in a
    VD-LSTM. With ``adam`` the learning rate is kept; else plain sgd descends the loss summed over the words of a segment, which
    is what a rate of 1 is of in Zaremba et al. (2014): they give ``scale`` and ``largest`` of the
    paper's two sizes. Of the epochs the paper says only that the rate decays fifteen times at most.
    """

    hidden: int = 512
    dropout: float = 0.5
    lr: float = 1.0
    epochs: int = 60
    eta: float = 1e-4
    tie: bool = False
    train_words: int = 0
    adam: bool = False
    scale: float = 0.05
    largest: float = 5.0
    recurrent: float = 0.2


SIZES = {
    "small": Size(
        hidden=128, dropout=0.0, lr=2e-3, epochs=3, eta=1e-3, tie=True, train_words=450_000, adam=True, scale=0.1, largest=1.0
    ),
    "medium": Size(),
    "large": Size(hidden=1500, eta=2e-4, scale=0.04, largest=10.0, recurrent=0.5),
}


def evaluation_set(text: Text, samples: int, time: int, device: torch.device) -> ibmon.EvaluationSet:
    """``samples`` stretches of ``time`` words of the validation part, and the word after each as target.

    Each is read from the state zero, so that T depends on nothing but the words that are shown.
    """
    inputs, targets = language.windows(text.validation, samples, time)

    def forward(model: nn.Module, tokens: Any) -> None:
        assert isinstance(model, LanguageModel)
        model.read(tokens)  # the probabilities of a whole vocabulary at every word would outweigh all layers

    return ibmon.EvaluationSet(inputs.to(device), {"next": targets.to(device)}, forward=forward, vocabulary=text.vocabulary)


class Annealing:
    """Learning rate times ``DECAY`` and back to the best weights whenever the validation perplexity is not below its best."""

    def __init__(self, model: nn.Module, descent: torch.optim.Optimizer) -> None:
        self.model, self.descent = model, descent
        self.best, self.weights, self.decays = inf, deepcopy(model.state_dict()), 0

    def goes_on(self, perplexity: float) -> bool:
        """Whether there is another epoch after one that ended with this perplexity."""
        if perplexity < self.best:
            self.best, self.weights = perplexity, deepcopy(self.model.state_dict())
            return True
        self.model.load_state_dict(self.weights)
        for group in self.descent.param_groups:
            group["lr"] *= DECAY
        self.decays += 1
        return self.decays <= MOST_DECAYS


def built(size: Size, words: int, *, variational: bool, seed: int) -> LanguageModel:
    """The network with weights of this seed, for a vocabulary of ``words``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rates = Variational(size.recurrent) if variational else None
        return LanguageModel(words, size.hidden, dropout=size.dropout, tie=size.tie, scale=size.scale, variational=rates)


def train(
    monitor: ibmon.Monitor,
    *,
    data: str = "ptb",
    model: Literal["lstm", "vd-lstm"] = "lstm",
    size: Literal["small", "medium", "large"] = "small",
    penalty: Literal["none", "anp"] = "none",
    eta: float | None = None,
    eta_convention: Literal["sum", "n_over_k", "one_over_k"] = "sum",
    norm: Literal["l1", "l2", "linf"] = "l2",
    place: Literal["layer1.c", "layer1.h", "layer2.c", "layer2.h"] = "layer2.h",
    tie: bool | None = None,
    hidden: int | None = None,
    dropout: float | None = None,
    lr: float | None = None,
    epochs: int | None = None,
    batch: int = 20,
    bptt: int = 35,
    train_words: int | None = None,
    vocabulary: int = 0,
    eval_samples: int = 300,
    seed: int = 0,
) -> None:
    """A two-layer LSTM says the next word of the Penn Treebank, WikiText-2 or a text of yours, with an activation norm penalty.

    The penalty is λ times the mean over words of the norm of the states, of the L2 norm its square. The paper does not say
    whether dropout comes before it; here it is of h or c themselves. T is taken over stretches of validation text at every word:
    the states h and c of both layers. Perplexity, norm of the last layer's states, entropy of the prediction and the bound
    H(Y) − cross-entropy on I(T;Y) are logged of the validation part, of as many words that were trained on, and, at the end, of
    the test part.

    Args:
        data: ptb, wikitext-2, or a text file, whose last lines validate and test
        model: lstm with dropout between layers, or vd-lstm with one mask for all timepoints, of the recurrent states too
        size: small is quick: 128 units, adam, 450 000 words; medium (512) and large (1500) are the paper's, with annealed sgd
        penalty: anp is the activation norm penalty
        eta: strength of the penalty; 0.001 for small, 0.0001 for medium, 0.0002 for large
        eta_convention: whether λ is eta, eta N/K or eta/K, of N words in a minibatch and K units
        norm: of the states; l2 is squared
        place: which states, of which layer
        tie: one matrix for embedding and output; yes for small only
        hidden: units of each layer and of the embedding; 128, 512 or 1500
        dropout: probability to leave a unit out, before, between and after the layers; 0 for small, else 0.5
        lr: learning rate; 0.002 for small, else 1
        epochs: passes over the training part at most; 3 for small, else 60
        batch: streams of text that are read side by side
        bptt: words that gradients go back through
        train_words: first words of the training part that are trained on, 0 for all; 450 000 for small, else all
        vocabulary: most frequent words that are kept, 0 for all
        eval_samples: stretches of validation text that the layers are recorded in
        seed: of the weights and dropout
    """
    asked = {"eta": eta, "tie": tie, "hidden": hidden, "dropout": dropout, "lr": lr, "epochs": epochs, "train_words": train_words}
    chosen = replace(SIZES[size], **{name: value for name, value in asked.items() if value is not None})
    if min(chosen.hidden, batch, bptt, eval_samples) < 1:
        raise ibmon.IbmonError("hidden, batch, bptt and eval-samples are 1 or more.")
    if min(chosen.epochs, chosen.train_words, vocabulary) < 0 or not chosen.lr > 0:
        raise ibmon.IbmonError("epochs, train-words and vocabulary are 0 or more, and lr above 0.")
    if not 0 <= chosen.dropout < 1 or not 0 <= chosen.eta < inf:
        raise ibmon.IbmonError("dropout is from 0 to below 1, and eta a number from 0 on.")
    device = monitor.device
    text = language.text(data, words=chosen.train_words, kept=vocabulary)
    trained, validation, test = (part.to(device) for part in (text.train, text.validation, text.test))
    inputs, targets = language.streams(trained, batch, bptt)
    network = built(chosen, len(text.vocabulary), variational=model == "vd-lstm", seed=seed).to(device)
    weight = penalties.eta(chosen.eta, eta_convention, n=batch * bptt, k=chosen.hidden) if penalty == "anp" else 0.0
    optimizer = torch.optim.Adam if chosen.adam else torch.optim.SGD
    descent = optimizer(network.parameters(), lr=chosen.lr, fused=True)
    steps = inputs.shape[1] // bptt
    monitor.watch(
        network,
        optimizer=descent,
        evaluation={"validation": evaluation_set(text, eval_samples, bptt, device)},
        layers={name: name.removesuffix(".h") for name in PLACES},
        estimators=ESTIMATORS,
        schedule=ibmon.every(max(1, steps * chosen.epochs // max(SNAPSHOTS, chosen.epochs)), "steps"),
        batch_size=batch,
    )
    monitor.log("penalty", weight=weight)
    reference = language.unigram_perplexity(trained, validation, len(text.vocabulary))
    annealing = None if chosen.adam else Annealing(network, descent)
    seen = trained[: len(validation)]
    torch.manual_seed(seed)  # dropout
    network.train()
    for _ in monitor.epochs(chosen.epochs, steps_per_epoch=steps):
        states = None
        for words, following in zip(inputs.split(bptt, 1), targets.split(bptt, 1), strict=True):
            read = network.read(words, states)
            loss = total = nn.functional.cross_entropy(network.logits(read).flatten(0, 1), following.flatten())
            if weight:
                total = loss + weight * penalties.activation_norm(network.at(place, read), norm=norm)
            (total if chosen.adam else bptt * total).backward()
            nn.utils.clip_grad_norm_(network.parameters(), chosen.largest)
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
            states = detached(read.last)
        before, now = said(network, seen, batch, bptt), said(network, validation, batch, bptt)
        monitor.log("train", **before.logged())
        monitor.log("validation", **now.logged(), **{"perplexity gap": now.perplexity - before.perplexity})
        monitor.log("unigrams on validation", perplexity=reference)
        if annealing is not None and not annealing.goes_on(now.perplexity):
            break
    monitor.log("test", **said(network, test, batch, bptt).logged())
