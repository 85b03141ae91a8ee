"""The Monitor: what a training script holds. It measures from the side and never gets in the way.

Whatever goes wrong inside it becomes a notice in the run's log; only wrong arguments of ``watch`` raise, before training starts.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ibmon import reductions
from ibmon.records import IbmonError, Scalars, StopTraining
from ibmon.schedules import Schedule, parse
from ibmon.tensors import EvaluationSet, GradientStatistics

from . import layers as layer_choice
from . import loaders, processes
from .evaluate import Capture, Probe, Watched
from .gradients import GradientWindow, before_update, evenly, parameters_of
from .refusing import listed, out_of_reach, refuse
from .session import Session, device_of
from .shadow import unwrapped
from .watching import Watching, asked_for, number

LOOK_SECONDS = 0.5
"""How often at most progress is written and commands are looked for."""
WINDOW_STEPS = 32
"""Minibatches of the gradient window where the training does not say its epochs."""
NEVER = sys.maxsize


class Monitor:
    """Watches one model while it trains.

    In a recipe it is the first parameter of ``train``; in a script ``with ibmon.Monitor(model, inputs=x, targets=y) as
    monitor:`` and ``monitor.step(loss)`` after ``backward`` are all there is to add. Further keywords go to ``watch``.
    """

    stop_raises = False
    """Whether a stop raises ``StopTraining`` out of the update; ibmon's own trainer sets it for recipes."""

    def __init__(self, model: nn.Module | None = None, *, inputs: Any = None, targets: Any = None, **watch: Any) -> None:
        self.should_stop = False
        """True once somebody asked the training to stop; scripts of your own look at it, recipes are stopped by ibmon."""
        self._watching = self._open()
        self._schedule = parse("")
        self._step = self._in_epoch = 0
        self._epoch: float | None = None
        self._epochs: int | None = None
        self._per_epoch: int | None = None
        self._short_last = False
        self._loss: Any = None
        self._counts_updates = False
        self._parameters: dict[str, nn.Parameter] = {}
        self._replicas: int | None = None
        self._window: GradientWindow | None = None
        # An update compares its number with these two and does nothing more, unless there is something to do.
        self._next_window = self._next_snapshot = NEVER
        self._look_at = 0.0
        self._last_snapshot = -1
        self._handles: list[Any] = []
        atexit.register(self._at_exit)
        _forget_in_children(self)
        if model is not None:
            if inputs is not None:
                watch.setdefault("evaluation", {"all": EvaluationSet(inputs, targets)})
            self.watch(model, **watch)

    def _open(self) -> Watching | None:
        if processes.rank() != 0:
            return None
        try:
            session = Session.open()
        except (IbmonError, OSError) as error:
            print(f"ibmon: {error} The training goes on unmonitored.", file=sys.stderr)
            return None
        return None if session is None else Watching(session)

    @property
    def device(self) -> torch.device:
        """Where the run asks to train: ``--device``, or the GPU where there is one."""
        return device_of(self._watching.session.info.device if self._watching else "auto")

    # -- what to watch ------------------------------------------------------------------------------------------------

    def watch(
        self,
        model: nn.Module | None = None,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        evaluation: Mapping[str, EvaluationSet | Any] | EvaluationSet | Any = None,
        layers: layer_choice.Asked = None,
        capture: Capture | None = None,
        probes: Mapping[str, Probe] | None = None,
        updates: Mapping[str, Probe] | None = None,
        estimators: Sequence[str] = (),
        analyses: Sequence[str] = (),
        schedule: Schedule | str | None = None,
        replicas: int | None = None,
        autocast: torch.dtype | None = None,
        batch_size: int | None = None,
        reduce: str = "",
        step: int = 0,
        epoch: float | None = None,
    ) -> None:
        """Say what is watched, and take the untrained network.

        Args:
            model: the network; none with ``capture``.
            optimizer: counts updates and shows gradients by itself; without it call ``step`` once per update.
            evaluation: the fixed data snapshots are taken on, one set or several by name, or loaders.
            layers: names, globs or module types, or ``{shown name: module name}``; default: activations and recurrent layers, or
                the blocks of a transformer.
            capture: ``capture(evaluation_set) -> {name: Activation}``, for networks trained as one batched model.
            probes: ``probe(model, evaluation_set, rng=generator)`` by name; each gets a copy of the model of its own.
            updates: ``probe(before, after, evaluation_set, rng=generator)`` by name: what the update after a snapshot changed;
                both are copies of the model, and the evaluation set is the first one.
            estimators: what the run estimates with unless the command line says otherwise: ``"binning:width=0.07"``.
            analyses: analyses beside the default ones.
            schedule: when, unless the command line says; default: log-spaced, thinned to stay under the budget.
            replicas: the first dimension of every parameter counts this many networks.
            autocast: the type that the evaluation pass autocasts to, where the training does.
            batch_size: samples in a minibatch of one process, for the gradient noise scale.
            reduce: what is captured of large layers, unless the command line says: ``"units=512"``, ``"projection=64"``,
                ``"timepoints=32"``; their estimates are flagged.
            step, epoch: updates and epochs that were made before, where a training goes on from a checkpoint.

        Raises:
            IbmonError: a layer that does not exist, an evaluation set without tensors: before training starts.
        """
        if self._watching is None:
            return
        refuse(model, optimizer)
        self._step = step
        info = self._watching.session.info
        inner = None if model is None else unwrapped(model)
        closed = "" if inner is None else out_of_reach(inner)
        if closed:
            self._watching.begin_blind(f"{closed} Losses are recorded.")
            self._count(optimizer)
            return
        sets = loaders.by_name(evaluation, info.max_samples, info.seed or 0)
        found = layer_choice.choose(inner, layers) if inner is not None and capture is None else []
        chosen = found if layers is not None else layer_choice.spread(found)
        if len(chosen) < len(found):
            self._watching.notice(f"{len(chosen)} of {len(found)} layers are watched, evenly spaced; name others with layers=.")
        watched = Watched(
            model,
            chosen,
            sets,
            dict(probes or {}),
            capture,
            autocast,
            None if batch_size is None else batch_size * processes.world(),
            info.seed or 0,
            dict(updates or {}),
            reduction=reductions.parse(reduce),
        )
        if info.schedule:
            self._schedule = parse(info.schedule)
        elif schedule is not None:
            self._schedule = parse(schedule) if isinstance(schedule, str) else schedule
        self._replicas = replicas
        self._parameters = parameters_of(inner, optimizer)
        self._count(optimizer)
        infos = [layer_choice.describe(layer, inner) for layer in chosen] if inner is not None else []
        names = [*dict.fromkeys([*info.analyses, *listed(analyses)])]
        self._watching.begin(watched, infos, self._schedule, asked_for(info.estimators, listed(estimators)), names)
        self._epoch = epoch
        self._take()
        self._epoch = None  # until the training says that it counts epochs
        self._plan()
        self._watching.start_clock()

    def _count(self, optimizer: torch.optim.Optimizer | None) -> None:
        """Let the optimizer say when an update is made."""
        for handle in self._handles:
            handle.remove()  # of an earlier watch: an update counts once
        self._handles = []
        if optimizer is not None:
            self._counts_updates = True
            self._handles = [
                optimizer.register_step_pre_hook(self._before_update),
                optimizer.register_step_post_hook(self._after_update),
            ]

    # -- what the training says ---------------------------------------------------------------------------------------

    def epochs(
        self, n: int, *, steps_per_epoch: int | None = None, short_last: bool = False, first: int = 0, done: int = 0
    ) -> Iterator[int]:
        """``range(n)`` that knows the epochs: snapshots are then scheduled in epochs. Ends early when a stop was asked for.

        ``steps_per_epoch`` spreads the gradient window over the first epoch, too; later ones are known. ``short_last`` says that
        the last minibatch of an epoch is smaller than the others: its gradient is noisier, and left out of the window. ``first``
        is the epoch that a training from a checkpoint begins with, and ``done`` are the updates of it that were made before.
        """
        self._epochs, self._epoch, self._per_epoch = n, float(first), steps_per_epoch
        self._short_last = short_last
        self._plan()
        for epoch in range(first, n):
            if self.should_stop:
                return
            self._in_epoch = done if epoch == first else 0
            if not self._by_steps and self._watching is not None:
                due = self._schedule.due(epoch + 1, self._watching.governor.level)
                self._window = self._new_window() if due else None
            yield epoch
            self._end_epoch(epoch + 1)

    def step(self, loss: Tensor | float | None = None) -> None:
        """One update: call it after ``backward`` and before ``optimizer.step()``. With an optimizer given to ``watch`` it only
        brings the loss, and is optional."""
        if loss is not None:
            self._loss = loss.detach() if isinstance(loss, Tensor) else loss
        if not self._counts_updates:
            # The weights now are those after self._step updates: the update that this call announces comes later.
            self._see_update()
            if self._step >= self._next_snapshot:
                self._take_by_steps()
            if self._window is not None or self._step >= self._next_window:
                self._read_gradients(None)
            self._step += 1
            self._in_epoch += 1
            self._look()

    def log(self, name: str, **values: Any) -> None:
        """Record numbers under a name: ``monitor.log("validation", loss=..., accuracy=...)``."""
        if self._watching is None:
            return
        with self._watching.guarded("log"):
            session = self._watching.session
            numbers = {key: number(value) for key, value in values.items()}
            session.append(Scalars(segment=session.segment, name=name, step=self._step, epoch=self._now(), values=numbers))

    def snapshot(self) -> None:
        """Take a snapshot now, whatever the schedule says."""
        self._take()

    def close(self, status: str = "finished", error: str = "") -> None:
        """Take the last network, write what waits and the last word. Called by itself at the end of the process."""
        watching = self._watching
        if watching is None:
            return
        for handle in self._handles:
            handle.remove()
        if status != "failed" and self._last_snapshot != self._step:
            self._take(last=True)
        with watching.guarded("the end"):
            watching.progress(self._step, self._now(), self._epochs, self._loss)
            watching.session.close(status, self._step, self._now(), error)
        self._watching = None
        atexit.unregister(self._at_exit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is None or issubclass(kind, StopTraining) or (issubclass(kind, SystemExit) and not getattr(error, "code", 0)):
            self.close("stopped" if self.should_stop else "finished")
        else:
            self.close("failed", f"{kind.__name__}: {error}")

    def _at_exit(self) -> None:
        error = getattr(sys, "last_value", None)
        if error is None:
            self.close("stopped" if self.should_stop else "finished")
        else:
            self.close("failed", f"{type(error).__name__}: {error}")

    # -- updates, and what is due after them ----------------------------------------------------------------------------

    def _before_update(self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._window is None and self._step < self._next_window:
            return None
        return before_update(args, kwargs, lambda: self._read_gradients(getattr(optimizer, "grad_scale", None)))

    def _after_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        found = getattr(optimizer, "found_inf", None)
        if found is not None and bool(found):
            return  # a fused optimizer skipped this update by itself: the scaled gradients were not finite
        self._step += 1
        self._in_epoch += 1
        self._see_update()
        if self._step >= self._next_snapshot:
            self._take_by_steps()
        self._look()

    def _see_update(self) -> None:
        """Where the update after a snapshot is looked at, and this was it: ask what it changed."""
        watching = self._watching
        if watching is not None and watching.updating and self._step > self._last_snapshot:
            with watching.guarded("an update"):
                watching.close_update(self._step - 1, self._epoch)

    def _end_epoch(self, done: int) -> None:
        watching = self._watching
        self._epoch = float(done)
        self._per_epoch, self._in_epoch = self._in_epoch or self._per_epoch, 0
        if watching is None:
            return
        if self._by_steps:
            if self._step >= self._next_snapshot:
                self._take_by_steps()
        elif self._schedule.due(done, watching.governor.level):
            self._take()
            watching.thin(self._schedule, done, self._epochs)

    @property
    def _by_steps(self) -> bool:
        return self._schedule.unit == "steps" or (self._schedule.unit == "auto" and self._epochs is None)

    def _plan(self) -> None:
        """When the next snapshot is due in steps, and when its gradient window opens."""
        self._next_window = self._next_snapshot = NEVER
        if self._watching is None or not self._by_steps:
            return
        following = self._schedule.after(self._step, self._watching.governor.level)
        if following is not None:
            self._next_snapshot = following
            self._next_window = max(self._step, following - WINDOW_STEPS)

    def _take_by_steps(self) -> None:
        self._take()
        if self._watching is not None:
            self._watching.thin(self._schedule, self._step, None)
        self._plan()

    def _take(self, *, last: bool = False) -> None:
        """A snapshot of now, with the gradients of the window that led to it."""
        watching = self._watching
        if watching is None:
            return
        with watching.guarded("a snapshot"):
            gradients: dict[str, GradientStatistics] = {} if self._window is None else self._window.close(self._population)
            self._window = None
            self._last_snapshot = self._step
            watching.take(self._step, self._now(), gradients)
            watching.progress(self._step, self._now(), self._epochs, self._loss)
            if not last:
                watching.open_update()

    @property
    def _population(self) -> int | None:
        """Minibatches that those of the window were drawn from without replacement: an epoch's."""
        return None if self._by_steps else self._per_epoch

    def _new_window(self) -> GradientWindow | None:
        return GradientWindow(self._parameters, self._replicas) if self._parameters else None

    def _read_gradients(self, scale: Any) -> None:
        watching = self._watching
        if watching is None:
            return
        if self._window is None:
            self._window = self._new_window()
            self._next_window = NEVER
        if self._window is None or not (self._by_steps or self._chosen_minibatch()):
            return
        with watching.guarded("the gradients"):
            self._window.add(scale)
            if self._window.empty:
                watching.say_once(
                    "No parameter has a gradient at step(): call it after backward() and before zero_grad().", "warning"
                )

    def _chosen_minibatch(self) -> bool:
        """Whether this minibatch of the epoch is one of those that the window reads."""
        whole = self._per_epoch
        if whole is not None and self._short_last:
            whole -= 1
            if self._in_epoch >= whole:
                return False
        return evenly(self._in_epoch, whole)

    def _look(self) -> None:
        """At most twice a second: report progress, look for commands. Raises StopTraining where ibmon may."""
        now = time.monotonic()
        if now >= self._look_at and self._watching is not None:
            self._look_at = now + LOOK_SECONDS
            with self._watching.guarded("step"):
                self._watching.progress(self._step, self._now(), self._epochs, self._loss)
                commands = self._watching.session.commands()
                if "snapshot" in commands:
                    self._take()
                if "stop" in commands:
                    self._stop()
        if self.should_stop and self.stop_raises:
            raise StopTraining

    def _stop(self) -> None:
        """Several processes would stop at different steps and wait for each other: they are stopped by what started them."""
        if processes.world() == 1:
            self.should_stop = True
        elif self._watching is not None:
            self._watching.say_once("A training of several processes is stopped where it was started, not from here.", "warning")

    def _now(self) -> float | None:
        """The epoch with the part of it that has passed, where its length is known."""
        if self._epoch is None or not self._per_epoch:
            return self._epoch
        return self._epoch + min(self._in_epoch / self._per_epoch, 1.0)


def _forget_in_children(monitor: Monitor) -> None:
    """A forked child has none of the monitor's threads, and must not write its last word when it exits."""
    watched = weakref.ref(monitor)

    def forget() -> None:
        found = watched()
        if found is not None:
            found._watching = None  # pyright: ignore[reportPrivateUsage]

    os.register_at_fork(after_in_child=forget)
