"""What the shell offers behind Tab: names of recipes, estimators and runs."""

from __future__ import annotations


def complete_recipe(incomplete: str) -> list[str]:
    return _contributed("recipes", incomplete)


def complete_estimator(incomplete: str) -> list[str]:
    return _contributed("estimators", incomplete)


def complete_launcher(incomplete: str) -> list[str]:
    return _contributed("launchers", incomplete)


def complete_run(incomplete: str) -> list[str]:
    from ibmon.runs.directory import find_runs

    return [run.id for run in find_runs() if run.id.startswith(incomplete)]


def complete_target(incomplete: str) -> list[str]:
    return complete_recipe(incomplete) + complete_run(incomplete)


def _contributed(kind: str, incomplete: str) -> list[str]:
    from ibmon.registry import discover

    return [name for name in discover().contributions[kind] if name.startswith(incomplete)]
