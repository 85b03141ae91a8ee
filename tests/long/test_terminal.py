"""`ibmon watch` in a real terminal: start, look, leave, come back, and kill what can be killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibmon.runs import locks
from ibmon.runs.directory import find_run, find_runs, status
from support import finished, history_of, wait_for
from terminals import Tmux, points

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: install it to test the real terminal"),
]
SLOW = ("watch", "tishby", "--epochs", "1000000", "-e", "binning", "--schedule", "every:20epochs")


@pytest.fixture(params=[(160, 45), (80, 24)], ids=["160x45", "80x24"])
def tmux(request: pytest.FixtureRequest, tmp_path: Path, own_runs: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path / "tmux", *request.param)
    yield terminal
    terminal.kill()
    for run in find_runs():
        run.ask("stop")
    wait_for(lambda: all(finished(run) for run in find_runs()))


def test_watch_leave_come_back(tmux: Tmux) -> None:
    tmux.ibmon(*SLOW)
    tmux.see("● live", "information plane", "I(X;T) [bits]", "H(X)")
    before = points(tmux.screen())
    wait_for(lambda: points(tmux.screen()) > before, "for the picture to move")
    tmux.keys("?")
    tmux.see("Screens", "the plane screen")
    tmux.keys("Escape")
    tmux.keys("3")
    tmux.see("gradient SNR")
    tmux.keys("8")
    tmux.see("LOG")
    tmux.keys("2")
    tmux.see("2 PLANE")
    tmux.keys("Space")
    tmux.see("HELD")
    tmux.keys("L")
    tmux.see("LIVE")
    tmux.keys("i")
    tmux.see("binning:width=0.07", "I(X;T)")
    tmux.keys("Escape")
    tmux.keys("q")
    tmux.see("attaches again")
    run = find_run(None)
    assert status(run).state == "live"
    tmux.ibmon("watch")
    tmux.see("● live", "I(X;T) [bits]")
    tmux.resize(59, 17)
    tmux.see("live")
    tmux.resize(120, 36)
    tmux.see("I(X;T) [bits]")
    tmux.keys("X")
    tmux.see("stop")
    tmux.keys("Escape")
    assert status(run).state == "live"


def test_killing_any_process(tmux: Tmux) -> None:
    tmux.ibmon(*SLOW)
    tmux.see("● live", "H(X)")
    run = find_run(None)
    viewer = subprocess.run(["pgrep", "-P", str(tmux.pane()), "-f", "ibmon"], capture_output=True, text=True).stdout.split()
    assert viewer
    os.kill(int(viewer[0]), signal.SIGKILL)
    captured = history_of(run).captured
    wait_for(lambda: history_of(run).captured > captured, "for the training to go on without its viewer")
    tmux.reconnect()
    tmux.ibmon("watch")
    tmux.see("● live", "H(X)")
    analyst = locks.holder(run.lock("analyst"))
    assert analyst is not None
    os.kill(analyst, signal.SIGKILL)
    wait_for(lambda: locks.holder(run.lock("analyst")) not in (None, analyst), "for a new analyst")
    measured = history_of(run).measured
    wait_for(lambda: history_of(run).measured > measured + 5)
    trainer = locks.holder(run.lock("trainer"))
    assert trainer is not None
    os.kill(trainer, signal.SIGKILL)
    tmux.see("lost", seconds=5)  # half a second by itself; the rest is for a busy machine
    tmux.keys("q")
    wait_for(lambda: finished(run))
    history = history_of(run)
    assert history.captured == history.measured


def test_a_failure_before_the_monitor_is_shown_with_the_console(tmux: Tmux, tmp_path: Path) -> None:
    recipe = tmp_path / "broken.py"
    recipe.write_text("import a_package_that_is_not_here\ndef train(monitor): ...\n")
    tmux.ibmon("watch", str(recipe))
    tmux.see("failed", "a_package_that_is_not_here")
    tmux.keys("q")


def test_export_from_the_screen(tmux: Tmux) -> None:
    tmux.ibmon("watch", "tishby", "--epochs", "20", "-e", "binning")
    tmux.see("finished", "H(X)")
    tmux.keys("e")
    tmux.see("as", "PNG")
    tmux.keys("p")
    run = find_run(None)
    wait_for(lambda: bool(list(run.figures.glob("*.png"))))
    tmux.see(".png")
    tmux.keys("q")
    tmux.see("is over")
