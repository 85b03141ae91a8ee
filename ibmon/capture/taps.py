"""``ibmon.tap``: name a tensor inside a forward pass, so that it is captured like a layer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    Sink = dict[str, list[tuple[Tensor, tuple[str, ...] | None]]]

_sink: Sink | None = None


def tap(name: str, tensor: Tensor, axes: tuple[str, ...] | None = None) -> Tensor:
    """Return ``tensor`` unchanged; inside a capture, keep a copy of it as the layer ``name``.

    For functional code and gates: ``gate = ibmon.tap("gate.pos", torch.sigmoid(...), axes=("sample", "time", "unit"))``.
    Outside a capture it is the identity and costs one comparison.
    """
    if _sink is not None:
        _sink.setdefault(name, []).append((tensor.detach().clone(), axes))
    return tensor


@contextmanager
def collecting() -> Generator[Sink]:
    """Collect what is tapped inside the block."""
    global _sink
    before, _sink = _sink, {}
    try:
        yield _sink
    finally:
        _sink = before
