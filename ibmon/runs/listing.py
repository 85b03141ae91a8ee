"""What a list of runs says of each, for the command line and the screen alike; and the giving of names."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from ibmon.records import IbmonError

from .directory import write_info

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .directory import RunDirectory


def age(created: float) -> str:
    """How long ago, in one unit."""
    seconds = max(0.0, time.time() - created)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size_of(folder: Path | str) -> int:
    """Bytes of all files below a folder; links are not followed, and what vanishes meanwhile does not count."""
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += size_of(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def size_words(size: float) -> str:
    """Bytes for people: ``340 kB``, ``1.2 MB``."""
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


def differing(runs: Iterable[tuple[str, Mapping[str, object]]]) -> set[str]:
    """The parameters that do not have one value in all runs of their recipe, from the recipe and the parameters of each run."""
    count: Counter[str] = Counter()
    there: Counter[tuple[str, str]] = Counter()
    values: dict[tuple[str, str], set[str]] = {}
    for recipe, parameters in runs:
        count[recipe] += 1
        for name, value in parameters.items():
            there[recipe, name] += 1
            values.setdefault((recipe, name), set()).add(repr(value))
    return {name for (recipe, name), seen in values.items() if len(seen) > 1 or there[recipe, name] < count[recipe]}


def rename(run: RunDirectory, name: str) -> None:
    """Give a run a name; the directory keeps its own. Raises IbmonError when the run cannot be read or written."""
    try:
        write_info(run, msgspec.structs.replace(run.info(), name=name))
    except OSError as error:
        raise IbmonError(f"{run.id} cannot be renamed: {error.strerror or error}.") from error
