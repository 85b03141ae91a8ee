"""What a user set for good: keys and looks, in ``$XDG_CONFIG_HOME/ibmon/config.toml``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.binding import Binding

from ibmon.records import UsageError

from .keys import GROUPS, KEYS, SCREENS, Key
from .look import SHADES, Shade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibmon.plot.palette import Colours

_TABLES = ("look", "keys")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a configuration file says; None where it leaves the choice to the terminal. ``keys`` maps ids to keys."""

    theme: Shade | None = None
    colours: Colours = "default"
    ascii: bool = False
    low_bandwidth: bool = False
    keys: Mapping[str, str] = field(default_factory=dict[str, str])


def path() -> Path:
    """Where the configuration lies, whether there is one or not."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "ibmon" / "config.toml"


def load(file: Path | None = None) -> Settings:
    """The user's settings; the defaults without a file. Raises UsageError that says what to mend."""
    file = file or path()
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}; `ibmon config` prints one that works.") from error
    _known(file, given, _TABLES, "table")
    look, keys = (_table(file, given, name) for name in _TABLES)
    _known(file, look, ("theme", "colours", "ascii", "low_bandwidth"), "setting")
    if "theme" in look and look["theme"] not in SHADES:
        raise UsageError(f"{file}: theme is one of {', '.join(SHADES)}, not {look['theme']!r}.")
    if "colours" in look and look["colours"] not in colour_maps():
        raise UsageError(f"{file}: colours is one of {', '.join(colour_maps())}, not {look['colours']!r}.")
    for name in ("ascii", "low_bandwidth"):
        if not isinstance(look.get(name, False), bool):
            raise UsageError(f"{file}: {name} is true or false, not {look[name]!r}.")
    return Settings(**look, keys=_keys(file, keys))


def colour_maps() -> tuple[Colours, ...]:
    """The names of the colour maps. They are the renderer's, which needs numpy: not for the first paint."""
    from ibmon.plot.palette import COLOUR_MAPS

    return COLOUR_MAPS


def _table(file: Path, given: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = given.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{file}: [{name}] is a table.")
    return table  # pyright: ignore[reportUnknownVariableType]


def _known(file: Path, given: Mapping[str, Any], names: tuple[str, ...], kind: str) -> None:
    for name in given:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(names)}."
            raise UsageError(f"{file}: there is no {kind} {name!r}; {hint}")


def _keys(file: Path, given: Mapping[str, Any]) -> dict[str, str]:
    """The keys by id; no two things that are offered at the same place may have one key."""
    _known(file, given, tuple(key.id for key in KEYS), "key")
    for name, keys in given.items():
        if not isinstance(keys, str) or not all(part.strip() for part in keys.split(",")):
            raise UsageError(f'{file}: {name} = {keys!r} is no key; write it as "f5", "ctrl+e" or "j,down".')
    # As Textual names them: "/" is "slash".
    mine = {key.id: [b.key for b in Binding.make_bindings([Binding(given.get(key.id, key.keys), "")])] for key in KEYS}
    taken: dict[tuple[str, str], str] = {}
    for key in KEYS:
        for place in _places(key):
            for one in mine[key.id]:
                other = taken.setdefault((place, one), key.id)
                if other != key.id and (other in given or key.id in given):
                    raise UsageError(f"{file}: {one!r} is the key of both {other!r} and {key.id!r}.")
    return {name: ",".join(mine[name]) for name in given}


def _places(key: Key) -> Iterator[str]:
    """The screens where a key is offered whatever is done there, if only for some runs."""
    yield from (screen for screen in (*SCREENS, "other") if key.offered(screen, read_only=False, states={"networks"}))


def example() -> str:
    """A configuration that says what is so without one, every line of it commented out."""
    lines = [
        f"# {path()}",
        "",
        "[look]",
        f'# theme = "dark"          # {", ".join(SHADES)}; without it as the terminal says (COLORFGBG)',
        f'# colours = "default"     # {", ".join(colour_maps())}',
        "# ascii = false",
        "# low_bandwidth = false",
        "",
        "[keys]",
    ]
    for group, title in GROUPS.items():
        lines.append(f"# {title}")
        lines += [f'# {key.id} = "{key.keys}"  # {key.words}' for key in KEYS if key.group == group]
    return "\n".join(lines) + "\n"
