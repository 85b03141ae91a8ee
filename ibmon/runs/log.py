"""Append-only JSON Lines: one writer a file; readers hold offsets and never see half a line."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ibmon.records import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

    from ibmon.records import AnyRecord

LINE_LIMIT = 16 * 2**20
BARE_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class LogWriter:
    """The one writer of a log. Every record is a single ``write`` of a whole line.

    It never truncates, because readers hold offsets: where the file does not end in a newline (a writer died), or its own last
    write failed half-way (a full disk), a newline goes first, which closes the broken line for the readers to skip.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._guard = threading.Lock()
        size = os.fstat(self._descriptor).st_size
        self._torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"

    def append(self, record: AnyRecord) -> None:
        """Append one line. Raises OSError when it could not be written whole; the next append starts a fresh line."""
        line = encode(record)
        with self._guard:
            if self._torn:
                line = b"\n" + line
            self._torn = True
            written = os.write(self._descriptor, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, "the disk is full: a record could not be written whole")
            self._torn = False

    def close(self) -> None:
        with self._guard:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


@dataclass(slots=True)
class LogReader:
    """Tails one log: ``read`` yields what has come since, whole lines only, at most ``limit`` bytes a call."""

    path: Path
    offset: int = 0
    skipped: int = 0
    _rest: bytes = field(default=b"", repr=False)
    _oversized: bool = False

    def read(self, limit: int = 4 * 2**20) -> Iterator[AnyRecord]:
        """New records. Lines that are too long or undecodable are skipped and counted in ``skipped``."""
        try:
            with open_regular(self.path) as file:
                file.seek(self.offset)
                data = file.read(limit)
        except OSError:
            return
        if len(data) < limit:
            # A network file system may know a file's new length before it has the bytes: they come as zeros, and are read again.
            data = data.rstrip(b"\0")
        self.offset += len(data)
        if self._oversized:
            _, newline, data = data.partition(b"\n")
            if not newline:
                return
            self._oversized = False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            self._rest, self._oversized = b"", True
            self.skipped += 1
        for line in lines:
            if not line:
                continue
            if len(line) > LINE_LIMIT:
                self.skipped += 1
                continue
            try:
                yield decode(line)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self.skipped += 1

    @property
    def behind(self) -> bool:
        """Whether the file has grown past what was read."""
        try:
            return self.path.stat().st_size > self.offset
        except OSError:
            return False


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading, without following a link or blocking on a FIFO. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path.name} is not a regular file")
    return os.fdopen(descriptor, "rb")


_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_UNSAFE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, limit: int = 200) -> str:
    """Text of a run directory made safe for a terminal: control and direction characters as escapes, capped in length."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    for character in text[: limit + 1]:
        if unicodedata.category(character) in _UNSAFE_CATEGORIES or unicodedata.bidirectional(character) in _BIDI:
            code = ord(character)
            out.append(f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
        else:
            out.append(character)
    if len(text) > limit:
        return "".join(out[: limit - 1]) + "…"
    return "".join(out)
