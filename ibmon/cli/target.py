"""What the first argument of ``watch`` and ``run`` means: a run, here or on another host, a file or a recipe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ibmon.records import NotFoundError, UsageError

if TYPE_CHECKING:
    from ibmon.remote.address import Address
    from ibmon.runs.directory import RunDirectory
    from ibmon.signatures import Signature


@dataclass(frozen=True, slots=True)
class Target:
    """One of: an existing run; one on another host; a recipe with its signature (installed or a file's); a script; a program with
    its arguments."""

    name: str
    target: str = ""
    signature: Signature | None = None
    run: RunDirectory | None = None
    address: Address | None = None


def resolve(name: str | None, arguments: Sequence[str] = ()) -> Target:
    """A path that holds run.json is a run, a path to a ``.py`` file a recipe or script, a bare name a recipe, else a run; else,
    with arguments, a program; else ``host:path`` a run on another host.

    Without a name: the latest run. Raises UsageError when a name is both a recipe and a run, NotFoundError when it is neither.
    """
    from ibmon.runs.directory import find_run

    if name is None:
        run = find_run(None)
        return Target(run.id, run=run)
    path = Path(name)
    if (path / "run.json").is_file():
        run = find_run(name)
        return Target(run.id, run=run)
    if name.endswith(".py"):
        return _file(path)
    from ibmon.registry import discover
    from ibmon.signatures import of_target

    recipes = discover().contributions["recipes"]
    # A program or script is not the run whose id has its name as a part.
    program = bool((arguments or os.sep in name) and shutil.which(name))
    run = _run_called(name, whole=name in recipes or program)
    if name in recipes and run is not None:
        raise UsageError(f"{name!r} is a recipe and a run; say {run.path} for the run, or rename it with: ibmon rename")
    if name in recipes:
        spec = recipes[name].spec
        return Target(name, spec.target, of_target(spec.target))
    if run is not None:
        return Target(run.id, run=run)
    if program:
        return Target(_called(name, arguments), name)
    from ibmon.remote.address import parse

    address = parse(name)
    if address is not None:
        return Target(name, address=address)
    from difflib import get_close_matches

    near = get_close_matches(name, recipes, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`ibmon recipes` and `ibmon runs` list what there is."
    raise NotFoundError(f"There is no recipe, run or file called {name!r}; {hint}")


def _called(program: str, arguments: Sequence[str]) -> str:
    """A name for a run of a program: its script's, or its own."""
    return Path(next((a for a in arguments if a.endswith(".py")), program)).stem


def _run_called(name: str, *, whole: bool) -> RunDirectory | None:
    from ibmon.runs.directory import find_run

    try:
        return find_run(name, whole=whole)
    except NotFoundError:
        return None


def _file(path: Path) -> Target:
    from ibmon.signatures import is_recipe, of_source

    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.")
    signature = of_source(path, "train") if is_recipe(path) else None
    return Target(path.stem, str(path.resolve()), signature)
