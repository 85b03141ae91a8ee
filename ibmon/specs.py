"""What a plugin declares: a name, and where to import the thing from once it is used."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A named thing of a plugin. ``target`` is ``"module:attribute"`` and is imported on first use only."""

    name: str
    target: str
    summary: str = ""

    def load(self) -> Any:
        """Import and return the thing itself."""
        return load_target(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorSpec(Spec):
    """An estimator of mutual information (see ``ibmon.Estimator``), and what it declares to be able to do.

    ``ibmon.testing.check_estimator`` runs the checks that fit what is declared, for the estimator's default options.

    - ``kinds``: kinds of variable it takes as y; ``x_kinds``: as x.
    - ``operations``: methods it has beside the call (``entropy``, ``conditional``, ``pairwise``).
    - ``bounds``: whether its estimates carry ``lower`` and ``upper``.
    - ``invariances``: what of a continuous variable does not change its estimate: ``scale`` (of each column), ``offset``,
      ``rotation``, ``monotone`` (an increasing function of each column).
    - ``consistent``: for which distributions it converges to the mutual information itself with the number of samples:
      ``gaussian`` (jointly), ``continuous`` (any smooth density), ``classes`` (a continuous variable and labels),
      ``discrete`` (labels and labels). An estimator of a surrogate (binned, noisy, kernel) declares none.
    - ``unit`` of its values, and ``memory``: the most MiB that a call takes beyond its input and output.
    """

    kinds: tuple[str, ...] = ("identity", "labels")
    x_kinds: tuple[str, ...] = ("continuous",)
    bounds: bool = False
    operations: tuple[str, ...] = ()
    invariances: tuple[str, ...] = ()
    consistent: tuple[str, ...] = ()
    unit: str = "bits"
    memory: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSpec(Spec):
    """An analysis: ``target`` has ``measure(snapshot, estimators)``; ``figures`` is a function of the history.

    ``requires`` names what a snapshot must have: ``layers``, ``time`` (a layer with a time axis), ``gradients``, ``targets``,
    ``probe:NAME``, or one of several, ``gradients|probe:NAME``.
    With ``per_estimator`` it runs once for each estimator of the run, which must take the ``kinds`` of variable named here and
    have the ``operations``. ``default`` analyses run without being asked for.
    The module of ``figures`` must not import torch: it is what the terminal and the exports call.
    """

    figures: str = ""
    requires: tuple[str, ...] = ("layers",)
    per_estimator: bool = True
    kinds: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    default: bool = True

    def lacking(self, estimator: EstimatorSpec) -> str:
        """What the analysis needs of an estimator and this one does not have, in words; empty when it fits."""
        needs = [kind for kind in self.kinds if kind not in estimator.kinds]
        if self.kinds and "continuous" not in estimator.x_kinds:
            needs.append("a continuous layer")
        needs += [operation for operation in self.operations if operation not in estimator.operations]
        return " and ".join(needs)

    def load_figures(self) -> Any:
        """Import and return the function ``figures(history) -> sequence of Figure``."""
        return load_target(self.figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSpec(Spec):
    """A training recipe: a function whose first parameter is the monitor and whose keyword parameters are its options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherSpec(Spec):
    """What starts the runs of a sweep: ``target`` is a ``Launcher``.

    With ``queues`` it takes all runs together and has a queue of its own; without, it starts what it is given, and the sweep
    gives it as many as are to run at a time.
    """

    queues: bool = False


class Launcher(Protocol):
    """A frozen dataclass whose fields are its options (``--on slurm:partition=main,time=60``).

    The job of a run is the command ``python -m ibmon.launch RUN``, with the Python of this process and the absolute path of the
    run's directory, on a machine that has this path. It returns when the training has ended and everything is measured, with 1
    where the training failed; SIGTERM stops the training after its step. Begun again in the same directory it trains anew, as a
    further segment. ``ibmon analyse --on`` gives the folder of a request in place of a run's, and the same command measures what
    it asks for: SIGTERM then keeps what was measured. Errors that a user can mend are an ``IbmonError`` of one sentence.
    """

    def submit(self, runs: Sequence[Path], *, folder: Path, at_once: int | None) -> Sequence[str]:
        """Start the runs, or queue them, ``at_once`` of them at a time (None: all); returns the name of a job for each.

        What the launcher has to write goes to ``folder``, which lies beside the runs and need not exist.
        """
        ...

    def alive(self, jobs: Sequence[str]) -> Collection[str]:
        """Those of the jobs that wait or run, or will be run again."""
        ...


def load_target(target: str) -> Any:
    """The attribute that ``"module:attribute"`` names."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)
