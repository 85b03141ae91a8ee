"""What a command or an import may load, seen in a clean interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "textual", "matplotlib", "plotext", "scipy")
PRINT = f"import sys; print('LOADED', *[m for m in {(*HEAVY, 'numpy')!r} if m in sys.modules])"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


def loaded_by_command(*arguments: str) -> set[str]:
    return loaded_by(
        f"import sys, atexit\nsys.argv = ['ibmon', *{arguments!r}]\n"
        f"atexit.register(lambda: exec({PRINT!r}))\nfrom ibmon.cli import main\nmain()"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("watch", "tishby", "--help"),
        ("estimate", "--help"),
        ("runs",),
        ("plugins",),
        ("plugins", "--help"),
        ("recipes",),
        ("recipes", "show", "tishby"),
    ],
    ids=" ".join,
)
def test_commands_that_only_tell_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by_command(*arguments)
    assert not loaded & set(HEAVY)
    if "runs" not in arguments:
        assert "numpy" not in loaded


@pytest.mark.parametrize(
    "module",
    [
        "ibmon",
        "ibmon.cli",
        "ibmon.cli.app",
        "ibmon.registry",
        "ibmon.records",
        "ibmon.launch",
        "ibmon_estimators",
        "ibmon_analyses",
    ],
)
def test_importing_what_only_declares_loads_nothing_heavy(module: str) -> None:
    assert not loaded_by(f"import {module}; {PRINT}")


def test_drawing_loads_no_torch() -> None:
    code = "from ibmon.figures.build import build_figures; import ibmon.plot.charts, ibmon_analyses.information_plane_figures"
    assert "torch" not in loaded_by(f"{code}; {PRINT}")


def test_reading_runs_in_a_notebook_loads_nothing_heavy() -> None:
    assert loaded_by(f"import ibmon; ibmon.open, ibmon.Run; {PRINT}") == {"numpy"}


def test_repository_folders_are_no_packages() -> None:
    from importlib.util import find_spec

    for name in ("plugins", "recipes"):
        spec = find_spec(name)
        assert spec is None or spec.origin is None


def test_every_public_name_exists() -> None:
    import ibmon

    for name in ibmon.__all__:
        assert getattr(ibmon, name) is not None
