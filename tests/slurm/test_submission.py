"""What is said to SLURM, with commands in its place that only note it; and submitit's jobs on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ibmon.launch import describe_run
from ibmon.records import IbmonError
from ibmon.runs.directory import RunDirectory, create, status
from ibmon.sweeps.queues import chosen, submit
from support import wait_for

SBATCH = """#!/bin/sh
grep -v '^$' "$1" > {log}
echo "Submitted batch job 77"
"""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, with an srun and an sbatch that notes its script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    _command(folder, "srun", "#!/bin/sh\n")
    _command(folder, "sbatch", SBATCH.format(log=tmp_path / "script"))
    return folder


def _command(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def _runs(count: int, target: Path | str = "nothing.py") -> list[RunDirectory]:
    return [create(describe_run(recipe="r", target=str(target))) for _ in range(count)]


def test_a_sweep_is_one_array_with_what_was_asked_for(commands: Path, own_runs: Path, tmp_path: Path) -> None:
    options = "partition=main,time=90,mem_gb=8,gpus_per_node=1,cpus_per_task=4,gres=gpu:a100:1,more=reservation:short;licenses:a"
    runs = _runs(3)
    assert submit(chosen(f"slurm:{options}"), runs, 2) == ["77_0", "77_1", "77_2"]
    asked = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in (tmp_path / "script").read_text().splitlines()
        if line.startswith("#SBATCH")
    )
    assert asked["output"].startswith(str(own_runs.resolve() / ".jobs"))
    wanted = {
        "array": "0-2%2",
        "partition": "main",
        "time": "90",
        "mem": "8GB",
        "gpus-per-node": "1",
        "cpus-per-task": "4",
        "gres": "gpu:a100:1",
        "reservation": "short",
        "licenses": "a",
        "requeue": "",
        "signal": "TERM@90",
    }
    assert {name: asked.get(name) for name in wanted} == wanted
    assert not {"account", "qos", "constraint", "nodelist", "exclude"} & set(asked)
    assert [status(run).detail for run in runs] == [f"job 77_{k} of slurm" for k in range(3)]


def test_what_sbatch_refuses_is_one_sentence(commands: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _command(commands, "sbatch", "#!/bin/sh\necho 'sbatch: error: invalid partition specified: mian' >&2\nexit 1\n")
    runs = _runs(1)
    with pytest.raises(IbmonError, match=r"^SLURM did not take the jobs: invalid partition specified: mian\.$"):
        submit(chosen("slurm:partition=mian"), runs, None)
    assert not runs[0].path.exists()
    assert capfd.readouterr().err == ""


def test_squeue_says_which_jobs_are_left(commands: Path) -> None:
    slurm = chosen("slurm").launcher
    _command(commands, "squeue", "#!/bin/sh\nprintf '77_1\\n77_2\\n80\\n'\n")
    assert slurm.alive(["77_0", "77_1", "80"]) == {"77_1", "80"}
    _command(commands, "squeue", "#!/bin/sh\necho 'squeue: error: Unable to contact slurm controller' >&2\nexit 1\n")
    with pytest.raises(IbmonError, match=r"^squeue cannot be asked for the jobs: Unable to contact slurm controller\.$"):
        slurm.alive(["77_0"])


def test_without_a_cluster_or_submitit_a_sentence_says_what_to_do(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (commands / "srun").unlink()
    monkeypatch.setenv("PATH", str(commands))
    with pytest.raises(IbmonError, match="There is no srun here"):
        submit(chosen("slurm"), _runs(1), None)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(IbmonError, match=r"pip install 'ibmon\[slurm\]'"):
        submit(chosen("slurm"), _runs(1), None)


SUBMIT = """
import sys
from pathlib import Path
from ibmon.runs.directory import RunDirectory
from ibmon.sweeps.queues import chosen, submit
submit(chosen("slurm:cluster=local"), [RunDirectory(Path(path)) for path in sys.argv[1:]], None)
"""


def test_jobs_on_this_machine_outlive_who_submitted_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import os, sys\nprint('begun with', os.environ['IBMON_RUN'])\n")
    fails = tmp_path / "fails.py"
    fails.write_text("raise SystemExit(3)\n")
    runs = [*_runs(2, script), *_runs(1, fails)]
    subprocess.run([sys.executable, "-c", SUBMIT, *(str(run.path) for run in runs)], check=True, timeout=60)
    logs = runs[0].path.parent / ".jobs"
    wait_for(lambda: len(list(logs.glob("*_result.pkl"))) == 3, "for the ends of the jobs")
    assert [status(run).state for run in runs] == ["finished", "finished", "failed"]
    assert runs[0].console_tail() == [f"begun with {runs[0].path.resolve()}"]
    assert sum("the job of" in path.read_text() for path in logs.glob("*.err")) == 1
