"""Distributions of other people, built into wheels and installed outside the checkout: listed, run, drawn, shown, checked."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from ibmon.runs.directory import find_run
from support import finished, history_of, ibmon, wait_for

from .test_terminal import Tmux

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]


def pip(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def wheel(project: Path, folder: Path) -> Path:
    """Build a project's wheel from a copy. Without hatchling here pip fetches it for the build alone."""
    copy = shutil.copytree(project, folder / "source", ignore=shutil.ignore_patterns(".*", "__pycache__", "runs"))
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    pip("wheel", "-q", "--no-deps", *isolation, "-w", folder / "wheels", copy)
    (built,) = (folder / "wheels").iterdir()
    return built


def install(project: Path, folder: Path) -> Path:
    """Install a project's wheel into a folder of its own."""
    target = folder / "site"
    pip("install", "-q", "--no-deps", "--target", target, wheel(project, folder))
    return target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(ROOT / "examples" / "third_party", tmp_path_factory.mktemp("example"))


@pytest.fixture
def example(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the example is installed; the processes of the test look into it."""
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def test_an_estimator_and_an_analysis_of_another_distribution(example: Path, tmp_path: Path) -> None:
    listed = ibmon("plugins", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert re.search(r"^  shifted-binning +ibmon-example 0\.2\.0 ", listed.stdout, re.MULTILINE)
    assert re.search(r"^  participation-ratio +ibmon-example 0\.2\.0 ", listed.stdout, re.MULTILINE)
    done = ibmon("run", "tishby", "--epochs", "5", "-e", "shifted-binning:shifts=2", "--name", "third", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "shifted-binning:shifts=2" in done.stdout
    shown = json.loads(ibmon("show", "third", "--json", cwd=tmp_path).stdout)
    assert shown["captured"] == shown["measured"] > 3 and not [n for n in shown["notices"] if n.get("level") == "error"]
    ratios = {s["subject"]["layer"]: s["value"] for s in shown["series"] if s["quantity"] == "participation ratio"}
    assert set(ratios) == set("123456")
    units = dict(zip("123456", (10, 7, 5, 4, 3, 2), strict=True))
    assert all(1 <= value <= units[layer] + 1e-9 for layer, values in ratios.items() for value in values)
    planes = {s["estimator"] for s in shown["series"] if s["quantity"] == "I(X;T)"}
    assert planes == {"shifted-binning:shifts=2"}
    out = ibmon("export", "third", "participation-ratio", "-o", "out", "--format", "png", "--format", "csv", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert (tmp_path / "out" / "participation-ratio.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((tmp_path / "out" / "participation-ratio.csv").read_text().splitlines()))
    assert len(rows) == 6 * shown["captured"]


def test_its_screen_is_in_the_terminal(example: Path, tmp_path: Path, own_runs: Path) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: install it to test the real terminal")
    done = ibmon("run", "tishby", "--epochs", "5", "-e", "shifted-binning:shifts=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tmux = Tmux(tmp_path / "tmux", 160, 45)
    try:
        tmux.ibmon("watch", find_run(None).id)
        tmux.see("finished", "9 dimension")
        tmux.keys("9")
        tmux.see("9 DIMENSION", "effective dimension", "participation ratio")
        tmux.keys("q")
        tmux.see("is over")
    finally:
        tmux.kill()


def test_a_run_outlives_the_plugin_that_measured_it(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ibmon("run", "tishby", "--epochs", "3", "-e", "shifted-binning:shifts=1", cwd=tmp_path).returncode == 0
    run = find_run(None)
    wait_for(lambda: finished(run))
    monkeypatch.delenv("PYTHONPATH")
    assert "ibmon-example" not in ibmon("plugins", cwd=tmp_path).stdout
    assert history_of(run).select("participation ratio")
    out = ibmon("export", run.id, "participation-ratio*", "-o", "out", "--format", "csv", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    (drawn,) = (tmp_path / "out").iterdir()  # nobody knows its meaning any more, and every number is still there
    rows = list(csv.DictReader(drawn.read_text().splitlines()))
    assert len(rows) == 6 * history_of(run).captured


def passed(project: Path) -> int:
    """Run a project's own tests as its author would, and say how many passed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) passed", done.stdout)
    return int(found[1]) if found else 0


def test_the_example_holds_its_own_tests(example: Path, tmp_path: Path) -> None:
    project = shutil.copytree(ROOT / "examples" / "third_party", tmp_path / "project")
    shutil.rmtree(project / "src")  # what is tested is what was installed
    assert passed(project) > 30


def test_a_new_plugin_installs_and_holds_its_own_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ibmon("plugins", "new", "my-estimator", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "build"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path / "my-estimator", folder)))
    assert "my-estimator 0.1.0" in ibmon("plugins", cwd=tmp_path).stdout
    shutil.rmtree(tmp_path / "my-estimator" / "src")
    assert passed(tmp_path / "my-estimator") > 30
    (tmp_path / "d.csv").write_text("x,y\n" + "".join(f"{i % 4},{'abcd'[i % 4]}\n" for i in range(100)))
    done = ibmon("estimate", "d.csv", "--x", "x", "--y", "y", "-e", "my-estimator:bins=4", cwd=tmp_path)
    assert done.returncode == 0 and re.search(r"my-estimator:bins=4 +2\.0000", done.stdout), done.stderr


def test_the_wheel_of_ibmon_holds_the_templates(tmp_path: Path) -> None:
    folder = tmp_path / "ibmon"
    folder.mkdir()
    names = set(zipfile.ZipFile(wheel(ROOT, folder)).namelist())
    templates = {f"ibmon/scaffold/template/{p.name}" for p in (ROOT / "ibmon" / "scaffold" / "template").iterdir()}
    assert templates and templates <= names
