"""numba, where it is installed (the extra ``ibmon[fast]``): kernels that sweep faster than tensor code can.

The kernels lie in modules of their own, which are imported only when ``use`` says so.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

import torch

Backend = Literal["auto", "numba", "torch"]
_LOCK = threading.Lock()
"""numba's plainest threading layer ends the process when two threads enter it."""


@cache
def installed() -> bool:
    """Whether numba can be imported."""
    return find_spec("numba") is not None


def use(backend: Backend, device: torch.device, estimator: str) -> bool:
    """Whether the compiled kernels are to be used for data on ``device``.

    ``auto`` takes them on a CPU where numba is installed. Raises ValueError for ``numba`` where they cannot be used.
    """
    if backend == "torch":
        return False
    if device.type == "cpu" and installed():
        return True
    if backend == "numba":
        why = "needs data on the CPU" if installed() else "needs numba: pip install 'ibmon[fast]'"
        raise ValueError(f"{estimator}: backend=numba {why}")
    return False


@contextlib.contextmanager
def threads() -> Generator[None]:
    """Run compiled kernels with as many threads as torch uses, one caller at a time."""
    from numba import config, get_num_threads, set_num_threads

    wanted = torch.get_num_threads()
    most: int = config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]
    with _LOCK:
        before = get_num_threads()
        # The first time, this starts numba's threads, which may be OpenMP's and then reset the count that torch shares.
        torch.set_num_threads(wanted)
        set_num_threads(max(1, min(wanted, most)))
        try:
            yield
        finally:
            set_num_threads(before)


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba's ``njit``, which keeps what it compiles on disk where there is a place that can be written to."""
    from numba import njit

    def decorated(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # neither the package's folder nor the user's: compile anew in every process
            return njit(**options)(function)

    return decorated
