"""The hooks a plugin may implement. Each takes nothing and only declares: nothing heavy may be imported by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .specs import AnalysisSpec, EstimatorSpec, LauncherSpec, RecipeSpec

hookspec = pluggy.HookspecMarker("ibmon")
hookimpl = pluggy.HookimplMarker("ibmon")


@hookspec
def ibmon_estimators() -> Iterable[EstimatorSpec]:
    """Estimators of mutual information."""
    return ()


@hookspec
def ibmon_analyses() -> Iterable[AnalysisSpec]:
    """Analyses of snapshots, with the figures they draw."""
    return ()


@hookspec
def ibmon_recipes() -> Iterable[RecipeSpec]:
    """Training recipes."""
    return ()


@hookspec
def ibmon_launchers() -> Iterable[LauncherSpec]:
    """What starts the runs of a sweep: here, or on a cluster."""
    return ()
