"""What the analyst has to do with a snapshot: one job an analysis and estimator, made from plugins by name."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch

from ibmon.records import IbmonError, Measurement
from ibmon.registry import Registry
from ibmon.signatures import Request, Scalar
from ibmon.specs import EstimatorSpec
from ibmon.spool import axes_of
from ibmon.tensors import Estimate, Snapshot, Variable

DEFAULT_ESTIMATORS = ("binning", "kde:relative=true,variance=0.1")


@dataclass(frozen=True, slots=True)
class Bound:
    """An estimator as an analysis gets it: with its random numbers for this snapshot, so that a repeat gives the same."""

    estimator: Any
    rng: torch.Generator

    def __call__(self, x: Variable, ys: Sequence[Variable]) -> tuple[Estimate, ...]:
        return self.estimator(x, ys, rng=self.rng)

    def entropy(self, x: Variable) -> Estimate:
        return self.estimator.entropy(x, rng=self.rng)

    def conditional(self, x: Variable, y: Variable, z: Variable) -> Estimate:
        return self.estimator.conditional(x, y, z, rng=self.rng)

    def pairwise(self, x: Variable, y: Variable, *, lag: int = 0) -> Estimate:
        return self.estimator.pairwise(x, y, lag=lag, rng=self.rng)


@dataclass(frozen=True, slots=True)
class Job:
    """An analysis with its estimator; ``name`` identifies it in the log for ever."""

    name: str
    analysis: Any
    requires: tuple[str, ...]
    estimators: Mapping[str, Any]
    provider: str

    @property
    def options(self) -> dict[str, dict[str, Scalar]]:
        """Every option of the job's estimators, by the estimator's name."""
        return {
            name: {field.name: _scalar(getattr(estimator, field.name)) for field in fields(estimator)}
            for name, estimator in self.estimators.items()
            if is_dataclass(estimator)
        }

    def fits(self, snapshot: Snapshot) -> bool:
        """Whether the snapshot has what the analysis requires."""
        has = {
            "layers": bool(snapshot.layers),
            "time": any("time" in axes for axes in axes_of(snapshot.layers)),
            "gradients": bool(snapshot.gradients),
            "targets": bool(snapshot.targets),
            "outputs": snapshot.outputs is not None,
            "inputs": snapshot.inputs is not None,
        }
        probes = {p.partition(".")[0] for p in snapshot.probes}
        has |= {f"probe:{probe}": True for probe in probes}
        return all(any(has.get(one, False) for one in need.split("|")) for need in self.requires)

    def measure(self, snapshot: Snapshot, seed: int) -> list[Measurement]:
        """Everything the analysis measures on the snapshot. Raises whatever the plugin raises.

        Random numbers depend on the run's seed, the step and the job alone, so that a repeat after a crash gives the same.
        """
        rng = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{snapshot.step}/{self.name}".encode()))
        bound = {name: Bound(estimator, rng) for name, estimator in self.estimators.items()}
        measured: Iterable[Measurement] = self.analysis.measure(snapshot, bound)
        return [_confessed(one, snapshot) for one in measured]


def _confessed(measurement: Measurement, snapshot: Snapshot) -> Measurement:
    """The measurement with the flags of a layer that was cut down when it was captured."""
    cut = snapshot.reduced.get(measurement.subject.get("layer", ""))
    return measurement if cut is None else replace(measurement, flags={**measurement.flags, **dict.fromkeys(cut.flags, True)})


@dataclass(frozen=True, slots=True)
class _Ready:
    """An estimator of a run: what it declares, the thing itself, and who provides it."""

    spec: EstimatorSpec
    estimator: Any
    provider: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A plugin that could not become a job."""

    job: str
    error: str
    provider: str


def plan(registry: Registry, estimators: Sequence[str], analyses: Sequence[str]) -> tuple[list[Job], list[Problem]]:
    """The jobs of a run: every default analysis and those asked for, each with each estimator. Broken plugins are returned."""
    jobs: list[Job] = []
    problems: list[Problem] = []
    ready: dict[str, _Ready] = {}
    for text in estimators or DEFAULT_ESTIMATORS:
        name = text.partition(":")[0]
        try:
            request = Request.parse(text)
            spec = registry.estimator(request.name)
            options, canonical = request.resolve(spec.target)
            ready[canonical] = _Ready(spec, spec.load()(**options), registry.provider("estimators", request.name))
        except Exception as error:  # a plugin may fail in any way; the others go on
            problems.append(Problem(text, _said(error), registry.provider("estimators", name)))
    wanted = [s.name for s in registry.analyses() if s.default]
    wanted += [text for text in analyses if text not in wanted]
    for text in wanted:
        name = text.partition(":")[0]
        provider = registry.provider("analyses", name)
        try:
            request = Request.parse(text)
            spec = registry.analysis(request.name)
            options, canonical = request.resolve(spec.target)
            analysis = spec.load()(**options)
        except Exception as error:
            problems.append(Problem(text, _said(error), provider))
            continue
        if not spec.per_estimator:
            jobs.append(Job(canonical, analysis, spec.requires, {}, provider))
            continue
        for estimator_name, estimator in ready.items():
            if spec.lacking(estimator.spec):
                continue
            who = provider if estimator.provider == provider else f"{provider}, {estimator.provider}"
            full = f"{canonical}/{estimator_name}"
            jobs.append(Job(full, analysis, spec.requires, {estimator_name: estimator.estimator}, who))
    used = {name for job in jobs for name in job.estimators}
    for name, estimator in ready.items():
        if name not in used:
            problems.append(Problem(name, registry.unusable(estimator.spec, wanted), estimator.provider))
    return jobs, problems


def _scalar(value: Any) -> Scalar:
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, IbmonError) else f"{type(error).__name__}: {error}"
