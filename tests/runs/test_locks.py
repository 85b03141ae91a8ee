from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ibmon.runs import locks
from support import wait_for

HOLD = """
import os, sys, time
from pathlib import Path
from ibmon.runs import locks
assert locks.acquire(Path(sys.argv[1]))
if "fork" in sys.argv:
    if os.fork() == 0:
        time.sleep(60)
print("held", flush=True)
time.sleep(60)
"""


WITHOUT_LOCKS = """
import errno, fcntl, os
for name in ("lockf", "fcntl"):
    def call(descriptor, *arguments, real=getattr(fcntl, name)):
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(".lock"):
            raise OSError(errno.ENOLCK, "No locks available")
        return real(descriptor, *arguments)
    setattr(fcntl, name, call)
"""


def _holding(path: Path, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_holder_is_named_and_gone_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "trainer.lock"
    assert locks.holder(path) is None
    with _holding(path) as process:
        assert locks.holder(path) == process.pid
        assert not locks.acquire(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: locks.holder(path) is None, seconds=2)


def test_a_forked_child_does_not_keep_a_dead_trainer_alive(tmp_path: Path) -> None:
    path = tmp_path / "trainer.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), "fork"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert locks.holder(path) == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: locks.holder(path) is None, seconds=2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout and process.stdout.close()


def test_one_process_takes_a_lock_once_and_can_ask_about_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert locks.acquire(path)
    assert locks.acquire(path)
    assert locks.holder(path) == os.getpid()
    # Asking opened and closed the file; had it dropped the lock, another process could take it now.
    code = f"import sys; from pathlib import Path; from ibmon.runs import locks; sys.exit(locks.acquire(Path({str(path)!r})))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    locks.release(path)
    assert locks.holder(path) is None


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc which file a descriptor is of")
def test_where_the_file_system_has_no_locks_its_processes_are_told_apart_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "trainer.lock"
    ask = "import sys; from pathlib import Path; from ibmon.runs import locks; p = Path(sys.argv[1]); "
    ask += "print(locks.holder(p), locks.acquire(p), locks.acquire(p))"

    def asked() -> list[str]:
        command = [sys.executable, "-c", WITHOUT_LOCKS + ask, str(path)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    assert asked() == ["None", "True", "True"]
    held = [sys.executable, "-c", WITHOUT_LOCKS + HOLD, str(path)]
    with subprocess.Popen(held, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert asked() == [str(process.pid), "False", "False"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: asked()[:2] == ["None", "True"], seconds=5)
    locks._stand_in(str(path.resolve())).unlink()


def test_a_forked_child_has_none_of_the_locks_of_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "trainer.lock"
    assert locks.acquire(path)
    child = os.fork()
    if not child:
        os._exit(0 if not locks.acquire(path) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert locks.holder(path) is None or locks.acquire(path), "the parent still has it"
    locks.release(path)
