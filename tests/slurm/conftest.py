"""SLURM for tests: commands that only note what they are given, and a real cluster of this one machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import wait_for

DAEMONS = ("munged", "slurmctld", "slurmd")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def _configuration(folder: Path, host: str) -> str:
    return f"""
ClusterName=test
SlurmctldHost={host}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
SlurmctldPort={_free_port()}
SlurmdPort={_free_port()}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MpiDefault=none
NodeName={host} CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster whose one node is this machine, in a folder of its own: nothing of it is left, and no other is touched."""
    missing = [name for name in (*DAEMONS, "sbatch") if shutil.which(name) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"no SLURM ({', '.join(missing) or 'only root can start it'}): install slurm-wlm and munge, and be root")
    with tempfile.TemporaryDirectory(prefix="ibmon-slurm-") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        folder.chmod(0o755)  # munged wants its socket to be in everybody's reach
        configuration = folder / "slurm.conf"
        configuration.write_text(_configuration(folder, socket.gethostname().partition(".")[0]))
        patch.setenv("SLURM_CONF", str(configuration))
        try:
            _start(folder)
            wait_for(lambda: said("sinfo", "--noheader", "--format=%T") == "idle", "for the node")
            yield
        finally:
            for name in reversed(DAEMONS):
                _stop(folder / f"{name}.pid")


def _start(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    paths = {
        "key-file": key.name,
        "socket": "munge.socket",
        "pid-file": "munged.pid",
        "log-file": "munged.log",
        "seed-file": "seed",
    }
    subprocess.run(["munged", *(f"--{option}={folder / path}" for option, path in paths.items())], check=True, timeout=60)
    for daemon in ("slurmctld", "slurmd"):
        subprocess.run([daemon], check=True, timeout=60)


def _stop(pid_file: Path) -> None:
    """End the daemon that wrote its number there."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, 15)
    except (OSError, ValueError):
        return
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), f"for the end of {pid_file.stem}")


def said(*command: str) -> str:
    """What a command of SLURM prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
