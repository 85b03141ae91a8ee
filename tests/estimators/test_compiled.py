"""Compiled kernels leave the process as they found it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from ibmon_estimators import compiled

THREADS = """
import torch
torch.set_num_threads(1)
from ibmon import Variable
from ibmon_estimators.ross import Ross
labels = torch.arange(500) % 3
Ross(backend="numba")(Variable.continuous(torch.randn(500, 4)), [Variable.labels(labels)], rng=torch.Generator())
print(torch.get_num_threads())
"""


def test_the_number_of_threads_of_torch_stays() -> None:
    pytest.importorskip("numba")
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


def test_a_backend_that_cannot_be_used_is_refused_and_auto_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    with pytest.raises(ValueError, match="needs data on the CPU"):
        compiled.use("numba", gpu, "ksg")
    assert not compiled.use("auto", gpu, "ksg") and not compiled.use("torch", cpu, "ksg")
    monkeypatch.setattr(compiled, "installed", lambda: False)
    assert not compiled.use("auto", cpu, "ksg")
    with pytest.raises(ValueError, match="ibmon\\[fast\\]"):
        compiled.use("numba", cpu, "ksg")


def test_a_kernel_is_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba")
    njit = numba.njit

    def refusing(*function: object, cache: bool = False, **options: object) -> object:
        def refuse(refused: object) -> object:
            raise RuntimeError(f"cannot cache function {refused}: no locator available")

        return refuse if cache and not function else njit(*function, **options)

    monkeypatch.setattr(numba, "njit", refusing)
    assert compiled.kernel()(lambda x: x + 1)(2) == 3
