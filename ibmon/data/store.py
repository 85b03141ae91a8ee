"""Where the files of a data set lie: in ``$IBMON_DATA``, else in the user's cache, else on the net; none is used unverified."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from ibmon.records import IbmonError

from .catalogue import DATA_SETS, DataSet, File, data_set
from .digests import NAMES, digest

State = Literal["folder", "cache", "absent"]


class UnavailableError(IbmonError):
    """A data set that is nowhere here, and not to be had from the net now."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a data set lies in ``$IBMON_DATA`` (folder), in the cache or nowhere, and which of its files do.

    Hashes are not looked at.
    """

    data_set: DataSet
    state: State
    folder: Path | None = None
    files: tuple[File, ...] = ()


def available() -> list[Availability]:
    """Every data set, and where its files are now."""
    return [availability(one) for one in DATA_SETS]


def availability(one: DataSet) -> Availability:
    """The first place that holds one choice of the files whole."""
    places: tuple[tuple[State, Path | None], ...] = (("folder", data_folder()), ("cache", cache_folder()))
    for state, root in places:
        if root is None:
            continue
        folder = root / one.folder
        for files in one.choices:
            if all((folder / file.name).is_file() for file in files):
                return Availability(one, state, folder, files)
    return Availability(one, "absent")


def fetch(name: str) -> Path:
    """The folder that holds the files of a data set; they are downloaded where they are in no place, and verified.

    Raises NotFoundError for an unknown name, and IbmonError when a file is not to be had or is not what it should be.
    """
    return files(name)[0].parent


def files(name: str) -> tuple[Path, ...]:
    """The files that ``fetch`` found; they tell which choice it is where there are several, as of ``imdb``."""
    one = data_set(name)
    there = availability(one)
    if there.state != "folder":
        there = _completed(there)
    return verified(there)


def verified(there: Availability) -> tuple[Path, ...]:
    """The paths of files that are there. Raises IbmonError for the first whose hash is not the one of the catalogue."""
    folder = _folder(there)
    for file in there.files:
        path = folder / file.name
        algorithm, expected = file.known_by
        found = _digest(path, algorithm)
        if found != expected:
            raise IbmonError(
                f"{path} is not the file it should be: its {NAMES[algorithm]} is {found}, expected {expected}; "
                f"replace or delete it, then: ibmon data get {there.data_set.name}"
            )
    return tuple(folder / file.name for file in there.files)


def data_folder() -> Path | None:
    """``$IBMON_DATA``: data sets that somebody put there, each in its folder."""
    told = os.environ.get("IBMON_DATA")
    return Path(told) if told else None


def cache_folder() -> Path:
    """``$IBMON_CACHE``, else the cache folder of the user: what was downloaded, and hashes that were computed."""
    told = os.environ.get("IBMON_CACHE")
    if told:
        return Path(told)
    import pooch

    return Path(pooch.os_cache("ibmon"))


def _folder(there: Availability) -> Path:
    return there.folder or cache_folder() / there.data_set.folder


def _completed(there: Availability) -> Availability:
    """The data set in the cache, whole: what is missing or damaged there is downloaded."""
    one = there.data_set
    wanted = there.files or one.download
    if not wanted:
        raise UnavailableError(
            f"{one.name} cannot be downloaded; {_by_hand(one)}, then try again with: ibmon data get {one.name}"
        )
    folder = _folder(there)
    missing = [file for file in wanted if file.url and not _is(folder / file.name, file)]
    if missing:
        from .download import UnreachableError, download

        try:
            download(missing, folder)
        except UnreachableError as error:
            raise UnavailableError(
                f"{error.file.url} cannot be had ({error.why}); put it into {folder} as {error.file.name}, "
                f"or try again with: ibmon data get {one.name}"
            ) from error
    return Availability(one, "cache", folder, wanted)


def _by_hand(one: DataSet) -> str:
    names = ", ".join(file.name for file in one.files)
    root = data_folder()
    if root is None:
        return f"set IBMON_DATA to a folder and put {names} into its folder {one.folder}"
    return f"put {names} into {root / one.folder} ($IBMON_DATA)"


def _is(path: Path, file: File) -> bool:
    algorithm, expected = file.known_by
    return path.is_file() and _digest(path, algorithm) == expected


def _digest(path: Path, algorithm: str) -> str:
    """The hash of a file; a file of the same size and time as when it was last computed is not read again."""
    facts = path.stat()
    key, now = str(path.resolve()), (facts.st_size, facts.st_mtime_ns)
    key = key if algorithm == "sha256" else f"{algorithm}:{key}"
    known = _remembered().get(key)
    if known is not None and known[:2] == now:
        return known[2]
    found = digest(path, algorithm)
    _remember({key: (*now, found)})
    return found


def _remembered() -> dict[str, tuple[int, int, str]]:
    """Path, behind another algorithm than SHA-256 → size, time in nanoseconds, hash. Nothing where none can be read."""
    try:
        return msgspec.json.decode((cache_folder() / "hashes.json").read_bytes(), type=dict[str, tuple[int, int, str]])
    except (OSError, msgspec.MsgspecError, ValueError):
        return {}


def _remember(hashes: dict[str, tuple[int, int, str]]) -> None:
    """What another process remembers at the same moment may get lost, and is computed once more then."""
    folder = cache_folder()
    temporary = folder / f".hashes.{secrets.token_hex(4)}.tmp"
    with suppress(OSError):  # a cache that cannot be written costs time only
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode({**_remembered(), **hashes}), indent=1))
        temporary.replace(folder / "hashes.json")
