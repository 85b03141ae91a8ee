"""What the callbacks share: a Monitor that hears of a training by events, not from a loop around it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.utils.data import IterableDataset

from ibmon import EvaluationSet, IbmonError, Monitor

_PREFIXED = re.compile(r"(train|training|val|valid|validation|eval|test)[/_](.+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a callback was asked for. ``further`` are the keywords of ``Monitor.watch``."""

    inputs: Any = None
    targets: Any = None
    forward: Callable[[nn.Module, Any], Any] | None = None
    model: str | Callable[[nn.Module], nn.Module] | None = None
    monitor: Monitor | None = None
    further: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def own_data(self) -> bool:
        """Whether the trainer's data are not needed."""
        return self.inputs is not None or self.further.get("evaluation") is not None

    def sets(self) -> Any:
        """The evaluation sets that were given."""
        if self.inputs is not None:
            return {"all": EvaluationSet(self.inputs, self.targets, forward=self.forward)}
        return self.further["evaluation"]

    def module(self, whole: nn.Module) -> nn.Module:
        """The part of the trainer's model that is watched. Raises IbmonError for a name that it does not have."""
        if not isinstance(self.model, str):
            return whole if self.model is None else self.model(whole)
        try:
            return whole.get_submodule(self.model)
        except AttributeError:
            some = ", ".join(name for name, _ in whole.named_children())
            raise IbmonError(f"model={self.model!r} is no module of {type(whole).__name__}; it has {some}.") from None


class Following:
    """One training, followed from its first event to its last.

    A Monitor that was given belongs to who made it, and is not closed.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._monitor = Monitor() if asked.monitor is None else asked.monitor
        self._epochs: Iterator[int] = iter(())

    @property
    def should_stop(self) -> bool:
        return self._monitor.should_stop

    def begin(self, model: nn.Module, sets: Any, **known: Any) -> None:
        """Watch ``model`` on ``sets``; what was asked for goes before what is ``known`` of the training. Raises IbmonError."""
        try:
            self._monitor.watch(self._asked.module(model), **{**known, **self._asked.further, "evaluation": sets})
        except BaseException as error:
            self.fail(error)
            raise

    def begin_epochs(self, n: int, **how: Any) -> None:
        """Follow epochs up to ``n``, as ``Monitor.epochs`` takes them."""
        self._epochs = self._monitor.epochs(n, **how)
        self.next_epoch()

    def next_epoch(self) -> None:
        """End the epoch that is going on and begin the next one, where there is one."""
        next(self._epochs, None)

    def loss(self, value: Any) -> None:
        if value is not None:
            self._monitor.step(value)

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Scalars by the part of the data that their names begin with: ``val_loss`` is the ``loss`` of ``val``; or ``train``."""
        parts: dict[str, dict[str, Any]] = {}
        for name, value in metrics.items():
            known = _PREFIXED.fullmatch(name)
            part, key = known.groups() if known else ("train", name)
            parts.setdefault(part, {})[key] = value
        for part, values in parts.items():
            self._monitor.log(part, **values)

    def end(self) -> None:
        if self._asked.monitor is None:
            self._monitor.close("stopped" if self._monitor.should_stop else "finished")

    def fail(self, error: BaseException) -> None:
        if self._asked.monitor is None:
            self._monitor.__exit__(type(error), error, error.__traceback__)


def short_last(samples: int, batch: int, accumulated: int, *, drop_last: bool) -> bool:
    """Whether the last update of an epoch sees fewer samples than the others: of ``accumulated`` minibatches of ``batch``."""
    batches, rest = divmod(samples, batch)
    return bool(rest and not drop_last) or batches % accumulated != 0


def made_before(updates: int, epochs: float | None) -> dict[str, Any]:
    """What ``Monitor.watch`` is told of a training that goes on from a checkpoint, and whoever runs it; nothing of a new one."""
    if not updates:
        return {}
    say(f"The training goes on from update {updates}, and so does what is measured.")
    return {"step": updates, "epoch": epochs}


def refuse_stream(loader: Any) -> None:
    """Raises IbmonError for training data that can only be read on: who reads them takes them from the training."""
    if isinstance(getattr(loader, "dataset", None), IterableDataset) or isinstance(loader, Iterator):
        raise IbmonError("The training data are a stream, which reading would move: give evaluation data to InformationMonitor.")


def say(text: str) -> None:
    """A sentence to whoever runs the script."""
    print(f"ibmon: {text}", file=sys.stderr)
