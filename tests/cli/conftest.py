"""The command line in this process: torch is imported once, and not for every command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ibmon.cli import main


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: Any) -> Said:
        monkeypatch.setattr(sys, "argv", ["ibmon", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Said(ended.value.code or 0, out, err)

    return run


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder of values that other people's published estimators gave on fixed inputs."""
    folder = Path(os.environ.get("IBMON_ORACLE") or Path(__file__).parents[3] / "shared" / "oracle")
    if not folder.is_dir():
        pytest.skip(f"no reference values in {folder}; IBMON_ORACLE names the folder that has them")
    return folder
