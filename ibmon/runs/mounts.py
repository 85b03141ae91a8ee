"""Where the spool may lie: snapshots must not travel over a network file system."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .directory import RunDirectory

_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "afs",
    "glusterfs",
    "pvfs",
    "orangefs",
    "9p",
    "fuse.",
    "panfs",
)


def file_system(path: Path) -> str:
    """The type of the file system below a path (``ext4``, ``nfs4``); empty where that cannot be told."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    path = path.resolve()
    best, kind = -1, ""
    for line in mounts:
        _, point, type_, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")
        if (path == Path(point) or Path(point) in path.parents) and len(point) >= best:
            best, kind = len(point), type_
    return kind


def is_network(path: Path) -> bool:
    return file_system(path).startswith(_NETWORK)


def default_bound(folder: Path) -> int:
    """Bytes a spool may hold unless the user says: the least of 1 GB and a tenth of the free space."""
    return min(10**9, shutil.disk_usage(folder).free // 10)


def spool_folder(run: RunDirectory) -> Path:
    """``RUN/spool`` on a local file system, else a folder of the run's name in ``$SLURM_TMPDIR`` or ``$TMPDIR``.

    Never ``/dev/shm``: it is small in containers, charged to the job's memory, and wiped at logout.
    """
    if not is_network(run.path):
        return run.path / "spool"
    scratch = os.environ.get("SLURM_TMPDIR") or tempfile.gettempdir()
    folder = Path(scratch) / f"ibmon-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"ibmon-{run.id}"
