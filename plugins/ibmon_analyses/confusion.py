"""What a classifier takes for what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ibmon import Activation, Measurement, Snapshot

from .tokens import data_of, frequent, labels_of, names_of


@dataclass(frozen=True, slots=True)
class Confusion:
    """For every task, over the tokens (or samples) that are data and whose label is not negative; subject: task.

    The prediction is the largest of the classes, the last axis of the layer "TASK.output", or of the outputs of the model where
    there is one task: ``(sample, time, class)`` or ``(sample, class)``. An output that is not finite predicts no class.

    - "confusion": how many tokens of a class are predicted as which, over the axes class and predicted: of the classes that
      occur, the ``most`` frequent ones. "tokens": how many are of a class, whatever they are predicted as, over class.
    - "precision" (NaN for what is never predicted), "recall" and "F1", over class; "macro F1" is the mean of the latter.
    - "accuracy", of all tokens.

    Nothing for outputs that are not of this shape, or have fewer classes than there are labels. Raises ValueError for options
    out of their domain.
    """

    most: int = 60

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"confusion: most must be 1 or more, not {self.most}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities of the class."""
        for task in snapshot.targets:
            found = _outputs(snapshot, task)
            there = None if found is None else data_of(found, snapshot)
            labels = None if there is None else labels_of(snapshot, task, there.shape)
            if found is None or there is None or labels is None:
                continue
            kept = there & (labels >= 0)
            outputs, labels = found.values.cpu()[kept], labels[kept]
            if len(labels) and outputs.shape[1] > max(1, int(labels.max())):
                yield from self._of(snapshot, task, outputs, labels)

    def _of(self, snapshot: Snapshot, task: str, outputs: Tensor, labels: Tensor) -> Iterator[Measurement]:
        """Of outputs ``(tokens, classes)`` and labels ``(tokens,)``."""
        number = outputs.shape[1]
        predicted = outputs.argmax(1).where(outputs.isfinite().all(1), number)  # a column more, for no class at all
        every = torch.bincount(labels * (number + 1) + predicted, minlength=number * (number + 1)).reshape(number, number + 1)
        classes, count = frequent(labels, self.most)
        matrix = every[classes][:, classes].double()
        right = matrix.diagonal()
        recall, precision = right / count, right / every.sum(0)[classes]
        f1 = 2 * right / (count + every.sum(0)[classes])
        names, subject = names_of(classes.tolist(), snapshot.classes.get(task)), {"task": task}
        yield Measurement(
            quantity="confusion", unit="", value=matrix.numpy(), subject=subject, axes={"class": names, "predicted": names}
        )
        for quantity, value in (("tokens", count), ("precision", precision), ("recall", recall), ("F1", f1)):
            yield Measurement(quantity=quantity, unit="", value=value.numpy(), subject=subject, axes={"class": names})
        yield Measurement(quantity="macro F1", unit="", value=float(f1.mean()), subject=subject)
        yield Measurement(quantity="accuracy", unit="", value=float((predicted == labels).double().mean()), subject=subject)


def _outputs(snapshot: Snapshot, task: str) -> Activation | None:
    name = f"{task}.output"
    if name in snapshot.layers:
        return snapshot.layers[name]
    return snapshot.outputs if len(snapshot.targets) == 1 else None
