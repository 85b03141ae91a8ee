"""Everything a key can do, in a real terminal: tmux on a socket of its own."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibmon.records import Notice
from support import wait_for
from terminals import Tmux
from tui.conftest import Writer

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: install it to test the real terminal"),
]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path / "tmux", 120, 36)
    yield terminal
    terminal.kill()


@pytest.fixture
def writers(own_runs: Path) -> Iterator[tuple[Writer, Writer]]:
    """Two finished runs, the first one with a notice and a dropped snapshot on its way."""
    first, second = Writer(own_runs, "first"), Writer(own_runs, "second")
    first.begin().measure(10)
    first.trainer.append(Notice(text="the schedule was thinned", time=1.0))
    first.measure(10).drop(203, "the spool is full").measure(20).end()
    first.run.console.write_text("".join(f"epoch {k}: fine\n" for k in range(500)) + "one needle in the hay\n" + "more\n" * 500)
    second.begin().measure(30).end()
    yield first, second
    for writer in (first, second):
        writer.close()


def test_replay_search_and_diagnostics(tmux: Tmux, writers: tuple[Writer, Writer]) -> None:
    tmux.ibmon("watch", str(writers[0].run.path))
    tmux.see("■ END", "information plane", "epoch 40/100")
    tmux.keys("N")
    tmux.see("step 203: snapshot dropped", "epoch 21 of 40", "‖ HELD")
    tmux.keys("N")
    tmux.see("the schedule was thinned", "epoch 10 of 40")
    tmux.keys("P", "p")
    tmux.see("▶ 4×")
    tmux.see("■ END", "epoch 40/100")
    tmux.keys("8")
    tmux.see("8 LOG", "more", "the schedule was thinned")
    tmux.keys("/")
    tmux.see("search what was printed")
    tmux.keys("needle", "Enter")
    tmux.see("one needle in the hay", "/ needle  1/1")
    tmux.keys("Escape")
    tmux.keys("D")
    tmux.see("diagnostics", "in tmux", "256, dark", "kB/s")
    tmux.keys("D")
    tmux.gone("diagnostics")
    tmux.keys("C-p")
    tmux.see("Search")
    tmux.keys("the plane screen", "Enter")
    tmux.see("2 PLANE")
    tmux.keys("q")
    tmux.see("opens it again")


def test_comparing_copying_and_saving(tmux: Tmux, writers: tuple[Writer, Writer]) -> None:
    first, second = writers
    tmux.ibmon("watch", str(first.run.path))
    tmux.see("■ END", "information plane")
    tmux.keys("7")
    tmux.see("2 runs", "second", "first")
    tmux.keys("Home", "m", "1")
    tmux.see("shows ● second  ○ first", "9 compare")
    tmux.keys("i")
    tmux.see("second   1", "binning:width=0.07", "y copy")
    tmux.keys("y")
    tmux.see("copied")
    wait_for(lambda: "I(X;T) 10.4 bits  bounds 9.9 to 10.9" in tmux.buffer(), f"for {tmux.buffer()!r}")
    tmux.keys("Escape")
    tmux.keys("e")
    tmux.see("save information plane as", "PDF")
    tmux.keys("f")
    wait_for(lambda: list(first.run.figures.glob("*-compared.pdf")), "for the PDF")
    tmux.see("saved")
    tmux.keys("7", "End")
    tmux.see("7 RUNS")
    tmux.keys("r")
    tmux.see("a name for first")
    tmux.keys("better", "Enter")
    wait_for(lambda: first.run.info().name == "better", "for the new name")
    tmux.keys("Home", "d")
    tmux.see("Delete second?")
    tmux.keys("y")
    wait_for(lambda: not second.run.path.exists(), "for the run to be deleted")
    tmux.see("1 run")


def test_windows_of_any_size(tmux: Tmux, own_runs: Path) -> None:
    writer = Writer(own_runs).begin().measure(20)
    tmux.ibmon("watch", str(writer.run.path))
    tmux.see("● live", "information plane")
    rng = random.Random(0)
    for _ in range(30):
        tmux.resize(rng.randint(20, 200), rng.randint(5, 60))
        writer.measure(1)
    tmux.resize(120, 36)
    writer.end()
    tmux.see("■ END", "╭─ information plane", "epoch 50/100", "q leave")
    writer.close()
    tmux.keys("q")
    tmux.see("opens it again")


def test_keys_of_ones_own_and_a_single_frame(tmux: Tmux, writers: tuple[Writer, Writer], tmp_path: Path) -> None:
    (tmp_path / "ibmon").mkdir()
    (tmp_path / "ibmon" / "config.toml").write_text(
        '[look]\ntheme = "contrast"\n[keys]\nscreen-plane = "f2"\ndetach = "x"\nlog-x = "f9"\n'
    )
    tmux.ibmon("watch", str(writers[0].run.path), XDG_CONFIG_HOME=str(tmp_path))
    tmux.see("■ END", "information plane", "x leave")
    tmux.keys("F2")
    tmux.see("2 PLANE")
    tmux.keys("x")
    tmux.see("opens it again")
    tmux.reconnect()
    tmux.ibmon("watch", str(writers[1].run.path), "--once", "--screen", "training")
    tmux.see("9 TRAINING", "epoch 30/100", "■ END")
    assert "38;5;" in tmux.cells()
