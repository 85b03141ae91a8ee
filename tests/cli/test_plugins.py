"""``ibmon plugins check`` and ``ibmon plugins new``. (The list itself: tests/test_registry.py.)"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from ibmon import scaffold

from .conftest import Command


def installed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a project visible as an installed distribution, without pip."""
    said = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    info = project / "src" / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n")
    entries = "\n".join(f"{name} = {module}" for name, module in said["entry-points"]["ibmon"].items())
    (info / "entry_points.txt").write_text(f"[ibmon]\n{entries}\n")
    monkeypatch.syspath_prepend(project / "src")


def test_a_new_plugin_passes_every_check_that_fits_its_declaration(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = command("plugins", "new", "first-of-all")
    assert made.code == 0 and "pip install -e first-of-all" in made.out
    installed(tmp_path / "first-of-all", monkeypatch)
    assert "first-of-all 0.1.0" in command("plugins").out
    done = command("plugins", "check", "first-of-all", "-o", "bins=5")
    assert done.code == 0, done.out
    head, *lines, counts = done.out.splitlines()
    assert head.startswith("first-of-all:bins=5 of first-of-all 0.1.0: it declares x continuous; y identity, labels")
    ran = [line for line in lines if line.startswith("  passed")]
    assert counts.startswith(f"{len(ran)} checks ran: {len(ran)} passed, 0 failed") and len(ran) > 20
    assert any("monotone" in line for line in ran)


def test_an_estimator_that_does_not_hold_fails_and_says_where(command: Command, toy_plugin: Path) -> None:
    done = command("plugins", "check", "toy")
    assert done.code == 1
    failed = [line.split()[1] for line in done.out.splitlines() if line.startswith("  failed")]
    assert failed and f"{len(failed)} failed" in done.out.splitlines()[-1]
    assert "toy of ibmon-toy 0.3" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("bining",), 3, "did you mean 'binning'?"),
        (("kde", "-o", "varance=1"), 2, "did you mean 'variance'?"),
        (("kde", "-o", "variance"), 2, "name:option=value"),
        (("kde", "-o", "variance=-1"), 2, "variance must be positive"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(command: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = command("plugins", "check", *arguments)
    assert done.code == code and words in done.err and not done.out


def test_what_a_new_plugin_consists_of(command: Command, tmp_path: Path) -> None:
    inside = tmp_path / "plugins"
    inside.mkdir()
    assert command("plugins", "new", "ibmon-far-mean", inside).code == 0
    folder = inside / "ibmon-far-mean"
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {
        "pyproject.toml",
        "README.md",
        "src/ibmon_far_mean/__init__.py",
        "src/ibmon_far_mean/estimator.py",
        "src/ibmon_far_mean/py.typed",
        "tests/test_estimator.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "ibmon-far-mean"
    assert project["entry-points"]["ibmon"] == {"far-mean": "ibmon_far_mean"}
    for name in files:
        text = (folder / name).read_text()
        assert "$" not in text
        if name.endswith(".py"):
            ast.parse(text)
    assert "class FarMean:" in (folder / "src/ibmon_far_mean/estimator.py").read_text()
    assert command("plugins", "new", "other", tmp_path / "deep" / "down").code == 0
    assert (tmp_path / "deep" / "down" / "src" / "other").is_dir()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mine",
        "my_estimator",
        "my--estimator",
        "-mine",
        "mine-",
        "1st",
        "../mine",
        "a/b",
        "mine.",
        "ibmon-",
        "ibmon-2d",
        "m" * 61,
        "é",
    ],
)
def test_names_that_are_not_bare_are_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("plugins", "new", "--", name)
    assert done.code == 2 and "cannot name a distribution" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kde", "taken by ibmon"),
        ("ibmon-binning", "taken by ibmon"),
        ("torch", "module called torch already"),
        ("json", "module called json already"),
        ("class", "module called class already"),
        ("ibmon", "module called ibmon already"),
    ],
)
def test_names_that_are_taken_are_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("plugins", "new", name)
    assert done.code == 2 and words in done.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, link, folder = tmp_path / "file", tmp_path / "link", tmp_path / "mine"
    file.write_text("kept")
    link.symlink_to("nowhere")
    folder.mkdir()
    for path in ([str(file)], [str(link)], []):
        done = command("plugins", "new", "mine", *path)
        assert done.code == 1 and "is there already" in done.err
    assert file.read_text() == "kept" and link.is_symlink() and list(folder.iterdir()) == []


def test_every_template_is_used() -> None:
    there = {p.name for p in (Path(scaffold.__file__).parent / "template").iterdir()}
    assert there == {f"{template}.template" for template in scaffold._FILES.values() if template}
