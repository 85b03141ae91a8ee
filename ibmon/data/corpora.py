"""Running text as words, with a mark where a line ends: what language models are trained on."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibmon.records import IbmonError, NotFoundError

from .store import files

if TYPE_CHECKING:
    from pathlib import Path

END_OF_LINE = "<eos>"
_SHARES = (0.8, 0.1)
"""Of the lines of a file that has no parts, trained on and validated; the rest is tested on."""


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """The words of each part in the order of the text; every line, also an empty one, ends with the word ``<eos>``."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def ptb() -> Corpus:
    """The Penn Treebank in Mikolov's preprocessing, 929 589 + 73 760 + 82 430 words of 10 000 (Mikolov 2012).

    Numbers are ``N`` there, and words that are no part of its vocabulary ``<unk>``. Raises IbmonError as ``files`` does.
    """
    return _corpus("ptb")


def wikitext2() -> Corpus:
    """Articles of Wikipedia, 2 088 628 + 217 646 + 245 569 words of 33 278 (Merity et al. 2016).

    Words that are no part of its vocabulary are ``<unk>`` there. Raises IbmonError as ``files`` does.
    """
    return _corpus("wikitext-2")


def corpus(path: Path) -> Corpus:
    """A text file in UTF-8; words are what stands between white space.

    The first 80 % of its lines are trained on, the next 10 % validate, the rest is tested on.
    Raises NotFoundError for a file that is not there, and IbmonError for one that is no text or has no ten lines.
    """
    lines = _lines(path)
    if len(lines) < 10:
        raise IbmonError(f"{path.name} has {len(lines)} lines, too few for parts to train on, to validate and to test: give ten.")
    trained = round(_SHARES[0] * len(lines))
    validated = trained + round(_SHARES[1] * len(lines))
    return Corpus(_words(lines[:trained]), _words(lines[trained:validated]), _words(lines[validated:]))


def _corpus(name: str) -> Corpus:
    train, validation, test = (_words(_lines(path)) for path in files(name))
    return Corpus(train, validation, test)


def _lines(path: Path) -> list[str]:
    """The lines of a file; other characters that Unicode takes for an end of line are white space."""
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise IbmonError(f"{path.name} cannot be read as text in UTF-8: {error}.") from error
    except OSError as error:
        raise IbmonError(f"{path} cannot be read: {error.strerror}.") from error
    return lines if lines[-1] else lines[:-1]


def _words(lines: list[str]) -> tuple[str, ...]:
    # interned: two million words are some ten thousand strings
    return tuple(sys.intern(word) for line in lines for word in (*line.split(), END_OF_LINE))
