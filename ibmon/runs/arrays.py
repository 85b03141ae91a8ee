"""Arrays of measurements that are too large for a line: ``.npy`` files under a bare name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .log import BARE_NAME, open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def save_array(folder: Path, name: str, array: NDArray[Any]) -> None:
    """Write under a name derived from the measurement's key: a repeat after a crash writes the same file again."""
    folder.mkdir(exist_ok=True)
    temporary = folder / f".{name}.tmp"
    with temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    temporary.rename(folder / name)


def load_array(folder: Path, name: str) -> NDArray[np.float64]:
    """Read by memory map: floats only, never a pickle, never outside the folder. Raises ValueError or OSError."""
    if not BARE_NAME.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"{name!r} is no bare file name")
    path = folder / name
    open_regular(path).close()
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind != "f":
        raise ValueError(f"{name} does not hold floats")
    return array
