"""Running text for a plain standard output: each word on one of the 256 colours, or with a sign for its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .passages import left_out, lines_of, row_names, scale_of, signs, window, words_of
from .text_heatmap import DIVERGING, RAMP
from .view import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figure import Passage
    from .passages import Scale


def passage_lines(figure: Passage, columns: int, rows: int, colour: bool) -> list[str]:
    """At most ``rows`` lines of at most ``columns`` characters; none where no word has a value."""
    scale = scale_of(figure)
    if scale is None:
        return []
    many, count = scale.part.shape
    marks = [[""] * count] * many if colour else signs(scale.part, centred=scale.centre is not None)
    longest = [max(len(row[k]) for row in marks) for k in range(count)]
    words = [_cut(word, columns - mark) for word, mark in zip(words_of(figure), longest, strict=True)]
    lines = lines_of([len(word) + mark for word, mark in zip(words, longest, strict=True)], columns, 1)
    names = [_cut(name, columns) for name in row_names(figure)]
    shown = window(many, len(lines), rows - 1, named=bool(names))
    said = [_key(scale, figure.value_label, columns, colour)]
    for row in shown.rows:
        said += names[row : row + 1]
        texts = [word + mark for word, mark in zip(words, marks[row], strict=True)]
        if colour:
            texts = [_painted(text, ink) for text, ink in zip(texts, _inks(scale.part[row], scale), strict=True)]
        said += [" ".join(texts[k] for k in lines[at]) for at in shown.lines]
        said += [""] * shown.between if row != shown.rows[-1] else []
    rest = left_out(shown, lines, many)
    return [*said, rest[:columns]] if rest else said


def _key(scale: Scale, label: str, columns: int, colour: bool) -> str:
    """What the values are, and the colours or signs from the least of them to the largest."""
    centred = scale.centre is not None
    size = len(DIVERGING if centred else RAMP) if colour else 20 if centred else 10
    part = (np.arange(size) + 0.5) / size
    marks = signs(part[None], centred=centred)[0] if not colour else [_painted(" ", ink) for ink in _inks(part, scale)]
    middle = [f" {number(scale.centre, 3)} "] if scale.centre is not None and not colour else []
    low, high = number(scale.low, 3), number(scale.high, 3)
    ends = len(low) + len(high) + 2 + sum(map(len, middle))
    if not colour:
        marks = [mark for mark in marks if mark]
    room = columns - ends
    while marks and _wide(marks, colour) > room:
        marks = marks[::2] if len(marks) > 1 else []
    if not marks:
        return _cut(f"{low} … {high}", columns)
    key = "".join([*marks[: len(marks) // 2], *middle, *marks[len(marks) // 2 :]])
    return f"{_cut(label, max(0, room - _wide(marks, colour) - 2))}  {low} {key} {high}".lstrip()


def _wide(marks: Sequence[str], colour: bool) -> int:
    return len(marks) if colour else sum(map(len, marks))


def _inks(part: np.ndarray, scale: Scale) -> Sequence[int | None]:
    """The colours of words ``(words,)``, None without a value."""
    ramp = RAMP if scale.centre is None else DIVERGING
    levels = np.minimum(np.nan_to_num(part) * len(ramp), len(ramp) - 1).astype(np.intp)
    return [ramp[level] if known else None for level, known in zip(levels.tolist(), np.isfinite(part).tolist(), strict=True)]


def _painted(text: str, colour: int | None) -> str:
    """Black or white on a colour: legible whatever the terminal's own are."""
    return text if colour is None else f"\x1b[48;5;{colour};38;5;{16 if _light(colour) else 231}m{text}\x1b[0m"


def _light(colour: int) -> bool:
    """Whether one of the 256 colours is lighter than half."""
    if colour >= 232:
        return colour >= 244
    red, green, blue = (0 if level == 0 else 55 + 40 * level for level in np.unravel_index(colour - 16, (6, 6, 6)))
    return bool(0.299 * red + 0.587 * green + 0.114 * blue > 127)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(0, room - 1)] + "…" if room > 0 else ""
