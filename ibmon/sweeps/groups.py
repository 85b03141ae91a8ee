"""Groups of runs: their members, which of them count, and how they part by what varies."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ibmon.launch import undrained
from ibmon.records import IbmonError, NotFoundError, RunInfo, UsageError
from ibmon.runs.directory import RunDirectory, find_runs, settle, status
from ibmon.runs.listing import differing
from ibmon.signatures import Scalar


@dataclass(frozen=True, slots=True)
class Member:
    """A run of a group, how its training stands, and whether all that it captured is measured."""

    run: RunDirectory
    info: RunInfo
    state: Literal["queued", "running", "finished", "stopped", "failed", "lost"]
    detail: str = ""
    measured: bool = True

    @property
    def identity(self) -> Hashable:
        return identity(self.info.recipe, self.info.target, self.info.parameters, self.info.arguments)


def identity(recipe: str, target: str, parameters: Mapping[str, Scalar], arguments: Sequence[str] = ()) -> Hashable:
    """What runs share that are the same but for the day; the seed is one of the parameters."""
    return recipe, target, frozenset(parameters.items()), tuple(arguments)


def group_names() -> list[str]:
    """The groups there are, the newest first."""
    return list(dict.fromkeys(info.group for _, info in _readable() if info.group))


def members(group: str) -> list[Member]:
    """The runs of a group, the newest first."""
    found = [(run, info) for run, info in _readable() if info.group == group]
    settle(run for run, _ in found)
    return [member_of(run, info) for run, info in found]


def _readable() -> list[tuple[RunDirectory, RunInfo]]:
    found: list[tuple[RunDirectory, RunInfo]] = []
    for run in find_runs():
        try:
            found.append((run, run.info()))
        except IbmonError:
            continue
    return found


def member_of(run: RunDirectory, info: RunInfo) -> Member:
    """The run as it stands now."""
    now = status(run, info)
    measured = not now.analysing and not undrained(run)
    if now.state in ("starting", "live"):
        return Member(run, info, "running", measured=measured)
    if now.state == "queued":
        return Member(run, info, "queued", now.detail)
    if now.state == "finished":
        return Member(run, info, "stopped" if now.detail == "stopped" else "finished", measured=measured)
    return Member(run, info, now.state, now.detail, measured)


def counting(members: Sequence[Member]) -> list[Member]:
    """The newest finished run of each combination, the first that was made first."""
    newest: dict[Hashable, Member] = {}
    for member in sorted(members, key=lambda m: m.info.created, reverse=True):
        if member.state == "finished":
            newest.setdefault(member.identity, member)
    return sorted(newest.values(), key=lambda m: m.info.created)


def varying(members: Sequence[Member]) -> list[str]:
    """The parameters that have several values, the seed left out, in the recipe's order."""
    differ = differing((m.info.recipe, m.info.parameters) for m in members)
    names = dict.fromkeys(name for m in members for name in m.info.parameters)
    return [name for name in names if name in differ and name != "seed"]


def parted(members: Sequence[Member], by: Sequence[str] = ()) -> dict[str, list[Member]]:
    """Members by the values of ``by``, else of all parameters that vary apart from the seed; the names say the values.

    Raises UsageError for a parameter that none has.
    """
    there = dict.fromkeys(name for m in members for name in m.info.parameters)
    names = [name.replace("-", "_") for name in by] or varying(members)
    for name in names:
        if name not in there:
            raise UsageError(f"No run has an option {name!r}; what varies is {', '.join(varying(members)) or 'the seed alone'}.")
    several = len({m.info.recipe for m in members}) > 1
    parts: dict[str, list[Member]] = {}
    for m in members:
        words = [m.info.recipe] if several and not by else []
        words += [f"{name}={said(m.info.parameters[name])}" for name in names if name in m.info.parameters]
        parts.setdefault(" ".join(words), []).append(m)
    return parts


def selected(members: Sequence[Member], where: Sequence[str]) -> list[Member]:
    """Those whose parameters have one of the values of every ``lr=1e-3,1e-4``. Raises IbmonError when there is none."""
    kept = list(members)
    for condition in where:
        name, equals, values = condition.partition("=")
        name = name.strip().replace("-", "_")
        if not name or not equals:
            raise UsageError(f"{condition!r} is not of the form option=value.")
        there = dict.fromkeys(said(m.info.parameters[name]) for m in kept if name in m.info.parameters)
        if not there:
            raise UsageError(f"No run has an option {name!r}; what varies is {', '.join(varying(members)) or 'the seed alone'}.")
        texts = [value.strip() for value in values.split(",")]
        kept = [m for m in kept if name in m.info.parameters and any(_is(m.info.parameters[name], text) for text in texts)]
        if not kept:
            raise NotFoundError(f"No run has {condition}; there is {name}={', '.join(there)}.")
    return kept


def _is(value: Scalar, text: str) -> bool:
    """Whether a text means the value."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(text) == value
        except ValueError:
            return False
    return text == value or text.lower() == said(value)


def said(value: Scalar) -> str:
    """A value as one writes it on a command line."""
    return str(value).lower() if isinstance(value, bool) or value is None else str(value).removesuffix(".0")
