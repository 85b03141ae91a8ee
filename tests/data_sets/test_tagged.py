"""Tagged sentences from their files: the real ones as they are known, odd ones read right or refused in one sentence."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.data import Sentence, catalogue, codeswitch_en_es, conll, conllu, fetch, spans, ud_ewt, uner_ewt, wnut17
from ibmon.data.catalogue import DataSet
from ibmon.data.tagged import UNER_TRAIN, joined, odd_in_iob2
from ibmon.records import IbmonError, NotFoundError

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"), min_size=1, max_size=8)


def row(number: str, word: str, tag: str = "NOUN") -> str:
    return "\t".join((number, word, "_", tag, *"______"))


# -- the real ones ------------------------------------------------------------------------------------------------------------


def test_the_treebank_is_read_whole(real):
    found = ud_ewt()
    parts = (found.train, found.validation, found.test)
    assert [len(part) for part in parts] == [12544, 2001, 2077]
    assert [sum(len(s.words) for s in part) for part in parts] == [204577, 25147, 25094]
    assert len({tag for part in parts for s in part for tag in s.tags["pos"]}) == 17
    assert found.validation[0].words == ("From", "the", "AP", "comes", "this", "story", ":")
    assert found.validation[0].tags["pos"] == ("ADP", "DET", "PROPN", "VERB", "DET", "NOUN", "PUNCT")


def test_entities_join_the_treebank_word_for_word(real):
    found, treebank = uner_ewt(), fetch("ud-ewt")
    assert (len(found.train), len(found.validation), len(found.test)) == (0, 1998, 2074)
    of = {s.id: s for part in ("dev", "test") for s in conllu(treebank / f"en_ewt-ud-{part}.conllu")}
    for sentence in (*found.validation, *found.test):
        assert sentence.words == of[sentence.id].words and sentence.tags["pos"] == of[sentence.id].tags["pos"]
    kinds = Counter(kind for s in (*found.validation, *found.test) for kind, _, _ in spans(s.tags["ner"]))
    assert set(kinds) == {"PER", "LOC", "ORG"}


def test_tweets_and_emerging_entities_are_read_whole(real):
    tweets = codeswitch_en_es()
    assert (len(tweets.train), len(tweets.validation), len(tweets.test)) == (7400, 832, 0)
    assert [sum(len(s.words) for s in part) for part in (tweets.train, tweets.validation)] == [91862, 9583]
    assert {tag for s in tweets.train for tag in s.tags["language"]} == {"en", "es", "other"}
    emerging = wnut17()
    assert (len(emerging.train), len(emerging.validation), len(emerging.test)) == (3394, 1009, 1287)


def test_a_training_part_beside_the_others_is_used(net, folder, monkeypatch):
    treebank, entities = [], []
    for part in ("train", "dev", "test"):
        name = f"# sent_id = {part}-1\n"
        treebank.append((f"en_ewt-ud-{part}.conllu", (name + row("1", "Rome", "PROPN") + "\n").encode()))
        entities.append((f"en_ewt-ud-{part}.iob2", (name + "1\tRome\tB-LOC\t-\tA\n").encode()))
    known = [
        DataSet("ud-ewt", "ud", "", "", "", tuple(net.by_hand(*file) for file in treebank)),
        DataSet("uner-ewt", "uner", "", "", "", tuple(net.by_hand(*file) for file in entities[1:])),
    ]
    monkeypatch.setattr(catalogue, "DATA_SETS", tuple(known))
    for at, files in (("ud", treebank), ("uner", entities[1:])):
        (folder / at).mkdir()
        for name, content in files:
            (folder / at / name).write_bytes(content)
    assert uner_ewt().train == ()
    (folder / "uner" / UNER_TRAIN).write_bytes(entities[0][1])
    assert uner_ewt().train == (Sentence(("Rome",), {"pos": ("PROPN",), "ner": ("B-LOC",)}, "train-1"),)


# -- CoNLL-U ------------------------------------------------------------------------------------------------------------------


def test_multiword_tokens_and_empty_nodes_are_no_words(tmp_path):
    lines = ["# sent_id = a-1", "# text = don't #1", row("1-2", "don't"), row("1", "do", "AUX"), row("2", "n't", "PART")]
    lines += [row("2.1", "go", "VERB"), row("3", "#1", "NOUN"), "", "", "# a comment alone", "", row("1", "New York")]
    path = tmp_path / "a.conllu"
    path.write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    first, second = conllu(path)
    assert first == Sentence(("do", "n't", "#1"), {"pos": ("AUX", "PART", "NOUN")}, "a-1")
    assert second == Sentence(("New York",), {"pos": ("NOUN",)})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1\tword\tNOUN\n", "Line 1 of a.conllu has 3 columns"),
        (row("2", "late").encode(), "Line 1 of a.conllu is word '2' of its sentence; expected 1"),
        (b"\n\n" + row("1", "ok").encode() + b"\n" + row("1", "twice").encode(), "Line 4 .* expected 2"),
        (row("one", "word").encode(), "is word 'one'"),
        (row("1", "word", "_").encode(), "lacks the part of speech"),
        (row("1", "", "NOUN").encode(), "lacks the word"),
        (b"", "no sentence"),
        (b"# sent_id = only\n\n", "no sentence"),
        (b"1\t\xff\xfe\t", "cannot be read as text in UTF-8"),
    ],
)
def test_what_is_no_conllu_is_refused_in_one_sentence(content, said, tmp_path):
    path = tmp_path / "a.conllu"
    path.write_bytes(content)
    with pytest.raises(IbmonError, match=said):
        conllu(path)


# -- columns ------------------------------------------------------------------------------------------------------------------


def test_columns_of_many_formats(tmp_path):
    path = tmp_path / "a.conll"
    blocks = [
        "-DOCSTART- -X- O",
        "# newdoc id = d\n# sent_id = s-1\n# text = # 1\n#   #  O\n1   CD B-X",
        " \t ",
        "#begin document (x); part 000\nIn IN O more of it",
        "#\tNN\tO\nNew York\tNNP\tB-X\n# = #\tX\tI-X",
    ]
    path.write_text("\n\n".join(blocks))
    assert conll(path, ("word", "pos", "ner"), iob2=("ner",)) == (
        Sentence(("#", "1"), {"pos": ("#", "CD"), "ner": ("O", "B-X")}, "s-1"),
        Sentence(("In",), {"pos": ("IN",), "ner": ("O",)}),
        Sentence(("#", "New York", "# = #"), {"pos": ("NN", "NNP", "X"), "ner": ("O", "B-X", "I-X")}),
    )
    assert conll(path, ("word", "-", "ner"))[1] == Sentence(("In",), {"ner": ("O",)}), "skipped columns are no tasks"


@given(st.lists(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_written_is_read(tmp_path_factory, written):
    def plain(word):
        return word.strip(" ") != "" and not word.startswith(("#", "-DOCSTART-"))

    sentences = [[pair for pair in pairs if all(map(plain, pair))] or [("a", "b")] for pairs in written]
    path = tmp_path_factory.mktemp("written") / "a.tsv"
    text = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in pairs) for pairs in sentences)
    path.write_bytes(text.encode())
    found = conll(path, ("word", "tag"))
    assert [list(zip(s.words, s.tags["tag"], strict=True)) for s in found] == sentences


@pytest.mark.parametrize(
    ("content", "names", "said"),
    [
        ("a\tX\nb\n", "word,pos", "Line 2 of a.conll has 1 columns, and word,pos are 2"),
        ("a\t \n", "word,pos", "Line 1 of a.conll has nothing in its column 'pos'"),
        ("\tX\n", "word,pos", "has nothing in its column 'word'"),
        ("a O\nb I-PER\n", "word,ner", "Line 2 of a.conll has the tag 'I-PER': .*IOB2"),
        ("a B-PER\nb I-LOC\n", "word,ner", "Line 2 of a.conll has the tag 'I-LOC'"),
        ("a S-PER\n", "word,ner", "Line 1 of a.conll has the tag 'S-PER'"),
        ("a B-\n", "word,ner", "has the tag 'B-'"),
        ("", "word,pos", "no sentence"),
        ("# sent_id = 1\n\n", "word,pos", "no sentence"),
        ("a X\n", "pos,ner", "word once"),
        ("a X\n", "word,word", "word once"),
        ("a X Y\n", "word,pos,pos", "no task twice"),
        ("a X\n", "word,", "word once"),
    ],
)
def test_columns_that_do_not_fit_are_refused_in_one_sentence(content, names, said, tmp_path):
    path = tmp_path / "a.conll"
    path.write_text(content)
    with pytest.raises(IbmonError, match=said):
        conll(path, names.split(","), iob2=("ner",))


def test_a_file_that_is_none_is_not_found(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(NotFoundError, match="There is no file"):
            conllu(path)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(IbmonError, match="UTF-8"):
        conll(tmp_path / "binary", ("word", "pos"))


# -- sentences and entities ---------------------------------------------------------------------------------------------------


def test_a_sentence_has_a_tag_for_every_word():
    with pytest.raises(ValueError, match="one word or more"):
        Sentence((), {})
    with pytest.raises(ValueError, match="2 words has 1 tags of 'pos'"):
        Sentence(("a", "b"), {"pos": ("X",)})


def test_only_the_same_words_of_the_same_id_are_joined():
    def one(words, tag, name):
        return Sentence(tuple(words), {tag: (tag,) * len(words)}, name)

    first = [one("ab", "pos", "1"), one("cd", "pos", "2"), one("ef", "pos", "3"), one("gh", "pos", "")]
    second = [one("ef", "ner", "3"), one("cX", "ner", "2"), one("ab", "ner", "1"), one("gh", "ner", "")]
    assert [(s.id, set(s.tags)) for s in joined(first, second)] == [("1", {"pos", "ner"}), ("3", {"pos", "ner"})]


@pytest.mark.parametrize(
    ("tags", "expected", "odd"),
    [
        ("O O", [], None),
        ("B-A I-A O B-B", [("A", 0, 2), ("B", 3, 4)], None),
        ("B-A B-A I-A", [("A", 0, 1), ("A", 1, 3)], None),
        ("I-A I-A O", [("A", 0, 2)], 0),
        ("B-A I-B I-B", [("A", 0, 1), ("B", 1, 3)], 1),
        ("O I-A", [("A", 1, 2)], 1),
        ("B-A-X I-A-X", [("A-X", 0, 2)], None),
    ],
)
def test_entities_of_tags(tags, expected, odd):
    assert spans(tags.split()) == expected
    assert odd_in_iob2(tags.split()) == odd


@pytest.mark.parametrize("tag", ["PER", "B-", "E-PER", "-PER", ""])
def test_other_tags_are_no_entities(tag):
    with pytest.raises(ValueError, match="none of O"):
        spans([tag])
    assert odd_in_iob2([tag]) == 0


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.integers(1, 3)), max_size=6))
def test_entities_written_as_tags_are_found_again(entities):
    tags: list[str] = []
    expected = []
    for kind, apart, length in entities:
        tags += ["O"] * apart
        expected.append((kind, len(tags), len(tags) + length))
        tags += [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]
    assert spans(tags) == expected and odd_in_iob2(tags) is None
