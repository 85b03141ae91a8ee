"""A run that another host trains, in a directory that both see: watched, asked and left alone."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ibmon.runs import processes
from ibmon.runs.processes import Started
from tui.conftest import Writer


@pytest.fixture
def elsewhere(write: Callable[..., Writer], monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """Begun on another host, whose clock stands an hour behind; it gives signs of life twice a second."""
    with monkeypatch.context() as there:
        there.setattr(socket, "gethostname", lambda: "node7")
        writer = write().begin().measure(3)
        processes.write(writer.run, Started(host="node7"))
    writer.run.heartbeat.touch()
    end = threading.Event()

    def beat() -> None:
        while True:
            os.utime(writer.run.heartbeat, (time.time() - 3600,) * 2)
            if end.wait(0.5):
                return

    thread = threading.Thread(target=beat)
    thread.start()
    yield writer
    end.set()
    thread.join()


def test_it_is_live_and_can_be_stopped(elsewhere, show) -> None:
    async def body(screen) -> None:
        await screen.see("● live", "last heard 0 s ago", "information plane", "epoch 3/100")
        elsewhere.measure(2)
        await screen.see("epoch 5/100")
        await screen.press("X")
        await screen.see("Stop the training")
        await screen.press("y")
        await screen.wait(lambda: (elsewhere.run.control / "stop").exists())

    show(elsewhere.run, body)
    assert not (elsewhere.run.path / "analyst.log").exists()  # it is measured where it is trained


def test_it_is_opened_from_the_list_without_an_analyst(elsewhere, show) -> None:
    waiting = elsewhere.run.path / "spool" / "1-9"
    waiting.mkdir(parents=True)
    (waiting / "commit.json").touch()

    async def body(screen) -> None:
        await screen.see("demo-1", "live")
        await screen.press("enter")
        await screen.see("● live", "information plane")
        await screen.app.workers.wait_for_complete()

    show(None, body)
    assert not (elsewhere.run.path / "analyst.log").exists()
