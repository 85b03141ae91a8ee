"""Two tasks of sentiment analysis that share an LSTM: the networks of the information planes of a multi-task LSTM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

import ibmon
from ibmon import probes
from ibmon_recipes import networks, reviews
from ibmon_recipes.embeddings import skip_gram
from ibmon_recipes.reviews import Corpora, Reviews

ESTIMATORS = ("kde:relative=true,variance=0.1", "binning:width=0.07")
SNAPSHOTS = 12
"""Of a run, unless it has more epochs."""
CHUNK = 1000
"""Texts of one pass when the accuracy is measured."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What ``--paper`` changes unless an option says otherwise. The paper says the first two; it does not say the rest."""

    epochs: int = 4
    lr: float = 1e-3
    dropout: float = 0.3
    hidden: int = 64
    units: int = 32
    embedding: int = 50


PAPER = Sizes(epochs=100, lr=1e-4, dropout=0.0, hidden=128, units=64, embedding=100)


class Embedding(nn.Module):
    """For each word the embedding that both tasks share, followed by the task's own."""

    def __init__(self, shared: Tensor, own: Mapping[str, Tensor], *, freeze: bool) -> None:
        super().__init__()
        self.shared = nn.Embedding.from_pretrained(shared.clone(), freeze=freeze, padding_idx=reviews.PADDING)
        self.own = nn.ModuleDict(
            {
                task: nn.Embedding.from_pretrained(vectors.clone(), freeze=freeze, padding_idx=reviews.PADDING)
                for task, vectors in own.items()
            }
        )

    def forward(self, tokens: Tensor, task: str) -> Tensor:
        return torch.cat([self.shared(tokens), self.own[task](tokens)], dim=-1)


class Head(nn.Module):
    """What a task has for itself: a hidden and an output layer, of states ``(..., hidden)``."""

    def __init__(self, hidden: int, units: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(hidden, units), nn.Tanh())
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(units, classes)
        self.output = nn.Softmax(dim=-1)

    def forward(self, states: Tensor) -> Tensor:
        return self.logits(self.dropout(self.hidden(states)))


class Network(nn.Module):
    """A shared LSTM over the words, padding in front included, and a head for each task, named after it."""

    def __init__(self, sizes: Sizes, embedding: Embedding, classes: Mapping[str, int]) -> None:
        super().__init__()
        self.embedding = embedding
        self.lstm = nn.LSTM(2 * sizes.embedding, sizes.hidden, batch_first=True)
        self.dropout = nn.Dropout(sizes.dropout)
        for task, count in classes.items():
            self.add_module(task, Head(sizes.hidden, sizes.units, count, sizes.dropout))

    def logits(self, tokens: Tensor, task: str) -> Tensor:
        """``(texts, classes)`` from the state after the last word, for tokens ``(texts, time)``."""
        _, (last, _) = self.lstm(self.dropout(self.embedding(tokens, task)))
        return self.head(task)(self.dropout(last[0]))

    def forward(self, tokens: Tensor, task: str) -> Tensor:
        """``(texts, time, classes)``: what the head would say of the state after every word, as probabilities."""
        head = self.head(task)
        return head.output(head(self.lstm(self.embedding(tokens, task))[0]))

    def head(self, task: str) -> Head:
        found = self.get_submodule(task)
        assert isinstance(found, Head)
        return found


def loss_of(outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    """Mean cross-entropy in nats of the last timepoint of ``Network.forward``."""
    (labels,) = targets.values()
    return nn.functional.nll_loss(outputs[:, -1].clamp_min(1e-12).log(), labels)


def evaluation_set(name: str, data: Reviews, corpora: Corpora) -> ibmon.EvaluationSet:
    """Texts of the task ``name`` as the Monitor takes them."""

    def forward(model: nn.Module, tokens: Any) -> Tensor:
        return model(tokens, name)

    return ibmon.EvaluationSet(
        data.tokens,
        {"sentiment": data.labels},
        data.mask,
        forward=forward,
        loss=loss_of,
        vocabulary=corpora.vocabulary,
        classes={"sentiment": corpora.tasks[name].classes},
    )


def network(corpora: Corpora, sizes: Sizes, *, freeze: bool, seed: int) -> Network:
    """The network with weights of this seed; the skip-gram vectors are the same for all seeds."""
    texts = {name: reviews.texts(name).train for name in reviews.TASKS}
    own = {name: skip_gram(texts[name], corpora.vocabulary, sizes.embedding, seed=0) for name in corpora.tasks}
    shared = skip_gram([text for name in texts for text in texts[name]], corpora.vocabulary, sizes.embedding, seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(sizes, Embedding(shared, own, freeze=freeze), {name: len(t.classes) for name, t in corpora.tasks.items()})


def train(
    monitor: ibmon.Monitor,
    *,
    tasks: Literal["imdb,rt", "imdb", "rt"] = "imdb,rt",
    paper: bool = False,
    epochs: int | None = None,
    batch: int = 64,
    lr: float | None = None,
    dropout: float | None = None,
    hidden: int | None = None,
    units: int | None = None,
    embedding: int | None = None,
    freeze_embeddings: bool = False,
    imdb_words: int = 300,
    rt_words: int = 10,
    train_samples: int = 0,
    test_samples: int = 0,
    eval_samples: int = 500,
    seed: int = 0,
) -> None:
    """An LSTM shared by two tasks of sentiment analysis: reviews of IMDB (2 classes) and sentences of Rotten Tomatoes (5).

    Words are embedded by skip-gram vectors of both corpora and of the task's own, beside each other. Every minibatch is of one
    task, and only its head and the shared layers are updated. T is taken over test texts of each task at every timepoint that is
    a word: the state of the LSTM, and what the task's hidden and output layer make of it.

    Args:
        tasks: both, or one of them alone for comparison
        paper: 100 epochs, learning rate 0.0001, no dropout, 128 units of the LSTM, 64 of the hidden layers, embeddings of 100
        epochs: passes over the training sets; 4, or 100 with paper
        batch: texts in a minibatch
        lr: learning rate of adam; 0.001, or 0.0001 with paper
        dropout: probability to leave a unit out, between layers; 0.3, or none with paper
        hidden: units of the LSTM; 64, or 128 with paper
        units: units of each hidden layer; 32, or 64 with paper
        embedding: dimensions of each of the two embeddings; 50, or 100 with paper
        freeze_embeddings: keep the skip-gram vectors as they are
        imdb_words: last words of a review that are read; shorter ones are padded in front
        rt_words: the same of a sentence; 0 reads whole sentences
        train_samples: texts of each task that are trained on; 0 for all
        test_samples: texts of each task that the accuracy is of; 0 for all
        eval_samples: texts of each task that the planes are of
        seed: of the weights, dropout and the order of the minibatches
    """
    asked = {"epochs": epochs, "lr": lr, "dropout": dropout, "hidden": hidden, "units": units, "embedding": embedding}
    sizes = replace(PAPER if paper else Sizes(), **{name: value for name, value in asked.items() if value is not None})
    if min(batch, eval_samples, imdb_words, sizes.hidden, sizes.units, sizes.embedding) < 1:
        raise ibmon.IbmonError("batch, eval-samples, imdb-words, hidden, units and embedding are 1 or more.")
    if min(rt_words, train_samples, test_samples) < 0 or not 0 <= sizes.dropout < 1:
        raise ibmon.IbmonError("rt-words, train-samples and test-samples are 0 or more, and dropout is from 0 to below 1.")
    device = monitor.device
    lengths = {"imdb": imdb_words, "rt": rt_words}
    corpora = reviews.corpora({task: lengths[task] for task in tasks.split(",")})
    model = network(corpora, sizes, freeze=freeze_embeddings, seed=seed).to(device)
    trained = {name: _some(task.train, train_samples, "train").to(device) for name, task in corpora.tasks.items()}
    tested = {name: _some(task.test, test_samples, "test").to(device) for name, task in corpora.tasks.items()}
    evaluated = {name: _some(task.test, eval_samples, "evaluation").to(device) for name, task in corpora.tasks.items()}
    descent = networks.descent_of((p for p in model.parameters() if p.requires_grad), "adam", sizes.lr)
    steps = sum(-(-len(data.labels) // batch) for data in trained.values())
    monitor.watch(
        model,
        optimizer=descent,
        evaluation={name: evaluation_set(name, data, corpora) for name, data in evaluated.items()},
        layers=["lstm", *(f"{name}.{layer}" for name in corpora.tasks for layer in ("hidden", "output"))],
        estimators=ESTIMATORS,
        probes={"saliency": probes.saliency("embedding")},
        schedule=ibmon.every(max(1, steps * sizes.epochs // max(SNAPSHOTS, sizes.epochs)), "steps"),
        batch_size=batch,
    )
    torch.manual_seed(seed)  # dropout
    order = torch.Generator().manual_seed(seed)
    for _ in monitor.epochs(sizes.epochs, steps_per_epoch=steps):
        model.train()
        for name, rows in _minibatches({name: len(data.labels) for name, data in trained.items()}, batch, order):
            data = trained[name].only(rows.to(device))
            loss = nn.functional.cross_entropy(model.logits(data.tokens, name), data.labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
        model.eval()
        for name, data in tested.items():
            monitor.log(f"{name} test", **_tested(model, data, name))


def _some(data: Reviews, samples: int, purpose: str) -> Reviews:
    """That many texts, the same ones for every seed; all for 0."""
    if not samples or samples >= len(data.labels):
        return data
    return data.only(torch.randperm(len(data.labels), generator=networks.stream(purpose, 0))[:samples].sort().values)


def _minibatches(samples: Mapping[str, int], batch: int, order: torch.Generator) -> list[tuple[str, Tensor]]:
    """Each task's rows in minibatches, those of the tasks in random order."""
    every = [(name, rows) for name, count in samples.items() for rows in torch.randperm(count, generator=order).split(batch)]
    return [every[k] for k in torch.randperm(len(every), generator=order).tolist()]


@torch.no_grad()
def _tested(model: Network, data: Reviews, task: str) -> dict[str, Tensor]:
    logits = torch.cat([model.logits(tokens, task) for tokens in data.tokens.split(CHUNK)])
    return {
        "loss": nn.functional.cross_entropy(logits, data.labels),
        "accuracy": (logits.argmax(1) == data.labels).float().mean(),
    }
