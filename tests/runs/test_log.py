from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.records import Notice, Progress, Result, Value, decode, encode
from ibmon.runs import log as log_module
from ibmon.runs.log import LogReader, LogWriter, printable

NOTE = Notice(text="hello", level="info")


def test_a_record_survives_the_file(tmp_path: Path) -> None:
    result = Result(segment=1, seq=2, job="j", step=3, values=[Value(quantity="I(X;T)", value=1.5, flags={"saturated": True})])
    writer = LogWriter(tmp_path / "a.jsonl")
    writer.append(NOTE)
    writer.append(result)
    assert list(LogReader(tmp_path / "a.jsonl").read()) == [NOTE, result]


def test_not_a_number_becomes_null() -> None:
    assert b'"loss":null' in encode(Progress(segment=1, step=0, loss=float("nan"))) or b"loss" not in encode(
        Progress(segment=1, step=0, loss=float("nan"))
    )
    assert decode(encode(Progress(segment=1, step=0, loss=float("inf")))) == Progress(segment=1, step=0, loss=None)


def test_a_reader_never_sees_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = encode(NOTE)
    reader = LogReader(path)
    for cut in range(len(line)):
        path.write_bytes(line[:cut])
        assert list(LogReader(path).read()) == []
    path.write_bytes(line + line[:5])
    assert list(reader.read()) == [NOTE]
    path.write_bytes(line + line)
    assert list(reader.read()) == [NOTE]
    assert reader.skipped == 0


def test_bytes_that_a_network_file_system_does_not_have_yet_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = encode(NOTE)
    reader = LogReader(path)
    for known in range(len(line) + 1):
        path.write_bytes(line + line[:known] + b"\0" * (len(line) - known))
        assert list(reader.read()) == ([NOTE] if known in (0, len(line)) else [])
        assert reader.behind == (known < len(line))
    assert reader.skipped == 0


def test_zeros_that_are_there_to_stay_cost_only_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\0" * 5000 + b"\n" + encode(NOTE))
    reader = LogReader(path)
    assert [record for _ in range(10) for record in reader.read(1024)] == [NOTE]
    assert reader.skipped == 1


def test_a_writer_closes_the_line_that_a_dead_one_left_open(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(encode(NOTE) + encode(NOTE)[:10])
    LogWriter(path).append(NOTE)
    reader = LogReader(path)
    assert list(reader.read()) == [NOTE, NOTE]
    assert reader.skipped == 1


def test_a_half_written_line_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    writer = LogWriter(path)
    writer.append(NOTE)
    real = os.write
    monkeypatch.setattr(log_module.os, "write", lambda fd, data: real(fd, data[:7]))
    with pytest.raises(OSError, match="full"):
        writer.append(NOTE)
    monkeypatch.setattr(log_module.os, "write", real)
    writer.append(NOTE)
    reader = LogReader(path)
    assert list(reader.read()) == [NOTE, NOTE]
    assert reader.skipped == 1


@given(st.binary(max_size=300))
def test_garbage_is_skipped_and_counted(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "a.jsonl"
    path.write_bytes(b"\x00" + garbage + b"\n" + encode(NOTE))
    reader = LogReader(path)
    assert list(reader.read())[-1] == NOTE
    assert reader.skipped >= 1


def test_a_line_that_is_too_long_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "LINE_LIMIT", 1000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(encode(Notice(text="x" * 5000)) + encode(NOTE))
    reader = LogReader(path)
    found = [record for _ in range(20) for record in reader.read(512)]
    assert found == [NOTE]
    assert reader.skipped == 1


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(encode(NOTE))
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "b.jsonl")
    assert list(LogReader(tmp_path / "a.jsonl").read()) == []
    assert list(LogReader(tmp_path / "b.jsonl").read()) == []


@given(st.text(max_size=400))
def test_printable_text_has_no_control_or_direction_characters(text: str) -> None:
    import unicodedata

    shown = printable(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)


def test_printable_shows_escapes_and_is_capped() -> None:
    assert printable("\x1b[31mred\u202e") == "\\x1b[31mred\\u202e"
    assert printable("a" * 500, 10) == "a" * 9 + "…"
    assert printable("I(X;T) · ‖g‖ é 漢") == "I(X;T) · ‖g‖ é 漢"
