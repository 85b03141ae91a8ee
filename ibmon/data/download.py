"""Files from the net: a bar on a terminal, written whole or not at all, and only if the hash is right."""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from ibmon.records import IbmonError

from .digests import NAMES, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from requests import RequestException

    from .catalogue import File

TIMEOUT = 30.0
"""Seconds that a server may be silent."""
LIMIT = 2**30
"""Bytes of a file whose size is not known."""
DEAD_SECONDS = 3600.0
"""A part that nobody has written to for so long is what a killed process left."""


class UnreachableError(Exception):
    """The net did not give a file; ``why`` says it in few words."""

    def __init__(self, file: File, why: str) -> None:
        super().__init__(f"{file.url}: {why}")
        self.file = file
        self.why = why


def download(files: Iterable[File], folder: Path) -> None:
    """Put files into the folder, one by one; what has come stays when a later one fails.

    Raises UnreachableError, and IbmonError when something else came than expected or the folder cannot be written.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob(".*.part"):
            with suppress(FileNotFoundError):  # another process has finished it
                if time.time() - part.stat().st_mtime > DEAD_SECONDS:
                    part.unlink()
        with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            for file in files:
                _receive(file, folder, partial(progress.advance, progress.add_task(file.name, total=file.bytes)))
    except OSError as error:
        raise IbmonError(
            f"Nothing can be put into {folder} ({error.strerror or error}); mend that, "
            "or set IBMON_CACHE to a folder with room that you can write to."
        ) from error


def _receive(file: File, folder: Path, tell: Callable[[float], None]) -> None:
    """Download beside the target and rename: processes that do so at the same time only do it twice."""
    from pooch import HTTPDownloader
    from requests import RequestException

    part = folder / f".{file.name}.{secrets.token_hex(4)}.part"
    try:
        with part.open("xb") as out:
            incoming = _Incoming(file, out, tell)
            try:
                HTTPDownloader(chunk_size=2**16, timeout=TIMEOUT)(file.url, incoming, None)
            except RequestException as error:
                raise UnreachableError(file, _reason(error)) from error
        algorithm, expected = file.known_by
        found = digest(part, algorithm)
        if found != expected:
            raise _other(file, f"{NAMES[algorithm]} {found}, expected {expected}")
        part.replace(folder / file.name)
    finally:
        part.unlink(missing_ok=True)


class _Incoming:
    """The file that pooch writes to: what comes is counted, and more than was promised is refused."""

    def __init__(self, file: File, out: BinaryIO, tell: Callable[[float], None]) -> None:
        self._file = file
        self._out = out
        self._tell = tell
        self._left = LIMIT if file.bytes is None else file.bytes

    def write(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise _other(self._file, "it is longer")
        self._out.write(chunk)
        self._tell(len(chunk))

    def flush(self) -> None:
        """Pooch asks for it after every chunk; once, at the end, is enough."""


def _other(file: File, how: str) -> IbmonError:
    return IbmonError(
        f"{file.url} gave something else than {file.name} ({how}) and was not kept; try again, or get the file by other means."
    )


def _reason(error: RequestException) -> str:
    from requests import HTTPError, Timeout
    from requests.exceptions import ChunkedEncodingError, ContentDecodingError, SSLError

    if isinstance(error, HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, SSLError):
        return "its certificate is not trusted"
    if isinstance(error, Timeout):
        return "no answer in time"
    if isinstance(error, (ChunkedEncodingError, ContentDecodingError)):
        return "the transfer broke off"
    return "no connection"
