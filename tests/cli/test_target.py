"""What the word behind ``ibmon run`` and ``ibmon watch`` means."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibmon import launch
from ibmon.cli.target import resolve
from ibmon.records import IbmonError
from ibmon.runs.directory import create


def test_a_program_is_not_the_run_whose_id_has_its_name_as_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(launch.describe_run(recipe="python-sh", target="x"))
    assert resolve("python", ["train.py"]).run is None
    assert resolve("sh", ["go.sh"]).run is None
    assert resolve("python-s", []).run == run, "a part of an id is enough for a run"
    assert resolve(run.id, ["train.py"]).run == run
    script = tmp_path / "go.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert resolve("./go.sh", []).run is None
    with pytest.raises(IbmonError, match="no recipe, run or file"):
        resolve("no-such-program", ["a"])
