"""Sentences with a tag for every word: CoNLL-U, and any file with a word a line and its tags in columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibmon.records import IbmonError, NotFoundError

from .store import fetch, files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

WORD, SKIPPED = "word", ("_", "-")
"""What columns are called that hold the words, or nothing that is asked for."""
UNER_TRAIN = "en_ewt-ud-train.iob2"
"""A file of ``uner-ewt`` that ibmon cannot verify, because it knows no hash of it."""

_COMMENT = re.compile(r"#\s*[\w-]+(?:\s+id)?\s*=\s|#\s*new(?:doc|par)\s*$|#(?:begin|end) document\b")
_SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(\S+)")
_NO_WORD = re.compile(r"\d+-\d+|\d+\.\d+")
_DOCUMENT = "-DOCSTART-"

Span = tuple[str, int, int]
"""Kind of an entity, its first word, and the one after its last."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words, and for each task a tag of every word. ``id`` is the ``sent_id`` of its file, empty where there is none.

    Raises ValueError where there is no word, or a task has not as many tags as there are words.
    """

    words: tuple[str, ...]
    tags: Mapping[str, tuple[str, ...]]
    id: str = ""

    def __post_init__(self) -> None:
        if not self.words:
            raise ValueError("a sentence has one word or more")
        for task, tags in self.tags.items():
            if len(tags) != len(self.words):
                raise ValueError(f"a sentence of {len(self.words)} words has {len(tags)} tags of {task!r}")


@dataclass(frozen=True, slots=True)
class Tagged:
    """The parts of a data set; a part that it does not have, or that could not be found, is empty."""

    train: tuple[Sentence, ...]
    validation: tuple[Sentence, ...] = ()
    test: tuple[Sentence, ...] = ()


def ud_ewt() -> Tagged:
    """The English Web Treebank, 12 544 / 2001 / 2077 sentences with the task ``pos``: universal parts of speech."""
    return Tagged(*(_treebank(part) for part in ("train", "dev", "test")))


def uner_ewt() -> Tagged:
    """Sentences of ``ud_ewt`` with named entities as well: the tasks ``pos`` and ``ner``, 1998 for validation, 2074 for test.

    Joined by ``sent_id``; the few sentences that are not the same words in both are left out. The training part is empty unless
    ``en_ewt-ud-train.iob2`` of the same release lies beside the others: ibmon does not offer it, and reads it unverified.
    Mayhew et al. (2024), "Universal NER".
    """
    folder = fetch("uner-ewt")

    def part(name: str) -> tuple[Sentence, ...]:
        return joined(_treebank(name), conll(folder / f"en_ewt-ud-{name}.iob2", ("_", WORD, "ner"), iob2=("ner",)))

    return Tagged(part("train") if (folder / UNER_TRAIN).is_file() else (), part("dev"), part("test"))


def wnut17() -> Tagged:
    """Emerging named entities, 3394 / 1009 / 1287 sentences with the task ``ner`` (Derczynski et al. 2017)."""
    return Tagged(*(conll(path, (WORD, "ner"), iob2=("ner",)) for path in files("wnut17")))


def codeswitch_en_es() -> Tagged:
    """Tweets in English and Spanish with the task ``language`` (en, es, other): 7400, and 832 for validation; none for test."""
    return Tagged(*(conll(path, (WORD, "language")) for path in files("codeswitch-en-es")))


def conllu(path: Path) -> tuple[Sentence, ...]:
    """The sentences of a CoNLL-U file with the task ``pos``, the universal parts of speech (UPOS).

    Words are the syntactic ones: of ``1-2 don't``, ``1 do``, ``2 n't`` the latter two; empty nodes (``8.1``) are none.
    Raises NotFoundError for a file that is not there, and IbmonError for one that is not CoNLL-U or has no sentence.
    """
    return _some(path, (_of_conllu(path, lines) for lines in _blocks(path)))


def conll(path: Path, names: Sequence[str], *, iob2: Collection[str] = ()) -> tuple[Sentence, ...]:
    """The sentences of a file with a word a line and a blank line between sentences.

    ``names`` says what its columns are, from the left: ``word``, the names of tasks, and ``_`` or ``-`` for what is skipped;
    columns behind these are skipped as well. They are apart by tabs, in lines without a tab by spaces. Before the first word of
    a sentence ``# key = value`` and ``#begin document`` are comments; lines of ``-DOCSTART-`` are no words.
    Tags of the tasks in ``iob2`` have to be IOB2: O, B-KIND, or I-KIND after B-KIND or I-KIND.
    Raises NotFoundError for a file that is not there, and IbmonError for names without ``word``, for a line with too few columns
    or an empty one, for tags that are not IOB2, and for a file without a sentence.
    """
    tasks = [name for name in names if name != WORD and name not in SKIPPED]
    if names.count(WORD) != 1 or len(set(tasks)) < len(tasks) or not all(names):
        raise IbmonError(f"Columns are named like word,pos,_,ner: word once and no task twice, not {','.join(names)!r}.")
    return _some(path, (_of_columns(path, lines, names, iob2) for lines in _blocks(path)))


def joined(first: Iterable[Sentence], second: Iterable[Sentence]) -> tuple[Sentence, ...]:
    """Sentences that are in both, with the tags of both, in the order of ``first``: of the same id and of the same words."""
    other = {sentence.id: sentence for sentence in second if sentence.id}
    return tuple(
        Sentence(one.words, {**one.tags, **other[one.id].tags}, one.id)
        for one in first
        if one.id in other and other[one.id].words == one.words
    )


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


def odd_in_iob2(tags: Sequence[str]) -> int | None:
    """The first tag that makes this no IOB2: neither O nor B-KIND nor an I-KIND that continues its kind. None where all are."""
    before = ""
    for at, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        if tag != "O" and not (kind and (prefix == "B" or (prefix == "I" and kind == before))):
            return at
        before = kind
    return None


def _treebank(part: str) -> tuple[Sentence, ...]:
    return conllu(fetch("ud-ewt") / f"en_ewt-ud-{part}.conllu")


def _of_conllu(path: Path, lines: Sequence[tuple[int, str]]) -> Sentence | None:
    words: list[str] = []
    tags: list[str] = []
    name = ""
    for line, text in lines:
        if text.startswith("#"):
            name = _named(text) or name
            continue
        cells = text.split("\t")
        if len(cells) != 10:
            raise IbmonError(f"Line {line} of {path.name} has {len(cells)} columns apart by tabs; CoNLL-U has 10.")
        number, word, _, tag, *_ = cells
        if _NO_WORD.fullmatch(number):
            continue
        if number != str(len(words) + 1):
            raise IbmonError(f"Line {line} of {path.name} is word {number[:20]!r} of its sentence; expected {len(words) + 1}.")
        if not word or tag in ("", "_"):
            raise IbmonError(f"Line {line} of {path.name} lacks the {'part of speech' if word else 'word'}.")
        words.append(word)
        tags.append(tag)
    return Sentence(tuple(words), {"pos": tuple(tags)}, name) if words else None


def _of_columns(path: Path, lines: Sequence[tuple[int, str]], names: Sequence[str], iob2: Collection[str]) -> Sentence | None:
    found: dict[str, list[str]] = {name: [] for name in names if name not in SKIPPED}
    at: list[int] = []
    sentence = ""
    for line, text in lines:
        if not at and _COMMENT.match(text):
            sentence = _named(text) or sentence
            continue
        cells = text.split("\t") if "\t" in text else [cell for cell in text.split(" ") if cell]
        if len(cells) < len(names):
            raise IbmonError(f"Line {line} of {path.name} has {len(cells)} columns, and {','.join(names)} are {len(names)}.")
        of = dict(zip(names, cells, strict=False))
        if of[WORD] == _DOCUMENT:
            continue
        for name, cell in of.items():
            if name in SKIPPED:
                continue
            if not cell.strip(" "):
                raise IbmonError(f"Line {line} of {path.name} has nothing in its column {name!r}.")
            found[name].append(cell)
        at.append(line)
    if not at:
        return None
    words = tuple(found.pop(WORD))
    for task in found.keys() & set(iob2):
        odd = odd_in_iob2(found[task])
        if odd is not None:
            raise IbmonError(
                f"Line {at[odd]} of {path.name} has the tag {found[task][odd][:40]!r}: entities are tagged O, B-KIND, and I-KIND "
                "after a tag of the same kind (IOB2)."
            )
    return Sentence(words, {task: tuple(tags) for task, tags in found.items()}, sentence)


def _named(comment: str) -> str:
    match = _SENT_ID.match(comment)
    return match[1] if match else ""


def _some(path: Path, found: Iterable[Sentence | None]) -> tuple[Sentence, ...]:
    sentences = tuple(sentence for sentence in found if sentence is not None)
    if not sentences:
        raise IbmonError(f"{path.name} has no sentence.")
    return sentences


def _blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """The lines between blank ones, with their numbers. Only ``\\n`` ends a line: tweets have other characters that might."""
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.")
    block: list[tuple[int, str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                text = line.rstrip("\r\n")
                if text.strip(" \t"):
                    block.append((number, text))
                elif block:
                    yield block
                    block = []
    except UnicodeDecodeError as error:
        raise IbmonError(f"{path.name} cannot be read as text in UTF-8: {error.reason} at byte {error.start}.") from error
    except OSError as error:
        raise IbmonError(f"{path} cannot be read: {error.strerror}.") from error
    if block:
        yield block
