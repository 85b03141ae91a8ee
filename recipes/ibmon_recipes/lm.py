"""Language models with and without the penalties of "From Information Bottleneck to Activation Norm Penalty"."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, Literal

import torch
from torch import nn

import ibmon
from ibmon import penalties
from ibmon_recipes import language, lenses
from ibmon_recipes.annealing import Annealing, Fading
from ibmon_recipes.bayesian import BayesianLSTMs
from ibmon_recipes.language import Report, Text, said
from ibmon_recipes.language_models import LanguageModel, detached
from ibmon_recipes.lm_penalties import Penalty, refuse, usual
from ibmon_recipes.lm_sizes import Model, Size, asked
from ibmon_recipes.lstms import LSTMs, Variational
from ibmon_recipes.noising import noise as noise_of
from ibmon_recipes.sru import SRUs

ESTIMATORS = ("kde:variance=0.1", "kde:relative=true,variance=0.1")
SNAPSHOTS = 12
"""Of a run, unless it has more epochs."""


def evaluation_set(text: Text, samples: int, time: int, device: torch.device) -> ibmon.EvaluationSet:
    """``samples`` stretches of ``time`` words of the validation part, and the word after each as target.

    Each is read from the state zero, so that T depends on nothing but the words that are shown.
    """
    inputs, targets = language.windows(text.validation, samples, time)

    def forward(model: nn.Module, tokens: Any) -> None:
        assert isinstance(model, LanguageModel)
        model.read(tokens)  # the probabilities of a whole vocabulary at every word would outweigh all layers

    return ibmon.EvaluationSet(inputs.to(device), {"next": targets.to(device)}, forward=forward, vocabulary=text.vocabulary)


def layers_told(
    text: Text, most: int, samples: int, time: int, count: int, device: torch.device
) -> Callable[[LanguageModel], dict[str, float]]:
    """What gives the bits that each layer of a network tells about the words of the evaluation set, by ``lenses.informative``.

    The lenses learn from ``most`` words of the training part, or from as many as it has, in stretches of ``time`` like those of
    the evaluation set. Nothing is asked of any layer where they are too few for a stretch.
    """
    stretches = min(most, len(text.train) - 1) // time
    if not stretches:
        return lambda network: {}
    words, following = language.windows(text.train, stretches, time)
    learnt = words.to(device), following.to(device)
    words, following = language.windows(text.validation, samples, time)
    asked = words.to(device), following.to(device)
    entropy = language.entropy(text.validation[1:])
    return lambda network: lenses.informative(network, learnt, asked, entropy, count)


def built(model: Model, size: Size, words: int, *, bottleneck: bool, seed: int) -> LanguageModel:
    """The network with weights of this seed, for a vocabulary of ``words``."""
    scale = size.scale or (3 / size.hidden) ** 0.5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if model == "bayes-lstm":
            return BayesianLSTMs(words, size.hidden, dropout=size.dropout, tie=size.tie, scale=scale)
        if model == "sru":
            return SRUs(
                words,
                size.hidden,
                layers=size.layers,
                dropout=size.dropout,
                within=size.within,
                tie=size.tie,
                scale=scale,
                bottleneck=bottleneck,
            )
        rates = Variational(size.recurrent) if model == "vd-lstm" else None
        return LSTMs(
            words, size.hidden, dropout=size.dropout, tie=size.tie, scale=scale, variational=rates, bottleneck=bottleneck
        )


def groups(model: LanguageModel, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters as an optimizer takes them: all matrices decay but the embedding and the linear map to the logits."""
    decaying, others = list[nn.Parameter](), list[nn.Parameter]()
    for name, p in model.named_parameters():
        apart = p.ndim < 2 or name.partition(".")[0] in ("embedding", "output")
        (others if apart else decaying).append(p)
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def schedule(size: Size, steps: int) -> ibmon.Schedule:
    """A snapshot after every epoch of ``steps``, once its perplexities are logged; more where there are few epochs of Adam.

    SGD goes back to better weights after an epoch: a snapshot by epochs is of those that the training goes on from.
    """
    each = ceil(SNAPSHOTS / max(1, size.epochs)) if size.adam else 1
    if each == 1 or steps < each:
        return ibmon.every(1, "epochs")
    return ibmon.explicit(
        [epoch * steps + round(k * steps / each) for epoch in range(size.epochs) for k in range(1, each + 1)], "steps"
    )


def train(
    monitor: ibmon.Monitor,
    *,
    data: str = "ptb",
    model: Literal["lstm", "vd-lstm", "sru", "bayes-lstm"] = "lstm",
    size: Literal["small", "medium", "large"] = "small",
    penalty: Literal["none", "anp", "gp-kl", "vib", "bayes", "confidence"] = "none",
    eta: float | None = None,
    eta_convention: Literal["sum", "n_over_k", "one_over_k"] = "sum",
    norm: Literal["l1", "l2", "linf"] = "l2",
    place: str | None = None,
    gp_noise: float = 0.1,
    noise: Literal["none", "unigram", "kneser-ney"] = "none",
    noise_rate: float = 0.2,
    weight_decay: float | None = None,
    tie: bool | None = None,
    hidden: int | None = None,
    layers: int | None = None,
    dropout: float | None = None,
    lr: float | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    bptt: int = 35,
    train_words: int | None = None,
    vocabulary: int = 0,
    eval_samples: int = 300,
    lens_words: int = 20_000,
    seed: int = 0,
) -> None:
    """A recurrent network says the next word of the Penn Treebank, WikiText-2 or a text of yours, with a penalty on its states.

    What is added to the mean negative log likelihood is λ times the mean of the penalty over words. The paper does not say
    whether dropout comes before it; here it is of h or c themselves. T is taken over stretches of validation text at every word:
    the states h and c of every layer, of random states the mean. Perplexity, norm of the last layer's states, entropy of the
    prediction and the bound H(Y) − cross-entropy on I(T;Y) are logged of the validation part, of as many words that were
    trained on, and, at the end, of the test part; the bound of every layer by a lens, over the stretches of validation text.
    Where SGD goes back to its best weights, theirs are logged again, and the test part, like the last snapshot, is of the best
    of all.

    Args:
        data: ptb, wikitext-2, or a text file, whose last lines validate and test
        model: two layers of lstm with dropout between them; vd-lstm with one mask for all timepoints, of the recurrent states
            too; sru; or bayes-lstm, the second layer random
        size: small is quick: 128 units, adam, 450 000 words; medium (512) and large (1500) are the paper's, with annealed sgd
        penalty: anp is the activation norm penalty; gp-kl the divergence that it is a part of; vib puts a Gaussian layer before
            the output; bayes is of the random states of bayes-lstm; confidence of the prediction
        eta: strength of the penalty; of anp 0.001 for small, 0.0001 for medium, 0.0002 for large, 1e-8 for a medium or large
            sru; 0.1 of confidence; else so that the part in the square of the norm weighs as in anp
        eta_convention: whether λ is eta, eta N/K or eta/K, of N words in a minibatch and K units; of anp
        norm: of the states; l2 is squared; of anp
        place: which states of which layer, as layer2.c; of anp and gp-kl; h of the last layer unless given
        gp_noise: variance that gp-kl adds to the covariance
        noise: words that are replaced in training, by unigrams or as Kneser-Ney smooths bigrams, then targets too
        noise_rate: how often, at most
        weight_decay: of the matrices but embedding and output, added to the gradient; 1e-5 for a medium or large sru, else 0
        tie: one matrix for embedding and output; yes for small and for every sru
        hidden: units of each layer and of the embedding; 128, 512 or 1500; 980 of a large sru
        layers: of an sru; 2 for small, else 5
        dropout: probability to leave a unit out, before, between and after the layers; 0 for small, else 0.5; 0.7 of an sru,
            before and after
        lr: learning rate; 0.002 for small, else 1
        epochs: passes over the training part at most; 3 for small, else 60, 300 of an sru
        batch: streams of text that are read side by side; 20, or 64 for a medium or large sru
        bptt: words that gradients go back through
        train_words: first words of the training part that are trained on, 0 for all; 450 000 for small, else all
        vocabulary: most frequent words that are kept, 0 for all
        eval_samples: stretches of validation text that the layers are recorded in
        lens_words: words of the training part that the lens of every layer is fitted to after an epoch; 0 for no lenses
        seed: of the weights, dropout, noise and random states
    """
    chosen = asked(
        model,
        size,
        eta=eta,
        weight_decay=weight_decay,
        tie=tie,
        hidden=hidden,
        layers=layers,
        dropout=dropout,
        lr=lr,
        epochs=epochs,
        batch=batch,
        train_words=train_words,
    )
    if min(bptt, eval_samples) < 1 or min(vocabulary, lens_words) < 0:
        raise ibmon.IbmonError("bptt and eval-samples are 1 or more, vocabulary and lens-words 0 or more.")
    refuse(penalty, model, norm=norm, convention=eta_convention, place=place, noise=gp_noise)
    device = monitor.device
    text = language.text(data, words=chosen.train_words, kept=vocabulary)
    trained, validation, test = (part.to(device) for part in (text.train, text.validation, text.test))
    inputs, targets = language.streams(trained, chosen.batch, bptt)
    noised = None if noise == "none" else noise_of(noise, trained, len(text.vocabulary), noise_rate)
    network = built(model, chosen, len(text.vocabulary), bottleneck=penalty == "vib", seed=seed).to(device)
    where = network.places[-1] if place is None else place
    if where not in network.places:
        raise ibmon.IbmonError(f"place is one of {', '.join(network.places)}, not {where}.")
    strength = chosen.eta if eta is not None else usual(penalty, chosen.eta, chosen.hidden)
    weight = penalties.eta(strength, eta_convention, n=chosen.batch * bptt, k=chosen.hidden) if penalty != "none" else 0.0
    added = Penalty(penalty, weight, where, norm, gp_noise)
    optimizer = torch.optim.Adam if chosen.adam else torch.optim.SGD
    descent = optimizer(groups(network, chosen.weight_decay), lr=chosen.lr, fused=True)
    steps = inputs.shape[1] // bptt
    monitor.watch(
        network,
        optimizer=descent,
        evaluation={"validation": evaluation_set(text, eval_samples, bptt, device)},
        layers=network.watched,
        estimators=ESTIMATORS,
        analyses=[f"generalisation:layer={'bottleneck' if penalty == 'vib' else where}"],
        schedule=schedule(chosen, steps),
        batch_size=chosen.batch,
    )
    monitor.log("penalty", weight=weight)
    reference = language.unigram_perplexity(trained, validation, len(text.vocabulary))
    annealing = None
    if not chosen.adam:
        annealing = Fading(network, descent, chosen.epochs) if chosen.fading else Annealing(network, descent)
    told = layers_told(text, lens_words, eval_samples, bptt, chosen.batch, device)
    best: Report | None = None
    seen = trained[: len(validation)]
    torch.manual_seed(seed)  # dropout, noise and random states
    network.train()
    for epoch in monitor.epochs(chosen.epochs, steps_per_epoch=steps):
        states, spent = None, torch.zeros((), device=device)
        for words, following in zip(inputs.split(bptt, 1), targets.split(bptt, 1), strict=True):
            if noised is not None:
                words, following = noised(words, following)
            read = network.read(words, states)
            logits = network.logits(read)
            loss = total = nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten())
            if weight:
                cost = added(network, read, logits)
                total = loss + weight * cost
                spent += cost.detach()
            (total if chosen.adam else bptt * total).backward()
            nn.utils.clip_grad_norm_(network.parameters(), chosen.largest)
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
            states = detached(read.last)
        trained_on, held_out = (said(network, part, chosen.batch, bptt) for part in (seen, validation))
        now = Report(trained_on, held_out, told(network))
        now.log(monitor)
        monitor.log("unigrams on validation", perplexity=reference)
        if weight:
            monitor.log("penalty", **{"mean [nats]": spent / steps})
        if annealing is None:
            continue
        if annealing.went_back(epoch + 1, now.validation.perplexity):
            if best is not None:
                best.log(monitor)
        elif annealing.best_epoch == epoch + 1:
            best = now
        if annealing.over:
            break
    if annealing is not None:
        monitor.log("best weights", epoch=annealing.best_epoch)
    monitor.log("test", **said(network, test, chosen.batch, bptt).logged())
