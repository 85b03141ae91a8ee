"""What a plugin declares: a name, and where to import the thing from once it is used."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


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
    """An estimator of mutual information (see ``ibmon.Estimator``).

    ``kinds`` are the kinds of variable it accepts beside a continuous one; ``bounds`` says whether its estimates carry
    them; ``operations`` are methods it has beside the call (``entropy``, ``conditional``, ``pairwise``).
    """

    kinds: tuple[str, ...] = ("identity", "labels")
    bounds: bool = False
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSpec(Spec):
    """An analysis: ``target`` has ``measure(snapshot, estimators)``; ``figures`` is a function of the history.

    ``requires`` names what a snapshot must have: ``layers``, ``gradients``, ``targets``, ``probe:NAME``.
    With ``per_estimator`` it runs once for each estimator of the run. ``default`` analyses run without being asked for.
    The module of ``figures`` must not import torch: it is what the terminal and the exports call.
    """

    figures: str = ""
    requires: tuple[str, ...] = ("layers",)
    per_estimator: bool = True
    default: bool = True

    def load_figures(self) -> Any:
        """Import and return the function ``figures(history) -> sequence of Figure``."""
        return load_target(self.figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeSpec(Spec):
    """A training recipe: a function whose first parameter is the monitor and whose keyword parameters are its options."""


def load_target(target: str) -> Any:
    """The attribute that ``"module:attribute"`` names."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)
