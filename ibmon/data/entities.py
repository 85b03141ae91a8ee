"""Named entities as tags of words: the forms in which files have them, one of which networks learn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Span = tuple[str, int, int]
"""Kind of an entity, its first word, and the one after its last."""

_PREFIXES = {"B": "B", "I": "I", "E": "I", "L": "I", "S": "B", "U": "B"}
"""What a word of an entity is in IOB2, by its prefix in IOB1, IOB2, IOBES and BILOU."""
_LAST = ("E", "L", "S", "U")
_BEGUN = re.compile(r"\(([^()*]+)(?:\*|\*?\))")


class OddTagError(ValueError):
    """A tag that has no meaning where it stands; ``at`` is its place in the sentence."""

    def __init__(self, at: int) -> None:
        super().__init__(f"tag {at} is in none of the forms that are known")
        self.at = at


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence ``(kind, first word, word after the last)``, for tags O, B-KIND and I-KIND.

    An I-KIND that continues nothing begins an entity, as the evaluation of CoNLL has it: networks predict such tags.
    Raises ValueError for any other tag.
    """
    found: list[Span] = []
    kind, start = "", 0
    for at, tag in enumerate((*tags, "O")):
        prefix, _, now = tag.partition("-")
        if tag != "O" and (prefix not in ("B", "I") or not now):
            raise ValueError(f"{tag!r} is none of O, B-KIND and I-KIND")
        if kind and (prefix != "I" or now != kind):
            found.append((kind, start, at))
            kind = ""
        if now and not kind:
            kind, start = now, at
    return found


def as_iob2(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags of one sentence as IOB2: O, B-KIND at the first word of an entity and I-KIND at those that follow.

    They may be IOB1 (Ramshaw & Marcus 1995; B-KIND only behind an entity of the same kind), IOB2, IOBES or BILOU (the last word
    of an entity is E- or L-, a single one S- or U-), or brackets as of CoNLL-2012: ``(KIND*``, ``*``, ``*)`` and ``(KIND)``.
    What continues nothing begins an entity; brackets have to match and hold no others.
    Raises OddTagError for the first tag that is none of these.
    """
    if any(tag.startswith("(") or tag.endswith(("*", ")")) for tag in tags):
        return _of_brackets(tags)
    found: list[str] = []
    within = ""
    for at, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        if tag == "O":
            found.append(tag)
        elif prefix in _PREFIXES and kind:
            found.append(f"I-{kind}" if _PREFIXES[prefix] == "I" and kind == within else f"B-{kind}")
        else:
            raise OddTagError(at)
        within = "" if prefix in _LAST else kind
    return tuple(found)


def _of_brackets(tags: Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    within = ""
    for at, tag in enumerate(tags):
        begun = _BEGUN.fullmatch(tag)
        if begun and not within:
            within = begun[1]
            found.append(f"B-{within}")
        elif tag == "*" or (tag == "*)" and within):
            found.append(f"I-{within}" if within else "O")
        else:
            raise OddTagError(at)
        within = "" if tag.endswith(")") else within
    if within:
        raise OddTagError(len(tags) - 1)
    return tuple(found)
