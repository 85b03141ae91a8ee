"""Gates that tasks put on the units of a shared layer, after Choudhary & Rijhwani, "Towards Interpretable Multi-Task Learning
in Language" (section 7, figure 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ibmon import Measurement, Snapshot

from .tokens import data_of, frequent, labels_of, names_of, rows_of

LAYER = "gate."
"""What the name of a layer begins with that is the gate of a task."""
BEYOND = 0.5
"""Correlation beyond which a unit counts as shared, or as one task's or the other's."""
OPEN = 0.5
"""Value above which a gate counts as open."""
_PAIRINGS = 2000
_DIGITS = 4
"""Decimals of single gates: more would not be seen, and are most of what a line of the log is long."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Of every layer "gate.TASK", ``(sample, time, unit)`` or ``(sample, unit)`` with values in [0, 1], over all words that the
    mask calls data (subject task):

    - "gate": the gates of the first ``phrases`` samples, word by word, over the axes word and unit, to four decimals; of at most
      ``words`` words each. A word is "word/label" where words, labels of tokens, or both are known. Subject also: sample.
    - "mean gate" over the axis unit.
    - "open gates": the share of the words of a class at which the gate of a unit is above 0.5, over the axes class and unit, and
      "words", how many words that are, over class: of the task's own labels, the ``tags`` most frequent classes.

    And of every two tasks with as many units (subject task, other):

    - "gate correlation": Pearson's r of the gate of a unit for one task and for the other, over the axis unit. A gate that does
      not move has none: NaN, flagged ``constant``.
    - "shared gates" and "opposed gates": how many units have r > 0.5, and r < −0.5. Their ``null`` and ``p_value``, and the
      mean and the 95 % range of "shared gates by chance" and "opposed gates by chance", are those of mismatched units: each
      unit's gate for one task against that of another unit for the other, in 2000 pairings that leave no unit in place. What
      all gates share with one another is thus no finding.

    Nothing where there is no such layer. Raises ValueError for options out of their domain.
    """

    phrases: int = 4
    words: int = 40
    tags: int = 40

    def __post_init__(self) -> None:
        for name, lowest in (("phrases", 0), ("words", 1), ("tags", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"gates: {name} must be {lowest} or more, not {getattr(self, name)}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities of the class."""
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for name in snapshot.layers:
            if not name.startswith(LAYER):
                continue
            activation, task = snapshot.layers[name], name.removeprefix(LAYER)
            there = data_of(activation, snapshot)
            if there is None or not there.any():
                continue
            rows = rows_of(activation, there)
            found[task] = rows, there
            yield from self._phrases(snapshot, task, rows, there)
            axes = {"unit": list(range(rows.shape[1]))}
            yield Measurement(quantity="mean gate", unit="", value=rows.mean(0).numpy(), subject={"task": task}, axes=axes)
            yield from self._by_class(snapshot, task, rows, there)
        for (task, (a, there)), (other, (b, also)) in combinations(found.items(), 2):
            if a.shape[1] == b.shape[1] and torch.equal(there, also):
                yield from _correlated(a, b, {"task": task, "other": other})

    def _phrases(self, snapshot: Snapshot, task: str, rows: Tensor, there: Tensor) -> Iterator[Measurement]:
        if there.ndim < 2:
            return
        labels = labels_of(snapshot, task, there.shape)
        inputs = snapshot.inputs
        tokens = (
            None if inputs is None or inputs.values.shape != there.shape or _continuous(inputs.values) else inputs.values.cpu()
        )
        begins = there.sum(1).cumsum(0) - there.sum(1)
        for sample in range(min(self.phrases, len(there))):
            mask = there[sample]
            count = min(int(mask.sum()), self.words)
            if not count:
                continue
            said = [str(place) for place in range(count)]
            if tokens is not None:
                said = names_of(tokens[sample][mask][:count].tolist(), snapshot.vocabulary)
            if labels is not None:
                tags = names_of(labels[sample][mask][:count].tolist(), snapshot.classes.get(task))
                said = [f"{word}/{tag}" for word, tag in zip(said, tags, strict=True)]
            first = int(begins[sample])
            yield Measurement(
                quantity="gate",
                unit="",
                value=rows[first : first + count].numpy().round(_DIGITS),
                subject={"task": task, "sample": str(sample)},
                axes={"word": said, "unit": list(range(rows.shape[1]))},
            )

    def _by_class(self, snapshot: Snapshot, task: str, rows: Tensor, there: Tensor) -> Iterator[Measurement]:
        labels = labels_of(snapshot, task, there.shape)
        if labels is None:
            return
        labels = labels[there]
        classes, count = frequent(labels, self.tags)
        if not len(classes):
            return
        opened = (rows > OPEN).double()
        shares = torch.stack([opened[labels == number].mean(0) for number in classes])
        names = names_of(classes.tolist(), snapshot.classes.get(task))
        subject, units = {"task": task}, list(range(rows.shape[1]))
        yield Measurement(
            quantity="open gates", unit="", value=shares.numpy(), subject=subject, axes={"class": names, "unit": units}
        )
        yield Measurement(quantity="words", unit="", value=count.numpy(), subject=subject, axes={"class": names})


def _continuous(values: Tensor) -> bool:
    return values.is_floating_point() or values.dtype == torch.bool


def _correlated(a: Tensor, b: Tensor, subject: Mapping[str, str]) -> Iterator[Measurement]:
    """Of the gates ``(words, units)`` of two tasks."""
    every = _correlations(a, b)
    own = every.diagonal()
    constant = ((a == a[0]).all(0) | (b == b[0]).all(0)).numpy()
    axes = {"unit": list(range(len(own)))}
    yield Measurement(
        quantity="gate correlation", unit="", value=own.numpy(), subject=subject, axes=axes, flags={"constant": constant}
    )
    if (~constant).sum() < 2:
        return
    pairings = _mismatched(len(own))
    chance = every.gather(1, pairings.T).T
    for name, sign in (("shared gates", 1), ("opposed gates", -1)):
        count, by_chance = int((sign * own > BEYOND).sum()), (sign * chance > BEYOND).sum(1).double()
        expected = float(by_chance.mean())
        p_value = (1 + int((by_chance >= count).sum())) / (1 + len(by_chance))
        yield Measurement(
            quantity=name, unit="", value=float(count), subject=subject, details={"null": expected, "p_value": p_value}
        )
        lower, upper = by_chance.quantile(by_chance.new_tensor([0.025, 0.975])).tolist()
        yield Measurement(quantity=f"{name} by chance", unit="", value=expected, lower=lower, upper=upper, subject=subject)


def _correlations(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's r of every column of ``a`` with every column of ``b``, both (rows, units): (units, units), NaN for constants."""
    moved = [torch.where((x == x[0]).all(0), torch.nan, x - x.mean(0)) for x in (a, b)]
    first, second = (x / torch.linalg.vector_norm(x, dim=0) for x in moved)
    return (first.T @ second).clamp(-1, 1)


def _mismatched(units: int) -> Tensor:
    """Pairings (pairings, units) of each unit with another one, every unit once; the same ones at every call."""
    rng = torch.Generator().manual_seed(0)
    orders = torch.rand(4 * _PAIRINGS, units, generator=rng).argsort(1)
    return orders[(orders != torch.arange(units)).all(1)][:_PAIRINGS]
