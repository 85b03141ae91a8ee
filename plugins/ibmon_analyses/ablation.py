"""Accuracy with some of the units of a layer, and without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ibmon import Measurement, Snapshot
from ibmon.probes import ablated

RANDOM = "random"
_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Ablations:
    """What the probe ``ablation`` says, over the axis units, k = 0, 1, 2, 4, ..., n:

    - "accuracy with units kept" and "accuracy with units removed", of the k units that tell most about a task, and the same of
      "mean recall", over the classes of the task. Subject: task, and by, the task that the units are ordered for, or "random":
      then the mean over random orders, ``lower`` the least and ``upper`` the largest of them.
    - "units needed": how many of its own units a task needs for 95 % of the way from its mean recall without any to that with
      all; NaN where units do not help.
    - "information of units", over the axis unit, that the units are ordered by. Subject: task.
    """

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Any]) -> Iterator[Measurement]:
        """Yields the quantities of the class; nothing where a probe of that name says something else."""
        found = ablated(snapshot.probes)
        if found is None:
            return
        tasks, units = list(found.information), {"units": list(found.levels)}
        for number, (task, information) in enumerate(found.information.items()):
            subject = {"task": task}
            axes = {"unit": list(range(len(information)))}
            yield Measurement(quantity="information of units", value=information.numpy(), subject=subject, axes=axes)
            for name, scores in (("accuracy", found.accuracy[task]), ("mean recall", found.recall[task])):
                for side, done in enumerate(("kept", "removed")):
                    yield from _in_orders(scores[:, side].numpy(), f"{name} with units {done}", task, tasks, units)
            needed = _needed(found.recall[task][number, 0].numpy(), found.levels)
            yield Measurement(quantity="units needed", unit="", value=needed, subject=subject)


def _in_orders(
    scores: np.ndarray, quantity: str, task: str, tasks: Sequence[str], axes: Mapping[str, Sequence[int]]
) -> Iterator[Measurement]:
    """Of scores ``(orders, levels)``: first in the orders of the tasks, then in random ones."""
    for by, values in zip(tasks, scores, strict=False):
        yield Measurement(quantity=quantity, unit="", value=values, subject={"task": task, "by": by}, axes=axes)
    random = scores[len(tasks) :]
    if len(random):
        subject = {"task": task, "by": RANDOM}
        lower, upper = random.min(0), random.max(0)
        yield Measurement(quantity=quantity, unit="", value=random.mean(0), lower=lower, upper=upper, subject=subject, axes=axes)


def _needed(scores: np.ndarray, levels: tuple[int, ...]) -> float:
    """The first level from which on the score ``(levels,)`` stays that near to the last; NaN where units do not help at
    all.
    """
    gained = scores[-1] - scores[0]
    if not gained > 0:
        return float("nan")
    short = np.flatnonzero(scores < scores[0] + _SHARE * gained)
    return float(levels[int(short[-1]) + 1])
