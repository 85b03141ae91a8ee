"""How much memory one call takes, measured in a process of its own.

A process's peak is what it ever took, so a measurement inside the tests' process would show their peak and not the call's.
On Linux the peak is ``VmHWM``, put back to the present before the call; ``ru_maxrss`` would not do, for it is inherited from
the process that started this one. Elsewhere the growth of ``ru_maxrss`` is taken.
"""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ibmon.specs import EstimatorSpec
from ibmon.tensors import Variable

from . import cases
from .subject import NotApplicable

_MIB = 2**20
_ALLOWANCE = 2048
"""MiB of address space beyond what is declared, for threads and compilers, before an allocation is refused."""
_SECONDS = 240
_STATUS = Path("/proc/self/status")


def beyond_input(spec: EstimatorSpec, options: Mapping[str, Any]) -> float:
    """MiB that one call on many samples takes beyond what was there before it, after a small call that warms up.

    6000 samples of 32 units; or 100 000 of 30 000 labels. Raises NotApplicable where the estimator refuses so many with a
    ValueError, and AssertionError when the call fails, as it does where it takes far more than is declared, or takes longer
    than four minutes.
    """
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    request = pickle.dumps((spec, dict(options), torch.get_num_threads()))
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            input=request,
            env=environment,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"a call on many samples takes longer than {_SECONDS} seconds") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no words"]
        if said[-1].startswith("ValueError: "):
            raise NotApplicable(f"refuses that many samples: {said[-1].removeprefix('ValueError: ')}")
        there = f"where {spec.memory} MiB are declared and {spec.memory + _ALLOWANCE} were to be had"
        raise AssertionError(f"a call on many samples, {there}, ended with: {said[-1]}")
    return float(done.stdout.split()[-1])


def main() -> None:
    """Read the pickled request from the standard input, call, and print the MiB."""
    spec, options, threads = pickle.load(sys.stdin.buffer)
    torch.set_num_threads(threads)
    estimator = spec.load()(**options)
    kind = "continuous" if "continuous" in spec.x_kinds else spec.x_kinds[0]
    small, large = [
        _request(kind, spec.kinds, *size) for size in ((64, 20), (6000, 32) if kind == "continuous" else (100_000, 1))
    ]
    estimator(*small, rng=cases.generator(0))
    _limit(spec.memory)
    before, peak_before = _begin()
    estimator(*large, rng=cases.generator(0))
    print(max(0.0, (_peak() - (peak_before if before is None else before)) / _MIB))


def _request(x_kind: str, y_kinds: tuple[str, ...], samples: int, units: int) -> tuple[Variable, list[Variable]]:
    rng = cases.generator(0)
    classes = 10 if x_kind == "continuous" else 30_000

    def variable(kind: str, units: int) -> Variable:
        if kind == "continuous":
            return Variable.continuous(torch.randn(samples, units, generator=rng))
        if kind == "labels":
            return Variable.labels(torch.randint(0, classes, (samples,), generator=rng))
        return Variable.identity(samples)

    return variable(x_kind, units), [variable(kind, 4) for kind in y_kinds]


def _limit(memory: int) -> None:
    """Let an allocation fail that is far beyond what is declared, before the machine runs out."""
    if _STATUS.exists():
        most = _from_status("VmSize") + (memory + _ALLOWANCE) * _MIB
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _begin() -> tuple[int | None, int]:
    """Bytes taken now, if the peak could be put back to them, and the peak so far."""
    peak = _peak()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak
    except OSError:
        return None, peak
    return _from_status("VmRSS"), _peak()


def _peak() -> int:
    if _STATUS.exists():
        return _from_status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _from_status(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
