"""The documentation says what is there."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import torch

from ibmon import Activation, Curves, Snapshot, hookspecs
from ibmon.analysis.values import logged
from ibmon.records import AnyRecord, Result
from ibmon.registry import discover
from ibmon.schedules import parse
from ibmon.tui.keys import KEYS
from support import history_of, written

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("kind", get_args(AnyRecord), ids=lambda k: k.__struct_config__.tag)
def test_every_kind_of_record_is_described(kind: type) -> None:
    assert f"| `{kind.__struct_config__.tag}` |" in (DOCS / "run-format.md").read_text()


def test_every_hook_is_described_with_its_signature() -> None:
    text = (DOCS / "plugins.md").read_text()
    hooks = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("ibmon_")}
    described = dict(re.findall(r"\| `(ibmon_\w+)(\(.*?\))` \|", text))
    assert described == {name: str(inspect.signature(hook)).partition(" ->")[0] for name, hook in hooks.items()}


@pytest.fixture
def written_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin that docs/plugins.md builds, as an installed distribution on the path."""
    files = re.findall(r"^```(?:python|toml) (\S+)\n(.*?)^```", (DOCS / "plugins.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(files) == 6
    for name, text in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folder = tmp_path / "active-units"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    told = folder / "active_units-0.1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "\n".join(f"{name} = {target}" for name, target in project["entry-points"]["ibmon"].items())
    (told / "entry_points.txt").write_text(f"[ibmon]\n{points}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    return folder


def test_the_plugin_that_is_described_passes_its_own_test(written_plugin: Path) -> None:
    assert discover().provider("estimators", "active-units") == "active-units 0.1"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(written_plugin / "tests")],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=written_plugin,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 15


def test_the_analysis_that_is_described_measures_and_draws(written_plugin: Path) -> None:
    from active_units.figures import figures
    from active_units.spread import Spread

    layer = Activation(torch.tensor([[1.0, -1.0], [1.0, -1.0]]), ("sample", "unit"))
    run = written([])
    measured = list(Spread().measure(Snapshot(step=2, epoch=None, evaluation="all", layers={"a": layer}), {}))
    values = [logged(m, run.arrays, "x") for m in measured]
    written([Result(segment=1, seq=0, job="spread", step=2, values=values)], role="analyst", run=run)
    (figure,) = figures(history_of(run))
    assert isinstance(figure, Curves) and figure.lines[0].label == "a"
    assert figure.lines[0].y.tolist() == pytest.approx([torch.tensor([1.0, -1.0, 1.0, -1.0]).std().item()])


def test_the_schedules_that_are_described_exist() -> None:
    for word in ("every:10epochs", "every:100steps", "at:1,10,100", "log:20"):
        assert word in (DOCS / "monitoring.md").read_text()
        parse(word)


def test_every_key_has_an_id_of_its_own_and_words() -> None:
    assert len({key.id for key in KEYS}) == len(KEYS)
    assert all(key.words for key in KEYS)


def test_every_link_of_the_readme_leads_somewhere() -> None:
    root = DOCS.parent
    for text in (root / "README.md", *DOCS.glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", text.read_text()):
            assert link.startswith("http") or (text.parent / link).exists(), f"{text.name}: {link}"
