"""What a trainer printed, as lines that are found by where they lie in the file."""

from __future__ import annotations

import os
import re
import threading
from array import array
from typing import TYPE_CHECKING

from .log import open_regular, printable

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

CHUNK = 64 * 1024
CAP = 8 * 2**20
"""Bytes at the end of a console that are looked at when it is opened."""
_LINE = 4000


class Console:
    """Lines of a growing ``console.log`` by their numbers, from 0; only where they begin is kept. Blank lines do not count.

    The last state stands for a progress bar. Every method may be called from any thread, and reads ``CHUNK`` bytes at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._head = b""
        self._end = 0
        self._starts = array("Q")
        self._last = 0
        """Where the line begins that is not finished yet."""
        self._blank = True
        self._pattern: re.Pattern[str] | None = None
        self._found = array("L")
        self._searched = 0

    def __len__(self) -> int:
        return len(self._starts) + (not self._blank)

    def poll(self) -> None:
        """Find the lines that came since; a file that was cut or replaced is read anew."""
        with self._guard:
            try:
                with open_regular(self._path) as file:
                    self._poll(file)
            except OSError:
                self._forget()

    def _poll(self, file: BufferedReader) -> None:
        size = os.fstat(file.fileno()).st_size
        if size < self._end or file.read(len(self._head)) != self._head:
            self._forget()
        if len(self._head) < 256:
            file.seek(0)
            self._head = file.read(256)
        if not self._end and size > CAP:
            file.seek(size - CAP)
            file.readline(CHUNK)
            self._end = self._last = file.tell()
        file.seek(self._end)
        while chunk := file.read(CHUNK):
            *finished, rest = chunk.split(b"\n")
            for line in finished:
                if not self._blank or line.strip():
                    self._starts.append(self._last)
                self._end += len(line) + 1
                self._last, self._blank = self._end, True
            self._end += len(rest)
            self._blank = self._blank and not rest.strip()

    def lines(self, first: int, count: int) -> list[str]:
        """So many lines from a number on, safe to show."""
        with self._guard:
            try:
                with open_regular(self._path) as file:
                    return [self._line(file, k) for k in range(max(0, first), min(first + count, len(self)))]
            except OSError:
                return []

    def _line(self, file: BufferedReader, number: int) -> str:
        start, end, *_ = (*self._starts[number : number + 2], self._last, self._end)
        file.seek(start)
        line, newline, _ = file.read(min(CHUNK, end - start)).partition(b"\n")
        if not newline and b"\r" in line and end - start > CHUNK:  # hours of a progress bar: how it ended
            file.seek(end - CHUNK)
            line = file.read(CHUNK).rstrip()
        states = [state for state in line.split(b"\r") if state.strip()]
        text = states[-1].decode("utf-8", "replace").expandtabs(4) if states else ""
        return text if text.isascii() and text.isprintable() and len(text) <= _LINE else printable(text, _LINE)

    def find(self, pattern: re.Pattern[str]) -> list[int]:
        """The numbers of the lines in which a pattern occurs; asked for the same again, only what is new is read."""
        with self._guard:
            if pattern != self._pattern:
                self._pattern, self._searched, self._found = pattern, 0, array("L")
            try:
                with open_regular(self._path) as file:
                    for number in range(self._searched, len(self._starts)):
                        if pattern.search(self._line(file, number)):
                            self._found.append(number)
                        self._searched = number + 1
                    number = len(self._starts)
                    unfinished = not self._blank and pattern.search(self._line(file, number))
            except OSError:
                return []
            return [*self._found, number] if unfinished else list(self._found)
