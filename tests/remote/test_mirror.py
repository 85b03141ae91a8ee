"""A copy over ssh is the run: piece by piece, with its arrays, through lost connections; and nothing is written over there."""

from __future__ import annotations

import os
import signal
import socket
import time

import numpy as np
import pytest

from ibmon.records import IbmonError, NotFoundError, Result, Value
from ibmon.remote import mirror as mirror_module
from ibmon.runs import processes
from ibmon.runs.arrays import save_array
from ibmon.runs.directory import RunDirectory, status
from ibmon.runs.processes import Exit, Mirrored
from remote.conftest import annotated
from support import history_of, wait_for


def caught_up(mirror) -> RunDirectory:
    run = mirror.open()
    for _ in range(200):
        if mirror.pull():
            return run
    raise AssertionError("never read all of it")


def same(one: RunDirectory, other: RunDirectory) -> bool:
    """Whether the logs of both are the same."""
    logs = [*one.logs("trainer"), *one.logs("analyst")]
    return all((other.path / log.name).exists() and (other.path / log.name).read_bytes() == log.read_bytes() for log in logs)


@pytest.mark.parametrize("chunk", [97, 1000, 2**20])
def test_a_copy_is_the_run_whatever_the_pieces(mirror, writer, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(mirror_module, "CHUNK", chunk)
    copied = mirror(str(writer.run.path))
    run = copied.open()
    while not copied.pull():
        history_of(run)  # whatever was read so far is whole
        assert history_of(run).skipped == 0
    assert same(writer.run, run)
    assert run.id == writer.run.id and run.info() == writer.run.info()


def test_it_grows_with_the_run_by_what_is_new(mirror, writer, far) -> None:
    copied = mirror(writer.run.id)
    run = caught_up(copied)
    size = (run.path / "trainer-1.jsonl").stat().st_size
    (run.path / "trainer-1.jsonl").write_bytes(b"x" * size)  # what was read is not read again
    writer.measure(3)
    annotated(writer.run, "a further segment")
    while not copied.pull():
        pass
    grown = (run.path / "trainer-1.jsonl").read_bytes()
    there = (writer.run.path / "trainer-1.jsonl").read_bytes()
    assert grown[:size] == b"x" * size and grown[size:] == there[size:]
    assert (run.path / "trainer-2.jsonl").read_bytes() == (writer.run.path / "trainer-2.jsonl").read_bytes()
    assert len([call for call in far.calls if "login1" in call]) == 1


def test_arrays_come_before_the_lines_that_name_them(mirror, writer) -> None:
    copied = mirror(writer.run.id)
    run = caught_up(copied)
    stacked = np.arange(12.0).reshape(3, 4)
    for k in range(150):  # more than are asked for together
        save_array(writer.run.arrays, f"1-{k}.npy", stacked + k)
        value = Value(quantity="I(X;T)", value=None, array=f"1-{k}.npy", axes={"time": [0, 1, 2, 3]}, estimator="e")
        writer.analyst.append(Result(segment=2, seq=k, job="j", step=k, values=[value]))
    while not copied.pull():
        assert not history_of(run).failures
    (series,) = [s for s in history_of(run).series if s.estimator == "e"]
    assert series.value[-1].tolist() == [149, 150, 151, 152] and len(series.step) == 150


def test_names_that_lead_out_of_the_run_and_links_are_not_followed(mirror, writer, far) -> None:
    (far.home / "secret").write_bytes(b"secret")
    (writer.run.arrays / "link.npy").symlink_to(far.home / "secret")
    (writer.run.path / "analyst-9.jsonl").symlink_to(far.home / "secret")
    for name in ("..", ".", "../../secret", "link.npy"):
        writer.analyst.append(Result(segment=2, seq=1, job="j", step=1, values=[Value(quantity="q", value=None, array=name)]))
    run = caught_up(mirror(writer.run.id))
    assert not any(path.read_bytes() == b"secret" for path in run.path.rglob("*") if path.is_file())


def test_small_files_follow_their_originals_and_go_with_them(mirror, writer) -> None:
    copied = mirror(writer.run.id)
    run = caught_up(copied)
    for code in (3, 4):
        processes.write(writer.run, Exit(code=code))
        copied.pull()
        assert processes.read(run, Exit) == processes.read(writer.run, Exit)
    (writer.run.path / "exit.json").unlink()
    copied.pull()
    assert processes.read(run, Exit) is None


def test_what_was_printed_is_copied_from_its_end_and_after_it_was_cut(mirror, writer) -> None:
    writer.run.console.write_text("".join(f"line {k}\n" for k in range(20_000)))
    copied = mirror(writer.run.id)
    run = caught_up(copied)
    assert run.console_tail(1) == ["line 19999"] and run.console.stat().st_size == 64 * 1024
    with writer.run.console.open("a") as console:
        console.write("one more\n")
    copied.pull()
    assert run.console_tail(2) == ["line 19999", "one more"]
    writer.run.console.write_text("cut\nnew\n")
    copied.pull()
    assert run.console_tail(5) == ["cut", "new"]


def test_its_state_is_told_by_the_heartbeat_even_from_a_host_of_the_same_name(mirror, writer) -> None:
    assert writer.run.info().host == socket.gethostname()
    copied = mirror(writer.run.id)
    run = caught_up(copied)
    assert (status(run).state, status(run).via) == ("live", "login1")
    assert status(run).detail.startswith("last heard")
    os.utime(writer.run.heartbeat, (time.time() - 500_000,) * 2)
    other = caught_up(mirror(writer.run.id, "other"))
    assert status(other).state == "lost"


def test_nothing_is_written_over_there(mirror, writer, far) -> None:
    writer.run.console.write_text("printed\n")
    before = far.files()
    copied = mirror(writer.run.id)
    caught_up(copied)
    copied.pull()
    assert far.files() == before


def test_a_lost_connection_is_said_and_what_was_read_is_kept(mirror, writer, far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_module, "FIRST_PAUSE", 0.05)
    copied = mirror(writer.run.id)
    run = caught_up(copied)
    copied.start()
    far.go_down()
    assert copied._line is not None
    os.kill(copied._line._process.pid, signal.SIGKILL)
    wait_for(lambda: status(run).trouble != "")
    assert status(run).trouble.startswith("the connection to login1 was lost")
    assert status(run).trouble.endswith("what was read is kept")
    assert status(run).state == "live" and len(history_of(run).series) > 0
    writer.measure(2)
    far.come_up()
    wait_for(lambda: same(writer.run, run))
    wait_for(lambda: status(run).trouble == "", seconds=5)
    assert history_of(run).skipped == 0
    assert "BatchMode=yes" in far.calls[-1] and "BatchMode" not in far.calls[0]  # nobody is asked for a password on a picture


def test_a_run_that_is_deleted_over_there_is_said_to_be_gone(mirror, writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_module, "FIRST_PAUSE", 0.05)
    copied = mirror(writer.run.id)
    run = caught_up(copied)
    copied.start()
    writer.run.info_file.rename(writer.run.path / "gone.json")
    wait_for(lambda: "gone from login1" in status(run).trouble)


@pytest.mark.parametrize("place", ["runs/demo-1", "demo-1", "", "latest", "~/runs/demo-1", "./runs/demo-1/"])
def test_a_run_is_found_by_path_id_or_as_the_newest(mirror, writer, place: str) -> None:
    from ibmon.remote.address import parse

    address = parse(f"login1:{place}")
    assert address is not None
    assert mirror(address.place).open().id == "demo-1"


@pytest.mark.parametrize("name", ["it's", 'a "b" $(touch x) `c`', "a;b|c", "ünï", "back\\slash", "--help", "a*"])
def test_whatever_a_path_is_called_it_is_a_path(mirror, writer, far, name: str) -> None:
    folder = far.home / "odd" / name
    folder.parent.mkdir()
    writer.run.path.rename(folder)
    assert caught_up(mirror(f"odd/{name}")).info().id == "demo-1"
    assert not list(far.home.glob("x"))


@pytest.mark.parametrize("profile", ["echo Welcome; ", "printf '%s\\n' 'ibmon is not here' 'Last login: today'; "])
def test_what_a_login_prints_is_skipped(mirror, writer, far, profile: str) -> None:
    client = far.folder / "ssh"
    client.write_text(client.read_text().replace("shift\ncd", f"shift; {profile}\ncd"))
    assert same(writer.run, caught_up(mirror(writer.run.id)))


def test_no_run_and_no_connection_are_one_sentence(mirror, writer, far) -> None:
    with pytest.raises(NotFoundError, match="There is no run nowhere on login1"):
        mirror("nowhere").open()
    far.go_down()
    with pytest.raises(IbmonError, match="login1 cannot be reached: ssh: connect to host me@login1 port 22: Connection refused"):
        mirror("demo-1", "other").open()


@pytest.mark.parametrize("command", ["/nowhere/ssh", "false"])
def test_a_client_that_is_none_is_one_sentence(mirror, far, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("IBMON_SSH", command)
    with pytest.raises(IbmonError, match=r"login1 cannot be reached: (/nowhere/ssh cannot be started|the connection was closed)"):
        mirror("demo-1").open()


def test_a_host_that_is_no_unix_is_one_sentence(mirror, writer, far) -> None:
    (far.folder / "ssh").write_text(f"#!/bin/sh\necho '{mirror_module.WELCOME} /x'; exec yes 'command not found'\n")
    with pytest.raises(IbmonError, match="something else"):
        mirror("demo-1").open()


def test_the_copy_says_what_it_is_of(mirror, writer) -> None:
    fact = processes.read(mirror("demo-1").open(), Mirrored)
    assert fact is not None and (fact.address, fact.host) == ("me@login1:demo-1", "login1")
