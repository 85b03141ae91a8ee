"""Sentences with a tag for every word: CoNLL-U, and any file with a word a line and its tags in columns."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ibmon.records import IbmonError, NotFoundError

from .entities import OddTagError, as_iob2
from .store import UnavailableError, fetch, files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

WORD, SKIPPED = "word", ("_", "-")
"""What columns are called that hold the words, or nothing that is asked for."""
_UNER_KINDS = ("LOC", "ORG", "PER")
"""Of entities in Universal NER; its annotators had more, which are no part of its releases."""

_COMMENT = re.compile(r"#\s*[\w-]+(?:\s+id)?\s*=\s|#\s*new(?:doc|par)\s*$|#(?:begin|end) document\b")
_SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(\S+)")
_NO_WORD = re.compile(r"\d+-\d+|\d+\.\d+")
_DOCUMENT = "-DOCSTART-"


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


def uner_ewt(*, train: bool = True) -> Tagged:
    """Sentences of ``ud_ewt`` with named entities as well: the tasks ``pos`` and ``ner``, 1998 for validation, 2074 for test.

    Joined by ``sent_id``; the few sentences that are not the same words in both are left out. The training part is the data set
    ``uner-ewt-train``: empty where it is neither here nor to be had from the net, or not asked for with ``train``.
    Mayhew et al. (2024), "Universal NER".
    """

    def part(name: str, path: Path) -> tuple[Sentence, ...]:
        return joined(_treebank(name), map(_released, conll(path, ("_", WORD, "ner"), iob2=("ner",))))

    dev, test = files("uner-ewt")
    first: tuple[Sentence, ...] = ()
    if train:
        with suppress(UnavailableError):
            first = part("train", *files("uner-ewt-train"))
    return Tagged(first, part("dev", dev), part("test", test))


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
    Tags of the tasks in ``iob2`` become IOB2: O, B-KIND, and I-KIND after B-KIND or I-KIND. In the file they may also be IOB1, as
    of CoNLL-2003, IOBES, BILOU, or brackets, as of CoNLL-2012: ``(KIND*``, ``*``, ``*)``.
    Raises NotFoundError for a file that is not there, and IbmonError for names without ``word``, for a line with too few columns
    or an empty one, for tags of entities in another form, and for a file without a sentence.
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


def _treebank(part: str) -> tuple[Sentence, ...]:
    return conllu(fetch("ud-ewt") / f"en_ewt-ud-{part}.conllu")


def _released(sentence: Sentence) -> Sentence:
    """The sentence without entities of kinds that are not released."""
    tags = tuple(tag if tag.partition("-")[2] in _UNER_KINDS else "O" for tag in sentence.tags["ner"])
    return replace(sentence, tags={"ner": tags})


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
        if _DOCUMENT in cells[: len(names)]:
            continue
        if len(cells) < len(names):
            raise IbmonError(f"Line {line} of {path.name} has {len(cells)} columns, and {','.join(names)} are {len(names)}.")
        of = dict(zip(names, cells, strict=False))
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
        try:
            found[task] = list(as_iob2(found[task]))
        except OddTagError as error:
            raise IbmonError(
                f"Line {at[error.at]} of {path.name} has the tag {found[task][error.at][:40]!r}: entities are tagged as IOB1, "
                "IOB2, IOBES or BILOU, or in brackets that match, as (KIND* and *)."
            ) from error
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
