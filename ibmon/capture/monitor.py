"""The Monitor: what a training script holds. It measures from the side and never gets in the way.

Whatever goes wrong inside it becomes a notice in the run's log; only wrong arguments of ``watch`` raise, before training starts.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from ibmon.records import EvaluationInfo, IbmonError, Progress, Scalars, StopTraining, UsageError, Watch
from ibmon.runs.log import BARE_NAME
from ibmon.schedules import Schedule, parse
from ibmon.spool import size_of, write_static
from ibmon.tensors import EvaluationSet, GradientStatistics, Snapshot

from . import layers as layer_choice
from .evaluate import Capture, Probe, Watched, limited, samples_of, snapshot, static_data
from .governor import Governor
from .gradients import GradientWindow, evenly
from .session import Session
from .shadow import CaptureError, unwrapped

PROGRESS_SECONDS = 0.5
WINDOW_STEPS = 32
"""Minibatches of the gradient window where the training does not say its epochs."""


class Monitor:
    """Watches one model while it trains.

    In a recipe it is the first parameter of ``train``; in a script, ``with ibmon.Monitor(model, inputs=x, targets=y) as monitor:``
    and ``monitor.step(loss)`` after ``backward`` are all there is to add. Further keywords go to ``watch``.
    """

    stop_raises = False
    """Whether a stop raises ``StopTraining`` out of the update; ibmon's own trainer sets it for recipes."""

    def __init__(self, model: nn.Module | None = None, *, inputs: Any = None, targets: Any = None, **watch: Any) -> None:
        self.should_stop = False
        """True once somebody asked the training to stop; scripts of your own look at it, recipes are stopped by ibmon."""
        self._governor = Governor()
        self._step, self._epoch, self._epochs = 0, None, None
        self._watched: Watched | None = None
        self._schedule = parse("")
        self._window: GradientWindow | None = None
        self._in_epoch, self._per_epoch = 0, None
        self._loss: Any = None
        self._counts_updates = False
        self._pending = False
        self._last_snapshot = -1
        self._last_progress = 0.0
        self._said: set[str] = set()
        self._handles: list[Any] = []
        self._parameters: dict[str, nn.Parameter] = {}
        self._replicas: int | None = None
        self._session = self._open()
        self._governor.budget = self._session.info.budget if self._session else 0.03
        atexit.register(self._at_exit)
        if model is not None:
            if inputs is not None:
                watch.setdefault("evaluation", {"all": EvaluationSet(inputs, targets)})
            self.watch(model, **watch)

    def _open(self) -> Session | None:
        rank = os.environ.get("RANK", "0")
        if rank != "0":
            return None
        try:
            return Session.open(self.device.type)
        except (IbmonError, OSError) as error:
            print(f"ibmon: {error} The training goes on unmonitored.", file=sys.stderr)
            return None

    @property
    def device(self) -> torch.device:
        """Where the run asks to train: ``--device``, or the GPU where there is one."""
        asked = getattr(self, "_session", None)
        name = asked.info.device if asked else os.environ.get("IBMON_DEVICE", "auto")
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(name)

    # -- what to watch ----------------------------------------------------------------------------------------------

    def watch(
        self,
        model: nn.Module | None = None,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        evaluation: Mapping[str, EvaluationSet] | EvaluationSet | None = None,
        layers: layer_choice.Asked = None,
        capture: Capture | None = None,
        probes: Mapping[str, Probe] | None = None,
        estimators: Sequence[str] = (),
        analyses: Sequence[str] = (),
        schedule: Schedule | str | None = None,
        replicas: int | None = None,
        autocast: torch.dtype | None = None,
        batch_size: int | None = None,
    ) -> None:
        """Say what is watched, and take the untrained network.

        Args:
            model: the network; none with ``capture``.
            optimizer: counts updates and shows gradients by itself; without it call ``step`` once per update.
            evaluation: the fixed data snapshots are taken on, one set or several by name.
            layers: names, globs or module types, or ``{shown name: module name}``; default: activations and recurrent layers.
            capture: ``capture(evaluation_set) -> {name: Activation}``, for networks trained as one batched model.
            probes: ``probe(model, evaluation_set, rng=generator)`` by name; each gets a copy of the model of its own.
            estimators: what the run estimates with unless the command line says otherwise: ``"binning:width=0.07"``.
            analyses: analyses beside the default ones.
            schedule: when, unless the command line says; default: log-spaced, thinned to stay under the budget.
            replicas: the first dimension of every parameter counts this many networks.
            autocast: the type that the evaluation pass autocasts to, where the training does.
            batch_size: samples in a minibatch, for the gradient noise scale.

        Raises:
            IbmonError: a layer that does not exist, an evaluation set without tensors: before training starts.
        """
        if self._session is None:
            return
        session = self._session
        with self._governor.metered():
            sets = {"all": evaluation} if isinstance(evaluation, EvaluationSet) else dict(evaluation or {})
            for name in sets:
                if not BARE_NAME.fullmatch(name):
                    raise UsageError(f"{name!r} cannot name an evaluation set; use letters, digits, '.', '_' and '-'.")
            given = {name: samples_of(data) for name, data in sets.items()}
            sets = {name: limited(data, session.info.max_samples) for name, data in sets.items()}
            inner = None if model is None else unwrapped(model)
            chosen = layer_choice.choose(inner, layers) if inner is not None and capture is None else []
            self._watched = Watched(
                model=model,
                layers=chosen,
                evaluation=sets,
                probes=dict(probes or {}),
                capture=capture,
                autocast=autocast,
                batch_size=batch_size,
                seed=session.info.seed or 0,
            )
            self._replicas = replicas
            if session.info.schedule:
                self._schedule = parse(session.info.schedule)
            elif schedule is not None:
                self._schedule = parse(schedule) if isinstance(schedule, str) else schedule
            self._parameters = {} if inner is None else {n: p for n, p in inner.named_parameters() if p.requires_grad}
            if inner is None and optimizer is not None:
                listed = [p for group in optimizer.param_groups for p in group["params"]]
                self._parameters = {f"parameter{i}": p for i, p in enumerate(listed)}
            if optimizer is not None:
                self._counts_updates = True
                self._handles += [
                    optimizer.register_step_pre_hook(self._before_update),
                    optimizer.register_step_post_hook(self._after_update),
                ]
            with self._guarded("the evaluation data"):
                for name, data in sets.items():
                    write_static(session.run.evaluation, name, static_data(data))
            infos = [layer_choice.describe(layer, inner) for layer in chosen] if inner is not None else []
            asked = session.info.estimators
            session.append(
                Watch(
                    segment=session.segment,
                    layers=infos,
                    evaluation=[
                        EvaluationInfo(name=n, samples=samples_of(d), given=given[n], tasks=_tasks(d)) for n, d in sets.items()
                    ],
                    schedule=str(self._schedule),
                    estimators=_chosen(asked, estimators),
                    analyses=[*dict.fromkeys([*session.info.analyses, *analyses])],
                )
            )
            self._say_sampling(given)
            session.start_analyst()
            self._fit_into_spool()
            self._capture()
        self._governor.started = time.perf_counter()
        self._governor.spent = 0.0

    def _say_sampling(self, given: Mapping[str, int]) -> None:
        assert self._session is not None and self._watched is not None
        for name, data in self._watched.evaluation.items():
            if samples_of(data) < given[name]:
                self._session.notice(
                    f"Evaluation set {name!r}: {samples_of(data)} of {given[name]} samples are captured (--max-samples)."
                )

    def _fit_into_spool(self) -> None:
        """Take fewer samples where one snapshot alone would not fit into the spool."""
        assert self._session is not None and self._watched is not None
        bound, watched = self._session.spool.bound, self._watched
        for name, data in watched.evaluation.items():
            with self._guarded(f"the first capture on {name!r}"):
                size = size_of(snapshot(watched, name, 0, None)[0])
                if size > bound:
                    fewer = max(1, int(samples_of(data) * bound / size * 0.5))
                    sets = {**watched.evaluation, name: limited(data, fewer)}
                    self._watched = watched = replace(watched, evaluation=sets)
                    write_static(self._session.run.evaluation, name, static_data(sets[name]))
                    self._session.notice(
                        f"A snapshot on {name!r} takes {size / 1e6:.0f} MB and the spool holds {bound / 1e6:.0f} MB: "
                        f"{fewer} samples are captured instead of {samples_of(data)}.",
                        "warning",
                    )

    # -- what the training says ---------------------------------------------------------------------------------------

    def epochs(self, n: int, *, steps_per_epoch: int | None = None) -> Generator[int]:
        """``range(n)`` that knows the epochs: snapshots are then scheduled in epochs. Ends early when a stop was asked for.

        ``steps_per_epoch`` spreads the gradient window over the first epoch, too; later ones are known.
        """
        self._epochs, self._epoch = n, 0.0
        self._per_epoch = steps_per_epoch
        for epoch in range(n):
            if self.should_stop:
                return
            self._in_epoch = 0
            self._open_window(epoch + 1)
            yield epoch
            with self._governor.metered(), self._guarded("the end of an epoch"):
                self._take_pending(force=True)
                self._epoch = float(epoch + 1)
                self._per_epoch = self._in_epoch or self._per_epoch
                if not self._by_steps and self._due(epoch + 1):
                    self._capture()
                    self._thin(epoch + 1, n)
                self._progress()
                self._look_for_commands()

    def step(self, loss: Tensor | float | None = None) -> None:
        """One update: call it after ``backward`` and before ``optimizer.step()``. With an optimizer given to ``watch`` it only
        brings the loss, and is optional."""
        with self._governor.metered(), self._guarded("step"):
            self._loss = loss.detach() if isinstance(loss, Tensor) else loss
            if not self._counts_updates:
                self._take_pending()
                self._read_gradients(None)
                self._count_update()
                self._pending = self._by_steps and self._due(self._step)
            self._progress()
            self._look_for_commands()
        if self.should_stop and self.stop_raises:
            raise StopTraining

    def log(self, name: str, **values: Any) -> None:
        """Record numbers under a name: ``monitor.log("validation", loss=..., accuracy=...)``."""
        with self._governor.metered(), self._guarded("log"):
            if self._session is not None:
                numbers = {k: _number(v) for k, v in values.items()}
                self._session.append(
                    Scalars(segment=self._session.segment, name=name, step=self._step, epoch=self._epoch, values=numbers)
                )

    def snapshot(self) -> None:
        """Take a snapshot now, whatever the schedule says."""
        with self._governor.metered(), self._guarded("a snapshot"):
            self._capture()

    def close(self, status: str = "finished", error: str = "") -> None:
        """Take the last network, write what waits and the last word. Called by itself at the end of the process."""
        if self._session is None:
            return
        session = self._session
        for handle in self._handles:
            handle.remove()
        with self._guarded("the last snapshot"):
            if status != "failed" and self._last_snapshot != self._step:
                self._capture()
            self._progress(force=True)
        with self._guarded("the end"):
            session.close(status, self._step, self._epoch, error)
        self._session = None
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

    # -- updates and gradients ------------------------------------------------------------------------------------------

    def _before_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        with self._governor.metered(), self._guarded("gradients"):
            self._read_gradients(getattr(optimizer, "grad_scale", None))

    def _after_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        with self._governor.metered(), self._guarded("step"):
            found = getattr(optimizer, "found_inf", None)
            if found is not None and bool(found):
                return  # a fused optimizer skipped this update by itself: the scaled gradients were not finite
            self._count_update()
            if self._by_steps and self._due(self._step):
                self._capture()
                self._thin(self._step, None)
            self._progress()
            self._look_for_commands()
        if self.should_stop and self.stop_raises:
            raise StopTraining

    def _count_update(self) -> None:
        self._step += 1
        self._in_epoch += 1

    @property
    def _by_steps(self) -> bool:
        return self._schedule.unit == "steps" or (self._schedule.unit == "auto" and self._epochs is None)

    def _due(self, at: int) -> bool:
        return self._schedule.due(at, self._governor.level)

    def _thin(self, at: int, total: int | None) -> None:
        if self._governor.thin(self._schedule, at, total) and self._session is not None:
            self._session.notice(
                f"Snapshots are thinned to every {2**self._governor.level}th of the schedule: they took "
                f"{100 * self._governor.overhead:.1f} % of the training's time (budget {100 * self._governor.budget:.0f} %)."
            )

    def _open_window(self, at: int) -> None:
        """Start collecting gradients when a snapshot is near: the epoch before it, or the last steps before it."""
        if not self._parameters or self._session is None:
            return
        if self._by_steps:
            following = self._schedule.after(at, self._governor.level)
            if self._window is not None or following is None or following - at > WINDOW_STEPS:
                return
        elif not self._due(at):
            self._window = None
            return
        self._window = GradientWindow(dict(self._parameters), self._replicas)

    def _read_gradients(self, scale: Any) -> None:
        if self._by_steps:
            self._open_window(self._step)
        if self._window is None:
            return
        if self._by_steps or evenly(self._in_epoch, self._per_epoch):
            self._window.add(scale)
            if self._window.empty:
                self._say_once(
                    "No parameter has a gradient at step(): call it after backward() and before zero_grad().", "warning"
                )

    # -- snapshots ------------------------------------------------------------------------------------------------------

    def _take_pending(self, *, force: bool = False) -> None:
        """Without an optimizer, the network after update s is first seen at the next call."""
        if self._pending:
            self._pending = False
            self._capture()
            self._thin(self._step, None)
        elif force and not self._counts_updates:
            self._pending = False

    def _capture(self) -> None:
        """Take a snapshot of every evaluation set; what fails is recorded as dropped."""
        if self._session is None or self._watched is None:
            return
        session, watched = self._session, self._watched
        gradients = {} if self._window is None else self._window.close()
        if gradients and any(g.nonfinite for g in gradients.values()):
            self._say_once("Some gradients are not finite; they are counted, not averaged.", "warning")
        self._window = None
        self._last_snapshot = self._step
        with self._governor.metered(capture=True):
            for name in watched.evaluation or ("",):
                try:
                    shot = self._shot(watched, name, gradients)
                except torch.OutOfMemoryError:
                    session.drop(self._step, self._epoch, name, "out of memory during the capture")
                except (CaptureError, IbmonError) as error:
                    session.drop(self._step, self._epoch, name, str(error))
                except Exception as error:  # the user's model or capture function: never into the training
                    reason = f"the capture failed: {type(error).__name__}: {error}"
                    session.drop(self._step, self._epoch, name, reason)
                    self._say_once(f"Snapshots on {name!r} cannot be taken: {type(error).__name__}: {error}", "error")
                else:
                    session.offer(shot, patient=session.info.lossless)
                gradients = {}
        self._progress(force=True)

    def _shot(self, watched: Watched, name: str, gradients: Mapping[str, GradientStatistics]) -> Snapshot:
        if not name:
            return Snapshot(self._step, self._epoch, "", gradients=gradients, batch_size=watched.batch_size)
        shot, failed = snapshot(watched, name, self._step, self._epoch)
        if failed and self._session is not None:
            for probe, error in failed.items():
                self._session.notice(f"The probe {probe!r} failed and is switched off: {error}", "error")
            kept = {n: p for n, p in watched.probes.items() if n not in failed}
            self._watched = replace(watched, probes=kept)
        return replace(shot, gradients=gradients)

    # -- saying -----------------------------------------------------------------------------------------------------------

    def _progress(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._session is None or (not force and now - self._last_progress < PROGRESS_SECONDS):
            return
        self._last_progress = now
        loss = _number(self._loss)
        if loss is not None and not _finite(loss):
            self._say_once(f"The loss became {loss} at step {self._step}.", "error")
        self._session.append(
            Progress(
                segment=self._session.segment,
                step=self._step,
                epoch=self._epoch,
                epochs=self._epochs,
                loss=loss,
                overhead=round(self._governor.overhead, 5),
                elapsed=round(self._governor.elapsed, 3),
            )
        )

    def _look_for_commands(self) -> None:
        if self._session is None:
            return
        commands = self._session.commands()
        if "snapshot" in commands:
            self._capture()
        if "stop" in commands:
            self.should_stop = True

    def _say_once(self, text: str, level: str) -> None:
        key = text.partition(" at step")[0]
        if key not in self._said and self._session is not None:
            self._said.add(key)
            self._session.notice(text, level)

    @contextmanager
    def _guarded(self, what: str) -> Generator[None]:
        """Whatever goes wrong inside becomes a notice."""
        try:
            yield
        except Exception as error:
            try:
                self._say_once(f"ibmon failed at {what} ({type(error).__name__}: {error}); the training goes on.", "error")
            except Exception as worse:
                print(f"ibmon: {worse}", file=sys.stderr)


def _number(value: Any) -> float | None:
    """A float of a number or a tensor; None for what is neither."""
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _finite(value: float) -> bool:
    return value - value == 0.0


def _tasks(data: EvaluationSet) -> list[str]:
    if data.targets is None:
        return []
    return ["y"] if isinstance(data.targets, Tensor) else list(data.targets)


def _chosen(asked: Sequence[str], own: Sequence[str]) -> list[str]:
    """What the command line asked for; a bare name takes the parameters that the recipe gives that estimator."""
    if not asked:
        return list(own)
    parameterised = {text.partition(":")[0]: text for text in own}
    return [parameterised.get(text, text) for text in asked]
