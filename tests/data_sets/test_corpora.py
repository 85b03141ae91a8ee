"""Running text from its files: the real ones as they are known, what is written read back, and what is no text refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.data import corpus, ptb, wikitext2
from ibmon.records import IbmonError, NotFoundError


@pytest.mark.parametrize(
    ("read", "counts", "vocabulary", "lines", "first"),
    [
        (ptb, (929_589, 73_760, 82_430), 10_000, (42_068, 3_370, 3_761), ("aer", "consumers", "no")),
        (wikitext2, (2_088_628, 217_646, 245_569), 33_278, (36_718, 3_760, 4_358), ("<eos>",) * 3),
    ],
)
def test_the_words_are_as_many_as_is_known(read, counts, vocabulary, lines, first, real):
    found = read()
    parts = (found.train, found.validation, found.test)
    assert tuple(map(len, parts)) == counts
    assert len(set(found.train)) == len(set().union(*parts)) == vocabulary
    assert tuple(part.count("<eos>") for part in parts) == lines
    assert tuple(part[0] for part in parts) == first and all(part[-1] == "<eos>" for part in parts)
    assert "<unk>" in found.validation


WORD = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1).filter(
    lambda word: word.split() == [word] and word != "<eos>"
)


@given(st.lists(st.lists(WORD, max_size=5), min_size=10, max_size=40), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_written_is_read(tmp_path_factory, lines, end, closed):
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    if not closed and not lines[-1]:  # an empty line that nothing closes is none
        closed = True
    text = end.join(" \t".join(words) for words in lines) + end * closed
    path.write_text("\ufeff" + text, encoding="utf-8", newline="")
    found = corpus(path)
    expected = [word for words in lines for word in (*words, "<eos>")]
    assert [*found.train, *found.validation, *found.test] == expected
    count = len(lines)
    ends = [part.count("<eos>") for part in (found.train, found.validation, found.test)]
    assert ends == [round(0.8 * count), round(0.1 * count), count - round(0.8 * count) - round(0.1 * count)]
    assert min(ends) > 0


def test_a_file_that_is_not_there_no_text_or_too_short(tmp_path):
    with pytest.raises(NotFoundError, match="There is no file"):
        corpus(tmp_path / "none.txt")
    path = tmp_path / "t.txt"
    path.write_bytes(b"a\n\xff\xfe\n")
    with pytest.raises(IbmonError, match=r"t\.txt cannot be read as text in UTF-8"):
        corpus(path)
    path.write_text("a b c\n" * 9)
    with pytest.raises(IbmonError, match=r"t\.txt has 9 lines, too few"):
        corpus(path)


def test_a_part_that_is_not_what_it_should_be_is_refused(net, offered, folder):
    files = [net.by_hand(f"ptb.{part}.txt", f"the {part}\n".encode()) for part in ("train", "valid", "test")]
    offered(*files, name="ptb", folder="ptb")
    (folder / "ptb").mkdir()
    for file in files:
        (folder / "ptb" / file.name).write_bytes(b"the else\n")
    with pytest.raises(IbmonError, match="is not the file it should be"):
        ptb()
    for part in ("train", "valid", "test"):
        (folder / "ptb" / f"ptb.{part}.txt").write_bytes(f"the {part}\n".encode())
    found = ptb()
    assert (found.train, found.validation, found.test) == tuple(("the", part, "<eos>") for part in ("train", "valid", "test"))
