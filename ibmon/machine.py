"""What torch finds on this machine, and how it shares it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def cores() -> int:
    """Cores that this process may use: of those of a node a cluster gives a job only some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def let_threads_sleep() -> None:
    """Have torch's threads sleep while they wait for each other. Only before torch is imported.

    By default they spin, and beside a training, or on a node that is shared, a calculation then takes many times as long.
    What the user set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def give_way(niceness: int = 10) -> None:
    """Let everything else on this machine go before this process.

    Linux shares the processors between *sessions* first and heeds the niceness of processes only within one
    (``sched_autogroup``): a process that leads a session of its own has to lower that, too, or a training with a thread for each
    core is slowed down many times over. A session that others belong to is left alone.
    """
    with contextlib.suppress(OSError):
        os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # another system, or one without such groups
            Path("/proc/self/autogroup").write_text(str(niceness))


def torch_facts() -> list[str]:
    """Lines for a person: torch's version, and the GPUs it can use with their memory."""
    try:
        import torch
    except ImportError as error:
        return [f"torch cannot be imported ({error}); reinstall it with: pip install 'torch>=2.6,<2.14'"]
    facts = [f"torch {torch.__version__}"]
    if not torch.cuda.is_available():
        return [*facts, "  no CUDA device: trainings run on the CPU"]
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        facts.append(f"  cuda:{i} {torch.cuda.get_device_name(i)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    return facts
