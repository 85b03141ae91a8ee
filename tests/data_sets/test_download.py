"""Downloads: whole or not at all, whatever happens to the net, the process or its neighbours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ibmon.data import download as downloads
from ibmon.data import fetch
from ibmon.records import IbmonError

CONTENT = bytes(range(256)) * 4096


def left(cache):
    """What lies in the data set's folder, hidden files too."""
    return sorted(path.name for path in (cache / "toys").glob("*"))


def child(toy, **options):
    """A process that fetches the data set."""
    code = (
        "from ibmon.data import catalogue, fetch\nfrom ibmon.data.catalogue import DataSet, File\n"
        f"catalogue.DATA_SETS = ({toy!r},)\nprint(fetch('toy'))"
    )
    return subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, **options)


def test_other_content_than_expected_is_not_kept(net, offered, cache):
    file = net.file("a", b"one")
    offered(file)
    net.content["/a"] = b"two"
    wrong = net.by_hand("a", b"two").sha256
    with pytest.raises(IbmonError, match=f"{file.url} gave something else than a .*{wrong}, expected {file.sha256}"):
        fetch("toy")
    assert left(cache) == []


@pytest.mark.parametrize("known_size", [True, False])
def test_more_than_was_promised_is_not_read_to_its_end(net, offered, cache, monkeypatch, known_size):
    monkeypatch.setattr(downloads, "LIMIT", 1000)
    offered(net.file("a", b"one", known_size=known_size))
    net.content["/a"] = CONTENT
    with pytest.raises(IbmonError, match="it is longer"):
        fetch("toy")
    assert left(cache) == []


def test_a_transfer_that_breaks_off_leaves_nothing_and_what_came_before_stays(net, offered, cache):
    offered(net.file("a", b"one"), net.file("b", CONTENT))
    net.broken.add("/b")
    with pytest.raises(IbmonError, match=r"broke off.* put it into .*/toys as b, or try again with: ibmon data get toy"):
        fetch("toy")
    assert left(cache) == ["a"]
    net.broken.clear()
    fetch("toy")
    assert left(cache) == ["a", "b"]
    assert net.asked == ["/a", "/b", "/b"]


def test_without_a_network_the_sentence_says_what_to_put_where(net, offered, cache):
    offered(net.file("a", b"one"))
    nobody = f"http://127.0.0.1:{unused_port()}"
    net.url = nobody
    offered(net.file("a", b"one"))
    with pytest.raises(IbmonError) as error:
        fetch("toy")
    assert str(error.value) == (
        f"{nobody}/a cannot be had (no connection); put it into {cache}/toys as a, or try again with: ibmon data get toy"
    )
    (cache / "toys" / "a").write_bytes(b"one")
    assert fetch("toy") == cache / "toys"


def unused_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_file_that_is_gone_from_its_source_is_said_to_be(net, offered):
    offered(net.file("a", b"one"))
    net.content.clear()
    with pytest.raises(IbmonError, match="HTTP 404"):
        fetch("toy")


def test_a_server_that_falls_silent_is_given_up(net, offered, cache, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
    offered(net.file("a", CONTENT))
    net.stuck.add("/a")
    with pytest.raises(IbmonError, match="cannot be had"):
        fetch("toy")
    assert left(cache) == []


def test_two_processes_at_once_both_get_the_whole_file(net, offered, cache):
    toy = offered(net.file("a", CONTENT))
    net.together = "/a"
    both = [child(toy) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == [str(cache / "toys")] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert left(cache) == ["a"]
    assert (cache / "toys" / "a").read_bytes() == CONTENT
    assert fetch("toy") == cache / "toys"
    assert net.asked == ["/a", "/a"]


def test_an_interrupt_leaves_nothing(net, offered, cache):
    toy = offered(net.file("a", CONTENT))
    net.stuck.add("/a")
    process = child(toy, stderr=subprocess.PIPE)
    assert net.half.wait(60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert left(cache) == []


def test_what_killed_processes_left_is_cleared_away_and_a_running_download_is_not(net, offered, cache):
    offered(net.file("a", b"one"))
    (cache / "toys").mkdir(parents=True)
    old, running = (cache / "toys" / f".a.{name}.part" for name in ("old", "running"))
    old.touch()
    running.touch()
    long_ago = time.time() - 2 * downloads.DEAD_SECONDS
    os.utime(old, (long_ago, long_ago))
    fetch("toy")
    assert left(cache) == [running.name, "a"]


def test_the_bar_is_for_a_terminal_only(net, offered, cache, monkeypatch):
    toy = offered(net.file("a-file-of-its-own", CONTENT))
    quiet = child(toy, stderr=subprocess.PIPE)
    assert quiet.communicate(timeout=60) == (f"{cache}/toys\n", "")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    (cache / "toys" / "a-file-of-its-own").unlink()
    ours, theirs = os.openpty()
    loud = child(toy, stderr=theirs)
    os.close(theirs)
    shown = b""
    while chunk := read(ours):
        shown += chunk
    os.close(ours)
    assert loud.communicate(timeout=60)[0] == f"{cache}/toys\n"
    assert b"a-file-of-its-own" in shown
    assert b"1.0/1.0 MB" in shown


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""
