"""``ibmon watch host:path`` and its kin: by ibmon there, or through a copy."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from ibmon.remote import mirror as mirror_module
from ibmon.runs.directory import status
from ibmon.tui.app import parting_words
from support import ibmon, wait_for
from terminals import Terminal
from tui.conftest import opened


def test_without_ibmon_there_a_frame_is_drawn_from_a_copy(far, writer) -> None:
    before = far.files()
    done = ibmon("watch", "me@login1:runs/demo-1", "--once", "--screen", "plane", COLUMNS="120", LINES="36")
    assert done.returncode == 0, done.stderr
    assert "login1: demo-1" in done.stdout and "2 PLANE" in done.stdout and "read only" in done.stdout
    assert far.files() == before


def test_with_ibmon_there_it_is_run_there_read_only_with_the_same_options(far, writer) -> None:
    far.install_ibmon(path="home/.local/bin")  # where pip puts it, and no login shell looks
    given = ("--once", "--screen", "plane", "--ascii", "--theme", "light", "--low-bandwidth")
    done = ibmon("watch", "login1:demo-1", *given, COLUMNS="90", LINES="30")
    assert done.returncode == 0, done.stderr
    assert "2 PLANE" in done.stdout and "login1: demo-1" not in done.stdout and max(map(len, done.stdout.splitlines())) <= 90
    (call,) = far.calls
    assert "-T" in call.split() and "--read-only" in call
    assert all(word in call for word in given)


def test_its_exit_code_is_passed_on(far, writer) -> None:
    far.install_ibmon()
    done = ibmon("watch", "login1:nowhere", "--once")
    assert done.returncode == 3 and "'nowhere'" in done.stderr


def test_no_training_is_begun_on_another_host(far) -> None:
    far.install_ibmon()
    far.runs.rmdir()
    done = ibmon("watch", "login1:tishby", "--once")
    assert done.returncode == 2 and not far.runs.exists()
    assert "--read-only looks at a run that exists" in _on_a_terminal("watch", "tishby", "--read-only")


def _on_a_terminal(*arguments: str) -> str:
    terminal = Terminal(100, 30, sys.executable, "-m", "ibmon", *arguments)
    try:
        code = terminal.code()
        assert code == 2
        return " ".join(terminal.text().split())
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("watch", "login1:demo-1", "--once", "-e", "binning"), 2, "takes no options of a training"),
        (("watch", "login1:demo-1", "--once", "--compare", "x"), 2, "--compare needs ibmon on login1"),
        (("run", "login1:demo-1"), 2, "is a run already"),
        (("export", "login1:demo-1"), 2, "Say with -o"),
        (("show", "login1:nowhere"), 3, "There is no run nowhere on login1"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(far, writer, arguments, code: int, words: str) -> None:
    done = ibmon(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_host_that_is_down_is_one_sentence_after_what_ssh_says(far, writer) -> None:
    far.go_down()
    done = ibmon("watch", "login1:demo-1", "--once")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ibmon: There is no connection to login1; `ssh login1` says why."


def test_a_run_elsewhere_is_shown_and_exported(far, writer, tmp_path: Path) -> None:
    told = json.loads(ibmon("show", "login1:demo-1", "--json").stdout)
    assert told["path"] == "login1:demo-1" and told["measured"] == 5
    out = tmp_path / "out"
    done = ibmon("export", "login1:demo-1", "information-plane*", "--format", "csv", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert list(out.glob("*.csv"))


def test_the_screen_says_the_host_a_lost_connection_and_that_it_is_back(far, writer, mirror, monkeypatch) -> None:
    monkeypatch.setattr(mirror_module, "FIRST_PAUSE", 0.1)
    copied = mirror("demo-1")
    run = copied.open()
    copied.start()

    async def body() -> None:
        async with opened(run, run.path.parent, read_only=True) as screen:
            await screen.see("login1: demo-1", "information plane", "epoch 5/100")
            writer.measure(2)
            await screen.see("epoch 7/100")
            far.go_down()
            copied._line.hang_up()
            await screen.told("the connection to login1 was lost", "what was read is kept")
            assert "● live" in screen.row("status")
            far.come_up()
            await screen.told("connected to login1 again")
            writer.measure(1)
            await screen.see("epoch 8/100")

    asyncio.run(body())
    wait_for(lambda: status(run).trouble == "", seconds=5)


def test_good_bye_says_how_to_come_back(mirror, writer) -> None:
    assert parting_words(mirror("demo-1").open()) == "the training goes on; `ibmon watch me@login1:demo-1` attaches again"
