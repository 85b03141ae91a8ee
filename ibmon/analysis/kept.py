"""Kept snapshots, looked at again without a word in the run's logs: what the studies of ``ibmon calibrate`` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ibmon.records import IbmonError, Measurement, NotFoundError, RunInfo, UsageError, Watch
from ibmon.registry import Registry
from ibmon.runs.directory import RunDirectory
from ibmon.runs.log import printable
from ibmon.runs.reading import HistoryReader
from ibmon.signatures import Request
from ibmon.spool import Group, StaticData, groups, read_group, read_static
from ibmon.tensors import Snapshot

from .estimating import ready
from .jobs import DEFAULT_ESTIMATORS, Job

ANALYSIS = "information-plane"

Tell = Callable[[float], None]
"""Told from time to time which share of the work is done."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The kept snapshots of a run on one evaluation set, in the order they were taken, and the run's estimators."""

    info: RunInfo
    evaluation: str
    snapshots: tuple[tuple[Group, Snapshot], ...]
    estimators: tuple[str, ...]

    @property
    def seed(self) -> int:
        return self.info.seed or 0


def kept(run: RunDirectory, evaluation: str | None = None) -> Kept:
    """What a run kept of its evaluation set of that name, or of its first. Tensors are read when they are used.

    Raises IbmonError when it kept nothing and where a snapshot is damaged, NotFoundError for an evaluation set it has not.
    """
    info, static = run.info(), dict[str, StaticData]()

    def fixed(name: str) -> StaticData:
        if name not in static:
            static[name] = read_static(run.evaluation, name)
        return static[name]

    found = [(group, read_group(group, fixed, info.analyst_device)) for group in groups(run.snapshots)]
    if not found:
        raise IbmonError(f"{run.id} kept no snapshots; run it with --keep-snapshots to look at it in other ways.")
    chosen = chosen_evaluation(run, [snapshot.evaluation for _, snapshot in found], evaluation)
    watch = watch_of(run)
    estimators = (watch.estimators if watch is not None else info.estimators) or DEFAULT_ESTIMATORS
    return Kept(info, chosen, tuple((g, s) for g, s in found if s.evaluation == chosen), tuple(estimators))


def watch_of(run: RunDirectory) -> Watch | None:
    """What the run's newest trainer watches; None before it has said so."""
    reader = HistoryReader(run)
    reader.poll()
    return reader.history().watch


def chosen_evaluation(run: RunDirectory, names: Sequence[str], wanted: str | None) -> str:
    """The evaluation set that is wanted, or the first. Raises NotFoundError where it is not there."""
    if wanted is not None and wanted not in names:
        there = ", ".join(printable(name) for name in dict.fromkeys(names))
        raise NotFoundError(f"{run.id} has no evaluation set {wanted!r}; there is {there}.")
    return names[0] if wanted is None else wanted


def plane_jobs(registry: Registry, estimators: Sequence[str], analysis: str = ANALYSIS) -> dict[str, Job]:
    """The information plane with each estimator, by its canonical name; ``analysis`` may say its options.

    Raises NotFoundError for a name that is not installed and UsageError for another analysis, options that are wrong, and an
    estimator that no information plane can use.
    """
    request = Request.parse(analysis)
    if request.name != ANALYSIS:
        raise UsageError(f"{request.name} is no information plane; say {ANALYSIS} or {ANALYSIS}:channels=mean.")
    spec = registry.analysis(ANALYSIS)
    options, canonical = request.resolve(spec.target)
    try:
        plane = spec.load()(**options)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error
    jobs: dict[str, Job] = {}
    for text in estimators:
        chosen = ready(registry, text)
        lacking = spec.lacking(chosen.spec)
        if lacking:
            raise UsageError(f"{chosen.name} cannot draw an information plane, which needs {lacking} of an estimator.")
        name = f"{canonical}/{chosen.name}"
        jobs[chosen.name] = Job(name, plane, spec.requires, {chosen.name: chosen.estimator}, chosen.provider)
    return jobs


def measured(job: Job, snapshot: Snapshot, seed: int) -> list[Measurement]:
    """Everything the job measures. Raises IbmonError where its plugin fails, naming it."""
    try:
        return job.measure(snapshot, seed)
    except IbmonError:
        raise
    except Exception as error:  # somebody else's plugin
        said = printable(f"{type(error).__name__}: {error}", 300)
        raise IbmonError(f"{job.name} ({job.provider}) failed at step {snapshot.step}: {said} (--debug shows where)") from error
