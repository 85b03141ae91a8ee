"""A plugin to start from: ``ibmon plugins new`` writes a small distribution with an estimator that works and is tested."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from string import Template

from ibmon import __version__
from ibmon.records import IbmonError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "src/$module/__init__.py": "init.py",
    "src/$module/estimator.py": "estimator.py",
    "src/$module/py.typed": "",
    "tests/test_estimator.py": "test_estimator.py",
}
"""What is written, and the template it is made from. Templates end in .template: they are no Python until names are put in."""


def estimator_name(name: str) -> str:
    """The name of the estimator in a distribution: ``mine`` of ``ibmon-mine``. Raises UsageError for what is no bare name."""
    estimator = name.removeprefix("ibmon-")
    if len(name) > 60 or not (_NAME.fullmatch(name) and _NAME.fullmatch(estimator)):
        raise UsageError(f"{name!r} cannot name a distribution and a module; use small letters and digits, as my-estimator.")
    return estimator


def write_package(name: str, path: Path | None = None) -> Path:
    """Write the distribution ``name`` as a new folder: ``path``, or inside it where it is a folder already.

    Raises UsageError for a name that cannot be used, and IbmonError where something is in the way.
    """
    estimator, module = estimator_name(name), name.replace("-", "_")
    folder = Path(name) if path is None else path / name if path.is_dir() else path
    if folder.exists() or folder.is_symlink():
        raise IbmonError(f"{folder} is there already; name another path.")
    if keyword.iskeyword(module) or _importable(module):
        raise UsageError(f"There is a module called {module} already; choose another name.")
    names = {
        "distribution": name,
        "module": module,
        "estimator": estimator,
        "class_name": "".join(part.capitalize() for part in estimator.split("-")),
        "ibmon": ".".join(__version__.split(".")[:2]),
    }
    for target, template in _FILES.items():
        file = folder / Template(target).substitute(names)
        file.parent.mkdir(parents=True, exist_ok=True)
        text = (Path(__file__).parent / "template" / f"{template}.template").read_text(encoding="utf-8") if template else ""
        with file.open("x", encoding="utf-8") as opened:
            opened.write(Template(text).substitute(names))
    return folder


def _importable(module: str) -> bool:
    found = find_spec(module)
    return found is not None and found.origin is not None  # a folder of that name without Python in it is none
