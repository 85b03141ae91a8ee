"""Taggers of words whose tasks share a recurrent layer, each reading it through gates of its own.

The networks of Choudhary and Rijhwani, "Towards Interpretable Multi-Task Learning in Language", section 3, and the control that
it lacks: sharing without gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import ibmon
from ibmon_recipes.sentences import PADDING

AXES = ("sample", "time", "unit")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Units of a tagger. Those of both LSTMs count both directions, so that they are even.

    Raises IbmonError for a size that cannot be.
    """

    characters: int
    spelling: int
    hidden: int
    mlp: int

    def __post_init__(self) -> None:
        if min(self.characters, self.spelling, self.hidden, self.mlp) < 1 or self.spelling % 2 or self.hidden % 2:
            raise ibmon.IbmonError("A tagger has one unit or more in each layer, and LSTMs of both directions an even number.")


class Spelling(nn.Module):
    """Words from their characters: the last states of an LSTM in both directions, concatenated."""

    def __init__(self, characters: int, sizes: Sizes) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, sizes.characters, padding_idx=PADDING)
        self.lstm = nn.LSTM(sizes.characters, sizes.spelling // 2, batch_first=True, bidirectional=True)

    def forward(self, characters: Tensor) -> Tensor:
        """``(sentences, time, units)`` for characters ``(sentences, time, most)``. What is spelled alike is computed once."""
        distinct, which = characters.flatten(0, 1).unique(dim=0, return_inverse=True)
        lengths = (distinct != PADDING).sum(1).clamp_min(1)  # padding is a word without characters
        packed = pack_padded_sequence(self.characters(distinct), lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return last.transpose(0, 1).flatten(1)[which].unflatten(0, characters.shape[:2])


class States(nn.Module):
    """The states of an LSTM over the words, both directions concatenated."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.lstm = nn.LSTM(sizes.spelling, sizes.hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """``(sentences, time, units)`` of words ``(sentences, time, units)``, 0 past the end of each sentence."""
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = self.lstm(packed)
        return pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])[0]


class Gate(nn.Module):
    """σ(W h_{i−1} + U x_i + b): how far a task reads each unit of the states at word i. Before the first word h is 0."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.state = nn.Linear(sizes.hidden, sizes.hidden)
        self.word = nn.Linear(sizes.spelling, sizes.hidden, bias=False)

    def forward(self, x: Tensor, states: Tensor) -> Tensor:
        """``(sentences, time, hidden)``, from words ``(sentences, time, spelling)`` and states ``(sentences, time, hidden)``."""
        before = nn.functional.pad(states[:, :-1], (0, 0, 1, 0))
        return torch.sigmoid(self.state(before) + self.word(x))


class Chosen(nn.Module):
    """A gate that is 1 for some units and 0 for all others, whatever the words, and is not learned."""

    def __init__(self, units: Tensor) -> None:
        super().__init__()
        self.register_buffer("units", units.to(torch.get_default_dtype()))

    def forward(self, x: Tensor, states: Tensor) -> Tensor:
        """The same vector at every word ``(sentences, time, hidden)``."""
        return self.get_buffer("units").expand_as(states)


class Head(nn.Module):
    """What a task has for itself: a perceptron of one hidden layer, and the softmax of what it puts out."""

    def __init__(self, sizes: Sizes, classes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(sizes.hidden, sizes.mlp), nn.Tanh())
        self.logits = nn.Linear(sizes.mlp, classes)
        self.output = nn.Softmax(dim=-1)

    def forward(self, states: Tensor) -> Tensor:
        return self.logits(self.mlp(states))


class Tagger(nn.Module):
    """Characters → ``embedding`` of words → ``hidden`` states → gates of each task → its head, a module of the task's name.

    A gate in ``gates``, by task, is tapped as ``gate.TASK``; tasks without one read the states as they are.
    """

    def __init__(self, sizes: Sizes, characters: int, classes: Mapping[str, int]) -> None:
        super().__init__()
        self.embedding = Spelling(characters, sizes)
        self.hidden = States(sizes)
        self.gates = nn.ModuleDict()
        self.tasks = tuple(classes)
        for task, count in classes.items():
            self.add_module(task, Head(sizes, count))

    def logits(self, characters: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """By task ``(sentences, time, classes)``, for characters ``(sentences, time, most)`` of sentences of these lengths."""
        x = self.embedding(characters)
        states = self.hidden(x, lengths)
        found: dict[str, Tensor] = {}
        for task in self.tasks:
            read = states
            if task in self.gates:
                read = states * ibmon.tap(f"gate.{task}", self.gates[task](x, states), axes=AXES)
            found[task] = self.head(task)(read)
        return found

    def forward(self, characters: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """By task the probabilities ``(sentences, time, classes)``, all 0 past the end of a sentence."""
        known = (characters != PADDING).any(-1, keepdim=True)
        return {task: self.head(task).output(found) * known for task, found in self.logits(characters, lengths).items()}

    def head(self, task: str) -> Head:
        found = self.get_submodule(task)
        assert isinstance(found, Head)
        return found


def exclusive(hidden: int) -> tuple[Tensor, Tensor]:
    """The gates 1…10…01…1 and its opposite ``(hidden,)``: each has half of the units of either direction."""
    quarter = hidden // 4
    units = torch.zeros(hidden)
    units[:quarter] = units[hidden - quarter :] = 1
    return units, 1 - units


def pair(hidden: int) -> Tensor:
    """The gate 10…01 ``(hidden,)``: a unit that reads forwards and one that reads backwards."""
    units = torch.zeros(hidden)
    units[0] = units[-1] = 1
    return units


def loss_of(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy in nats, the mean over words and the sum over tasks, of what ``Tagger.forward`` says.

    ``targets`` are labels ``(sentences, time)``. Words that all classes have probability 0 of are padding.
    """
    losses: list[Tensor] = []
    for task, probabilities in outputs.items():
        known = probabilities.detach().sum(-1) > 0
        losses.append(nn.functional.nll_loss(probabilities[known].clamp_min(1e-12).log(), targets[task][known]))
    return torch.stack(losses).sum()
