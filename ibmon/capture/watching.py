"""What the Monitor does with its session: say what is watched, take snapshots, report. Knows nothing of when."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ibmon.records import EvaluationInfo, IbmonError, LayerInfo, Progress, Watch
from ibmon.reductions import parse
from ibmon.schedules import Schedule
from ibmon.spool import size_of, write_static
from ibmon.tensors import EvaluationSet, GradientStatistics, Snapshot

from . import shadow
from .evaluate import Taken, Watched, chunk_of, labels, limited, samples_of, snapshot, static_data, update
from .governor import Governor
from .session import Session
from .shadow import CaptureError, ChangedError


class Watching:
    """One session with what is watched in it. Whatever goes wrong inside becomes a notice or a recorded drop."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.governor = Governor(budget=session.info.budget)
        self.watched: Watched | None = None
        self._said: set[str] = set()
        self._before: nn.Module | None = None

    def begin(
        self, watched: Watched, layers: Sequence[LayerInfo], schedule: Schedule, estimators: list[str], analyses: list[str]
    ) -> None:
        """Log what is watched, write the data that never change, start the analyst."""
        session = self.session
        given = {name: samples_of(data) for name, data in watched.evaluation.items()}
        sets = {name: limited(data, session.info.max_samples) for name, data in watched.evaluation.items()}
        self.watched = replace(watched, evaluation=sets, reduction=parse(session.info.reduce) or watched.reduction)
        for name, data in sets.items():
            for task in _tasks(data):
                if task not in labels(data):
                    self.notice(f"The targets {task!r} on {name!r} are real numbers: I(T;Y) is measured of classes only.")
            if samples_of(data) < given[name]:
                self.notice(f"Evaluation set {name!r}: {samples_of(data)} of {given[name]} samples are captured (--max-samples).")
        with self.guarded("the first capture"):
            self._fit_into_spool()
        sets = self.watched.evaluation
        with self.guarded("the evaluation data"):
            for name, data in sets.items():
                write_static(session.run.evaluation, name, static_data(data))
        infos = [EvaluationInfo(name=n, samples=samples_of(d), given=given[n], tasks=list(labels(d))) for n, d in sets.items()]
        session.append(
            Watch(
                segment=session.segment,
                layers=list(layers),
                evaluation=infos,
                schedule=str(schedule),
                estimators=estimators,
                analyses=analyses,
            )
        )
        session.start_analyst()

    def begin_blind(self, reason: str) -> None:
        """Record a training of which nothing can be captured, and why."""
        self.session.append(Watch(segment=self.session.segment))
        self.say_once(reason, "error")

    def _fit_into_spool(self) -> None:
        """Take fewer samples where one snapshot alone would not fit into the spool."""
        assert self.watched is not None
        bound, watched = self.session.spool.bound, self.watched
        for name, data in watched.evaluation.items():
            try:
                chunk, each = chunk_of(watched, name)
                self.watched = watched = replace(watched, chunk=min(chunk, watched.chunk))
                if each * samples_of(data) > bound:  # not even tried: it may be more than the machine's memory
                    self._take_fewer(name, each * samples_of(data))
                    watched = self.watched
                size = size_of(snapshot(watched, name, 0, None).snapshot)
            except Exception:  # what fails here fails again at the first snapshot, and is recorded there
                continue
            if size > bound:
                self._take_fewer(name, size)
                watched = self.watched

    def _take_fewer(self, name: str, size: int) -> None:
        """As many samples of an evaluation set, whose snapshot takes ``size`` bytes, as fit into half of the spool."""
        assert self.watched is not None
        data, bound = self.watched.evaluation[name], self.session.spool.bound
        fewer = max(1, int(samples_of(data) * bound / size * 0.5))
        self.watched = replace(self.watched, evaluation={**self.watched.evaluation, name: limited(data, fewer)})
        self.notice(
            f"A snapshot on {name!r} takes {size / 1e6:.0f} MB and the spool holds {bound / 1e6:.0f} MB: "
            f"{fewer} samples are captured instead of {samples_of(data)}.",
            "warning",
        )

    def take(self, step: int, epoch: float | None, gradients: Mapping[str, GradientStatistics]) -> None:
        """Take a snapshot of every evaluation set, the gradients with the first; what fails is recorded as dropped."""
        if self.watched is None:
            return
        if any(g.nonfinite for g in gradients.values()):
            self.say_once("Some gradients are not finite; they are counted, not averaged.", "warning")
        with self.governor.metered(capture=True):
            for name in self.watched.evaluation or ("",):
                try:
                    shot = self._shot(self.watched, name, step, epoch, gradients)
                except torch.OutOfMemoryError:
                    self.session.drop(step, epoch, name, "out of memory during the capture")
                except ChangedError as error:
                    self.session.drop(step, epoch, name, str(error))
                    self.say_once(f"No further snapshots are taken, so that the training is not harmed: {error}.", "error")
                    self.watched = replace(self.watched, model=None, capture=None, evaluation={}, probes={}, updates={})
                    return  # what is read of gradients goes on
                except (CaptureError, IbmonError) as error:
                    self.session.drop(step, epoch, name, str(error))
                except Exception as error:  # the user's model or capture function: never into the training
                    said = f"{type(error).__name__}: {error}"
                    self.session.drop(step, epoch, name, f"the capture failed: {said}")
                    self.say_once(f"Snapshots on {name!r} cannot be taken: {said}", "error")
                else:
                    self.session.offer(shot, patient=self.session.info.lossless)
                gradients = {}

    def _shot(
        self, watched: Watched, name: str, step: int, epoch: float | None, gradients: Mapping[str, GradientStatistics]
    ) -> Snapshot:
        if not name:
            return Snapshot(step, epoch, "", gradients=gradients, batch_size=watched.batch_size)
        taken = snapshot(watched, name, step, epoch)
        if taken.failed:
            self._say_failed(taken.failed)
            self.watched = replace(watched, probes={n: p for n, p in watched.probes.items() if n not in taken.failed})
        self._say_unusable(taken, name)
        return replace(taken.snapshot, gradients=gradients)

    def _say_unusable(self, taken: Taken, name: str) -> None:
        for layer, reason in taken.unusable.items():
            self.say_once(f"The layer {layer!r} is left out on {name!r}: {reason}.", "warning")

    def open_update(self) -> None:
        """Keep the network as it is before the next update, where probes ask what an update changes."""
        watched = self.watched
        if watched is None or watched.model is None or not watched.updates or not watched.evaluation:
            return
        with self.governor.metered(further=True), shadow.unnoticed(watched.model):
            self._before = shadow.copied(watched.model, share=False)

    @property
    def updating(self) -> bool:
        """Whether the next update is looked at."""
        return self._before is not None

    def close_update(self, step: int, epoch: float | None) -> None:
        """Ask those probes, after the update that followed ``step``; on the first evaluation set."""
        before, watched = self._before, self.watched
        self._before = None
        if before is None or watched is None:
            return
        with self.governor.metered(further=True):
            shot, failed = update(watched, next(iter(watched.evaluation)), before, step, epoch)
            if failed:
                self._say_failed(failed)
                self.watched = replace(watched, updates={n: p for n, p in watched.updates.items() if n not in failed})
            if shot.probes:
                self.session.offer(shot, patient=self.session.info.lossless)

    def _say_failed(self, failed: Mapping[str, str]) -> None:
        for probe, error in failed.items():
            self.notice(f"The probe {probe!r} failed and is switched off: {error}", "error")

    def thin(self, schedule: Schedule, at: int, total: int | None) -> None:
        """Let the governor thin the schedule, and say so."""
        governor = self.governor
        if governor.thin(schedule, at, total):
            self.notice(
                f"Snapshots are thinned to one in {2**governor.level} of the schedule: they took "
                f"{100 * governor.overhead:.1f} % of the training's time (budget {100 * governor.budget:.0f} %)."
            )

    def progress(self, step: int, epoch: float | None, epochs: int | None, loss: Any) -> None:
        value = number(loss)
        if value is not None and value - value != 0.0:
            self.say_once(f"The loss became {value} at step {step}.", "error")
        self.session.append(
            Progress(
                segment=self.session.segment,
                step=step,
                epoch=epoch,
                epochs=epochs,
                loss=value,
                overhead=round(self.governor.overhead, 5),
                elapsed=round(self.governor.elapsed, 3),
            )
        )

    def notice(self, text: str, level: str = "info") -> None:
        self.session.notice(text, level)

    def say_once(self, text: str, level: str) -> None:
        key = text.partition(" at step")[0]
        if key not in self._said:
            self._said.add(key)
            self.notice(text, level)

    @contextmanager
    def guarded(self, what: str) -> Generator[None]:
        """Whatever goes wrong inside becomes a notice; the block's time counts as the monitor's."""
        with self.governor.metered():
            try:
                yield
            except Exception as error:
                try:
                    self.say_once(f"ibmon failed at {what} ({type(error).__name__}: {error}); the training goes on.", "error")
                except Exception as worse:
                    print(f"ibmon: {worse}", file=sys.stderr)

    def start_clock(self) -> None:
        """The training begins now: what was set up before, the first and coldest snapshot included, does not count."""
        self.governor = Governor(budget=self.governor.budget)


def asked_for(asked: Sequence[str], own: Sequence[str]) -> list[str]:
    """What the command line asked for; a bare name takes the parameters that the recipe gives that estimator."""
    if not asked:
        return list(own)
    parameterised = {text.partition(":")[0]: text for text in own}
    return [parameterised.get(text, text) for text in asked]


def number(value: Any) -> float | None:
    """A float of a number or a tensor; None for what is neither."""
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _tasks(data: EvaluationSet) -> list[str]:
    if data.targets is None:
        return []
    return ["y"] if isinstance(data.targets, Tensor) else list(data.targets)
