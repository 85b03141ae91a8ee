"""The words that tokens and labels stand for, as bytes beside the tensors of an evaluation set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import msgspec
import torch

if TYPE_CHECKING:
    from torch import Tensor

MOST_WORDS, LONGEST_WORD = 2**18, 64
"""Words, and characters of each, that are kept: a run directory holds no more of them, and none that does is believed."""

_Words = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=LONGEST_WORD)]],
    msgspec.Meta(max_length=MOST_WORDS),
]
_decoder = msgspec.json.Decoder(_Words)


def encoded(words: Sequence[str]) -> Tensor:
    """The words as a JSON list in UTF-8: bytes ``(length,)``. What is beyond the bounds is cut off."""
    kept = [str(word)[:LONGEST_WORD].encode("utf-8", "replace").decode() for word in islice(words, MOST_WORDS)]
    return torch.frombuffer(bytearray(msgspec.json.encode(kept)), dtype=torch.uint8)


def decoded(data: Tensor, what: str = "vocabulary") -> tuple[str, ...]:
    """What ``encoded`` was given. Raises ValueError, which says ``what`` it is, where the tensor is something else."""
    if data.dtype != torch.uint8 or data.ndim != 1:
        raise ValueError(f"its {what} is no bytes but {data.dtype} of shape {tuple(data.shape)}")
    try:
        return tuple(_decoder.decode(data.numpy().tobytes()))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"its {what} is no list of words: {error}") from error
