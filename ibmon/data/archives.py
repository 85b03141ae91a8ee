"""Archives, read as if they were hostile: nothing is extracted to disk, and nothing grows beyond a bound."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

from ibmon.records import IbmonError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEMBER_LIMIT = 192 * 2**20
"""Bytes of a member; the largest of those read here, the training images of CIFAR-100, have 154 million."""
ARCHIVE_LIMIT = 2**30
"""Bytes that an archive may unpack to, members that nobody asked for included."""


class TooLargeError(ValueError):
    """More came out of an archive than may."""


def members(archive: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a ``.zip`` or ``.tar.gz`` whose whole name the regular expression matches, in order.

    Raises IbmonError when the archive is damaged, or unpacks to more than is reasonable.
    """
    wanted = re.compile(pattern)
    try:
        yield from (_zip if archive.suffix == ".zip" else _tar)(archive, wanted)
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, TooLargeError),
        *(NotImplementedError, RuntimeError),  # what zipfile says to newer versions of the format, and to passwords
    ) as error:
        raise damaged(archive, error) from error
    except OSError as error:
        if error.filename is not None:  # the archive cannot be opened; without a name it is no gzip, or has offsets out of itself
            raise
        raise damaged(archive, error) from error


def damaged(path: Path, why: object) -> IbmonError:
    return IbmonError(f"{path} is damaged ({why}); delete it and get it anew (`ibmon data` tells where from).")


def _tar(archive: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    with gzip.open(archive) as unpacked, tarfile.open(fileobj=_Bounded(unpacked), mode="r|") as tar:
        for member in tar:
            if not member.isreg() or not wanted.fullmatch(member.name):
                continue
            _check(member.name, member.size, MEMBER_LIMIT)
            content = tar.extractfile(member)
            if content is not None:
                yield member.name, content.read()


def _zip(archive: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    total = 0
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.is_dir() or not wanted.fullmatch(info.filename):
                continue
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile(f"{info.filename} is compressed in a way that none of these files is")
            _check(info.filename, info.file_size, MEMBER_LIMIT)
            total += info.file_size
            _check(archive.name, total, ARCHIVE_LIMIT)
            with file.open(info) as content:
                data = content.read(info.file_size + 1)  # read() without a number would trust the stream, not the size
            if len(data) != info.file_size:
                raise zipfile.BadZipFile(f"{info.filename} has not the size it claims")
            yield info.filename, data


def _check(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(f"{name} unpacks to more than {limit // 2**20} MiB")


class _Bounded(io.RawIOBase):
    """A stream that fails beyond a bound: tarfile reads a header whole, however long it claims to be."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._given = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._given += len(data)
        _check("the archive", self._given, ARCHIVE_LIMIT)
        return data
