"""How a tagger is trained, and when it is stopped: what the recipes of taggers share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import ibmon
from ibmon import probes
from ibmon_recipes import networks, taggers
from ibmon_recipes.sentences import Corpus, Sentences, span_f1
from ibmon_recipes.taggers import Tagger

ESTIMATORS = ("ross", "binning:width=0.07")
"""Of single units and of layers: with up to a hundred timepoints ``kde`` would take longer than the training."""
SNAPSHOTS = 8
"""Of a run of at least as many epochs, or up to twice as many: at each of them units are left out, which costs passes."""
ABLATED = 100
"""Sentences that units are left out on."""
CHUNK = 256
"""Sentences of one pass when the accuracy is measured."""
SMALL = 64
"""Units of a direction up to which a second thread only waits for the first."""


@dataclass(frozen=True, slots=True)
class Training:
    """The options that both recipes have. Raises IbmonError for one that cannot be."""

    epochs: int
    batch: int
    lr: float
    patience: int
    eval_samples: int
    seed: int

    def __post_init__(self) -> None:
        if self.batch < 1 or min(self.epochs, self.patience, self.eval_samples) < 0:
            raise ibmon.IbmonError("batch is 1 or more; epochs, patience and eval-samples are 0 or more.")


def network(
    corpus: Corpus, sizes: taggers.Sizes, tasks: Sequence[str], gates: Callable[[], Mapping[str, nn.Module]], seed: int
) -> Tagger:
    """The tagger of these ``tasks`` with weights of this seed. Gates are made last: all else begins as it does without them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tagger = Tagger(sizes, corpus.characters, {task: len(corpus.classes[task]) for task in tasks})
        tagger.gates.update(gates())
    return tagger


def evaluation_set(data: Sentences, corpus: Corpus, tasks: Sequence[str]) -> ibmon.EvaluationSet:
    """Sentences as the Monitor takes them. The network reads ``characters`` ``(sentences, time, most)``, figures the words."""
    inputs = {"words": data.words, "characters": corpus.spelling[data.words], "lengths": data.lengths}

    def forward(model: nn.Module, given: Any) -> dict[str, Tensor]:
        return model(given["characters"], given["lengths"])

    return ibmon.EvaluationSet(
        inputs,
        {task: data.labels[task] for task in tasks},
        data.mask,
        forward=forward,
        loss=taggers.loss_of,
        vocabulary=corpus.vocabulary,
        classes={task: corpus.classes[task] for task in tasks},
    )


def fit(monitor: ibmon.Monitor, model: Tagger, corpus: Corpus, training: Training) -> Tagger:
    """Train ``model`` and log, for every task, validation after each epoch and at last the test of the best network.

    The best is that of the epoch with the highest validation accuracy, the mean over the tasks. Its weights are restored after
    the last update: the last snapshot, of that step, is of the network that is tested. ``best/epoch`` says which it is.
    """
    device = monitor.device
    if device.type == "cpu" and max(model.embedding.lstm.hidden_size, model.hidden.lstm.hidden_size) <= SMALL:
        torch.set_num_threads(1)
    corpus, model = corpus.to(device), model.to(device)
    descent = networks.descent_of(model.parameters(), "adam", training.lr)
    heads = [f"{task}.output" for task in model.tasks]
    monitor.watch(
        model,
        optimizer=descent,
        evaluation={"test": evaluation_set(_some(corpus.test, training.eval_samples), corpus, model.tasks)},
        layers=["hidden", *heads],
        estimators=ESTIMATORS,
        analyses=["confusion"],
        probes={"ablation": probes.ablation("hidden", samples=ABLATED)},
        schedule=ibmon.every(max(1, training.epochs // SNAPSHOTS), "epochs"),
        batch_size=training.batch,
    )
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    monitor.log("sentences", **{name: len(part.lengths) for name, part in parts.items()})
    order = torch.Generator().manual_seed(training.seed)
    best, best_accuracy, best_epoch = copy.deepcopy(model.state_dict()), -1.0, 0
    steps = -(-len(corpus.train.lengths) // training.batch)
    for epoch in monitor.epochs(training.epochs, steps_per_epoch=steps):
        for rows in corpus.train.minibatches(training.batch, order):
            loss = _loss(model, corpus, corpus.train.only(rows))
            loss.backward()
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
        accuracy = _log(monitor, model, corpus, corpus.validation, "validation")
        done = epoch + 1
        if accuracy > best_accuracy:
            best, best_accuracy, best_epoch = copy.deepcopy(model.state_dict()), accuracy, done
        # Left before the Monitor ends it, the last epoch has no snapshot but that of the restored network.
        if done == training.epochs or (training.patience and done - best_epoch >= training.patience):
            break
    model.load_state_dict(best)
    _log(monitor, model, corpus, corpus.test, "test")
    monitor.log("best", epoch=best_epoch)
    if best_epoch:
        print(
            f"The network of epoch {best_epoch}, the best on validation, is restored: the test and the last snapshot are of it."
        )
        monitor.snapshot()
    return model


@torch.no_grad()
def measured(model: Tagger, corpus: Corpus, data: Sentences) -> dict[str, dict[str, float]]:
    """By task the mean cross-entropy in nats, and the share of words that are tagged right; of named entities ``f1`` as well."""
    losses = dict.fromkeys(model.tasks, 0.0)
    right = dict.fromkeys(model.tasks, 0)
    truth: dict[str, list[list[str]]] = {task: [] for task in model.tasks}
    guesses: dict[str, list[list[str]]] = {task: [] for task in model.tasks}
    for rows in data.lengths.sort().indices.split(CHUNK):
        part = data.only(rows)
        for task, logits in model.logits(corpus.spelling[part.words], part.lengths).items():
            scores, labels, names = logits[part.mask], part.labels[task][part.mask], corpus.classes[task]
            losses[task] += float(nn.functional.cross_entropy(scores, labels, reduction="sum"))
            right[task] += int((scores.argmax(1) == labels).sum())
            for tags, found in ((labels, truth), (scores.argmax(1), guesses)):
                found[task] += [[names[k] for k in one.tolist()] for one in tags.split(part.lengths.tolist())]
    words = int(data.lengths.sum())
    out = {task: {"loss": losses[task] / words, "accuracy": right[task] / words} for task in model.tasks}
    if "ner" in out:
        out["ner"]["f1"] = span_f1(truth["ner"], guesses["ner"])
    return out


def _loss(model: Tagger, corpus: Corpus, part: Sentences) -> Tensor:
    logits = model.logits(corpus.spelling[part.words], part.lengths)
    mask = part.mask
    return torch.stack([nn.functional.cross_entropy(z[mask], part.labels[task][mask]) for task, z in logits.items()]).sum()


def _log(monitor: ibmon.Monitor, model: Tagger, corpus: Corpus, data: Sentences, part: str) -> float:
    """Log each task's, and over all of them the loss and the mean accuracy, which is returned."""
    each = measured(model, corpus, data)
    for task, values in each.items():
        monitor.log(f"{task} {part}", **values)
    accuracy = sum(values["accuracy"] for values in each.values()) / len(each)
    monitor.log(part, loss=sum(values["loss"] for values in each.values()), accuracy=accuracy)
    return accuracy


def _some(data: Sentences, samples: int) -> Sentences:
    """That many sentences, the same ones for every seed; all for 0."""
    if not samples or samples >= len(data.lengths):
        return data
    return data.only(torch.randperm(len(data.lengths), generator=networks.stream("evaluation", 0))[:samples].sort().values)
