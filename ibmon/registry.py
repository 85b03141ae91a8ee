"""Find plugins, isolate the broken ones, name where each thing came from, and list what failed and why."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypeVar

import pluggy

from . import hookspecs
from .records import NotFoundError
from .specs import AnalysisSpec, EstimatorSpec, LauncherSpec, RecipeSpec, Spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GROUP = "ibmon"
KINDS: dict[str, type[Spec]] = {
    "estimators": EstimatorSpec,
    "analyses": AnalysisSpec,
    "recipes": RecipeSpec,
    "launchers": LauncherSpec,
}
S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, slots=True)
class Provider:
    """The distribution behind a plugin."""

    name: str
    version: str = ""

    @classmethod
    def of(cls, entry: EntryPoint) -> Provider:
        return cls(entry.dist.name, entry.dist.version) if entry.dist else cls(entry.value)

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin, or one thing of it, that was not taken."""

    provider: Provider
    plugin: str
    error: str


@dataclass(frozen=True, slots=True)
class Contribution:
    spec: Spec
    provider: Provider


@dataclass(frozen=True, slots=True)
class Registry:
    """What every installed plugin contributes, by kind and name."""

    contributions: Mapping[str, Mapping[str, Contribution]]
    failures: tuple[Failure, ...] = field(default=())

    def estimator(self, name: str) -> EstimatorSpec:
        return self._find("estimators", name, EstimatorSpec)

    def analysis(self, name: str) -> AnalysisSpec:
        return self._find("analyses", name, AnalysisSpec)

    def recipe(self, name: str) -> RecipeSpec:
        return self._find("recipes", name, RecipeSpec)

    def launcher(self, name: str) -> LauncherSpec:
        return self._find("launchers", name, LauncherSpec)

    def analyses(self) -> list[AnalysisSpec]:
        return [c.spec for c in self.contributions["analyses"].values() if isinstance(c.spec, AnalysisSpec)]

    def unusable(self, estimator: EstimatorSpec, analyses: Iterable[str]) -> str:
        """The sentence for an estimator that none of the ``analyses`` (as asked for) can use; empty when one of them can."""
        reasons: list[str] = []
        for text in analyses:
            analysis = self.analysis(text.partition(":")[0])
            if not analysis.per_estimator:
                continue
            lacking = analysis.lacking(estimator)
            if not lacking:
                return ""
            reasons.append(f"{analysis.name} needs {lacking}")
        return f"No analysis of this run can use {estimator.name}: {'; '.join(reasons) or 'none takes estimators'}."

    def provider(self, kind: str, name: str) -> str:
        """The distribution that provides a name, for notices."""
        found = self.contributions[kind].get(name)
        return str(found.provider) if found else ""

    def _find(self, kind: str, name: str, expected: type[S]) -> S:
        known = self.contributions[kind]
        if name in known:
            spec = known[name].spec
            assert isinstance(spec, expected)
            return spec
        from difflib import get_close_matches

        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(known)) or 'none'}."
        singular = {"estimators": "estimator", "analyses": "analysis", "recipes": "recipe", "launchers": "launcher"}[kind]
        raise NotFoundError(f"There is no {singular} called {name!r}; {hint}")


def discover() -> Registry:
    """Load every plugin of the entry-point group ``ibmon``, ibmon's own first.

    A plugin that fails to import, has a misspelt hook, fails while declaring, or reuses a name is reported in ``failures``; all
    others work. ``IBMON_PLUGINS``, a comma-separated list of distributions, restricts what is loaded (``ibmon`` itself
    included, so ``IBMON_PLUGINS=ibmon`` switches third parties off).
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    contributions: dict[str, dict[str, Contribution]] = {kind: {} for kind in KINDS}
    failures: list[Failure] = []
    for provider, entry in sorted(_entries(), key=lambda e: (e[0].name != "ibmon", e[0].name, e[1].name)):
        try:
            plugin = entry.load()
            manager.register(plugin, name=f"{provider}:{entry.name}")
            _refuse_unknown_hooks(manager, plugin)
            offered = _declared(manager, plugin)
        except Exception as error:
            failures.append(Failure(provider, entry.name, f"{type(error).__name__}: {error}"))
            continue
        for kind, spec in offered:
            known = contributions[kind]
            if spec.name in known:
                owner = known[spec.name].provider
                failures.append(Failure(provider, spec.name, f"the {kind} name {spec.name!r} is already taken by {owner}"))
            else:
                known[spec.name] = Contribution(spec, provider)
    return Registry(contributions, tuple(failures))


def _entries() -> list[tuple[Provider, EntryPoint]]:
    only = os.environ.get("IBMON_PLUGINS")
    allowed = None if only is None else {name.strip() for name in only.split(",")}
    found: dict[tuple[str, str, str], tuple[Provider, EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        provider = Provider.of(entry)
        if allowed is None or provider.name in allowed:
            # A distribution that lies on the path twice (a wheel and a checkout) is one plugin, not a collision.
            found.setdefault((provider.name, entry.name, entry.value), (provider, entry))
    return list(found.values())


def _refuse_unknown_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    unknown = [h.name for h in manager.get_hookcallers(plugin) or () if not h.has_spec()]
    if unknown:
        manager.unregister(plugin)
        raise TypeError(f"unknown hooks {', '.join(unknown)}; there are ibmon_{', ibmon_'.join(KINDS)}")


def _declared(manager: pluggy.PluginManager, plugin: object) -> list[tuple[str, Spec]]:
    offered: list[tuple[str, Spec]] = []
    for kind, expected in KINDS.items():
        for implementation in getattr(manager.hook, f"ibmon_{kind}").get_hookimpls():
            if implementation.plugin is not plugin:
                continue
            for spec in implementation.function():
                if not isinstance(spec, expected):
                    raise TypeError(f"ibmon_{kind} gave a {type(spec).__name__}, not a {expected.__name__}")
                offered.append((kind, spec))
    return offered
