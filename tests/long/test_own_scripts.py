"""Scripts that were not written for ibmon: any command, several processes, models of other libraries."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ibmon.runs.directory import find_runs, status
from support import finished, history_of, ibmon, wait_for

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "scripts"
pytestmark = pytest.mark.long


def test_the_script_that_is_described_is_watched_as_any_command(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "own-scripts.md").read_text()
    (script,) = re.findall(r"^```python own_loop.py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "own_loop.py").write_text(script)
    done = ibmon("run", "--name", "mine", "--", sys.executable, "-u", "own_loop.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    (run,) = find_runs()
    history = history_of(run)
    assert run.id.startswith("own_loop-") and run.info().name == "mine"
    assert status(run).state == "finished"
    assert history.captured == history.measured > 5
    assert {s.subject["layer"] for s in history.select("I(T;Y)")} == {"1", "2"}
    assert not [n for n in history.notices if n.level != "info"]


def test_a_command_that_fails_exits_as_it_did(tmp_path: Path) -> None:
    done = ibmon("run", "--", sys.executable, "-c", "import sys; print('no data'); sys.exit(5)", cwd=tmp_path)
    assert done.returncode == 1
    assert "exited with code 5" in done.stderr and "no data" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    silent = ibmon("run", "--", sys.executable, "-c", "pass", cwd=tmp_path)
    assert silent.returncode == 0 and "nothing was watched" in silent.stdout
    missing = ibmon("run", "--", "no-such-program", "x", cwd=tmp_path)
    assert missing.returncode == 3 and "no recipe, run or file" in missing.stderr


def _weights(out: Path) -> Any:
    return torch.load(out, weights_only=False)


@pytest.mark.parametrize("kind", ["ddp", "sharded"])
def test_several_processes_train_the_same(kind: str, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    script = [str(SCRIPTS / "several.py")]
    alone = subprocess.run([*torchrun, *script, str(tmp_path / "a.pt"), kind], capture_output=True, text=True, timeout=280)
    assert alone.returncode == 0, alone.stderr[-2000:]
    done = ibmon("run", "--lossless", "--", *torchrun, *script, str(tmp_path / "b.pt"), kind, "watched")
    assert done.returncode == 0, done.stderr[-2000:]
    (run,) = find_runs()
    wait_for(lambda: finished(run), "for the analysis")
    history = history_of(run)
    (a, random), (b, also) = _weights(tmp_path / "a.pt"), _weights(tmp_path / "b.pt")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert torch.equal(random, also)
    assert history.end is not None and (history.end.status, history.end.step) == ("finished", 8)
    if kind == "sharded":
        assert history.captured == 0
        assert [n for n in history.notices if "sharded over processes" in n.text]
    else:
        assert history.captured == history.measured == 5
        assert not [n for n in history.notices if n.level != "info"]
        noise = history.select("gradient std")
        assert noise and all((s.value > 0).all() for s in noise)


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("families")


@pytest.mark.parametrize("name", ["BERT (transformers)", "GPT-2 (transformers)", "LSTM language model (torch)"])
def test_models_of_other_libraries_train_the_same(name: str, families: Any) -> None:
    if "transformers" in name:
        pytest.importorskip("transformers")
    row = families.tried(name)
    assert row.get("problem") is None and row["reproducible"] and row["equal"]
    measured, captured = row["snapshots"]
    assert measured == captured == 4
    assert not row["problems"]
    assert "I(H_t;Y)" in row["quantities"] or "I(T;Y)" in row["quantities"]
