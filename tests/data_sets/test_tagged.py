"""Tagged sentences from their files: the real ones as they are known, odd ones read right or refused in one sentence."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.data import Sentence, catalogue, codeswitch_en_es, conll, conllu, fetch, spans, ud_ewt, uner_ewt, wnut17
from ibmon.data.catalogue import DataSet, File
from ibmon.data.entities import OddTagError, as_iob2
from ibmon.data.tagged import joined
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
    found, treebank = uner_ewt(train=False), fetch("ud-ewt")
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


@pytest.fixture
def entities(net, folder, monkeypatch):
    """A treebank of one sentence a part, its entities in the folder but for those of training, and what git calls these."""
    treebank, found = [], {}
    for part in ("train", "dev", "test"):
        name = f"# sent_id = {part}-1\n"
        treebank.append((f"en_ewt-ud-{part}.conllu", (name + row("1", "Rome", "PROPN") + "\n" + row("2", "!") + "\n").encode()))
        found[f"en_ewt-ud-{part}.iob2"] = (name + "1\tRome\tB-LOC\t-\tA\n2\t!\tB-OTH\n").encode()
    train = "en_ewt-ud-train.iob2"
    net.content[f"/{train}"] = found[train]
    blob = hashlib.sha1(b"blob %d\0" % len(found[train]) + found[train]).hexdigest()
    parts = [
        DataSet("ud-ewt", "ud", "", "", "", tuple(net.by_hand(*file) for file in treebank)),
        DataSet("uner-ewt", "uner", "", "", "", tuple(net.by_hand(*file) for file in found.items() if file[0] != train)),
        DataSet("uner-ewt-train", "uner", "", "", "", (File(train, url=f"{net.url}/{train}", git=blob),)),
    ]
    monkeypatch.setattr(catalogue, "DATA_SETS", tuple(parts))
    for at, contents in (("ud", treebank), ("uner", found.items())):
        (folder / at).mkdir()
        for name, content in contents:
            if name != train:
                (folder / at / name).write_bytes(content)
    return found[train]


TRAINING = (Sentence(("Rome", "!"), {"pos": ("PROPN", "NOUN"), "ner": ("B-LOC", "O")}, "train-1"),)
"""Of the kinds that are released alone."""


def test_the_training_part_is_fetched_once_beside_a_folder_that_lacks_it(net, entities, cache, folder):
    assert uner_ewt().train == TRAINING and [s.id for s in uner_ewt().validation] == ["dev-1"]
    assert net.asked == ["/en_ewt-ud-train.iob2"]
    assert (cache / "uner" / "en_ewt-ud-train.iob2").read_bytes() == entities
    assert sorted(path.name for path in (folder / "uner").iterdir()) == ["en_ewt-ud-dev.iob2", "en_ewt-ud-test.iob2"]


def test_a_training_part_put_beside_the_others_is_used_and_verified(net, entities, folder):
    path = folder / "uner" / "en_ewt-ud-train.iob2"
    path.write_bytes(entities)
    assert uner_ewt().train == TRAINING
    path.write_bytes(entities + b"\n")
    with pytest.raises(IbmonError, match="its hash in git is"):
        uner_ewt()
    assert net.asked == []


@pytest.mark.usefixtures("entities")
def test_without_a_net_there_are_the_other_two_parts(net):
    net.content.clear()
    found = uner_ewt()
    assert (found.train, len(found.validation), len(found.test)) == ((), 1, 1)
    assert net.asked == ["/en_ewt-ud-train.iob2"]
    assert uner_ewt(train=False) == found and len(net.asked) == 1, "what is not asked for is not fetched"


@pytest.mark.usefixtures("entities")
def test_another_training_part_than_the_published_one_is_an_error(net):
    net.content["/en_ewt-ud-train.iob2"] = b"something else"
    with pytest.raises(IbmonError, match=r"gave something else than .*hash in git"):
        uner_ewt()


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


CONLL_2003 = """-DOCSTART- -X- -X- O

Acme NNP I-NP I-ORG
Corp NNP I-NP I-ORG
hired VBD I-VP O
Ann NNP I-NP I-PER
Bob NNP B-NP B-PER
. . O O

-DOCSTART-

Oslo NNP I-NP I-LOC
"""
CONLL_2012 = """#begin document (nw/toy/00/toy_0001); part 000
nw/toy/00/toy_0001   0   0   Acme    NNP   (TOP(S(NP*   -   -   -   Some_Body   (ORG*   (ARG0*   (0
nw/toy/00/toy_0001   0   1   Corp    NNP           *)   -   -   -   Some_Body   *)   *)   0)
nw/toy/00/toy_0001   0   2   hired   VBD         (VP*   hire   01   1   Some_Body   *   (V*)   -
nw/toy/00/toy_0001   0   3   Ann     NNP      (NP*))))   -   -   -   Some_Body   (PERSON)   (ARG1*)   (1)

#end document
#begin document (nw/toy/00/toy_0001); part 001
nw/toy/00/toy_0001   1   0   Oslo    NNP   (TOP(NP*))   -   -   -   -   (GPE)   -

#end document
"""


def test_conll_2003_is_read_and_its_iob1_becomes_iob2(tmp_path):
    path = tmp_path / "eng.testa"
    path.write_text(CONLL_2003)
    assert conll(path, ("word", "pos", "_", "ner"), iob2=("ner",)) == (
        Sentence(
            ("Acme", "Corp", "hired", "Ann", "Bob", "."),
            {"pos": ("NNP", "NNP", "VBD", "NNP", "NNP", "."), "ner": ("B-ORG", "I-ORG", "O", "B-PER", "B-PER", "O")},
        ),
        Sentence(("Oslo",), {"pos": ("NNP",), "ner": ("B-LOC",)}),
    )
    assert conll(path, ("word", "_", "chunk", "_"))[0].tags == {"chunk": ("I-NP", "I-NP", "I-VP", "I-NP", "B-NP", "O")}, "as is"


def test_conll_2012_is_read_and_its_brackets_become_iob2(tmp_path):
    path = tmp_path / "a.v4_gold_conll"
    path.write_text(CONLL_2012)
    names = ["_", "_", "_", "word", "pos", "_", "_", "_", "_", "_", "ner"]
    assert conll(path, names, iob2=("ner",)) == (
        Sentence(
            ("Acme", "Corp", "hired", "Ann"),
            {"pos": ("NNP", "NNP", "VBD", "NNP"), "ner": ("B-ORG", "I-ORG", "O", "B-PERSON")},
        ),
        Sentence(("Oslo",), {"pos": ("NNP",), "ner": ("B-GPE",)}),
    )
    with pytest.raises(IbmonError, match=r"Line 2 of .* has the tag '\(TOP\(S\(NP\*'"):
        conll(path, ["_", "_", "_", "word", "pos", "ner"], iob2=("ner",))


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
        ("a O\nb PER\n", "word,ner", "Line 2 of a.conll has the tag 'PER': .*IOB2"),
        ("a *\nb (PER*\nc *\n", "word,ner", r"Line 3 of a.conll has the tag '\*': .*brackets that match"),
        ("a (PER*\nb (LOC)\nc *)\n", "word,ner", r"Line 2 of a.conll has the tag '\(LOC\)'"),
        ("a (TOP(S(NP*\n", "word,ner", r"Line 1 of a.conll has the tag '\(TOP\(S\(NP\*'"),
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
    ("tags", "expected"),
    [
        ("O O", []),
        ("B-A I-A O B-B", [("A", 0, 2), ("B", 3, 4)]),
        ("B-A B-A I-A", [("A", 0, 1), ("A", 1, 3)]),
        ("I-A I-A O", [("A", 0, 2)]),
        ("B-A I-B I-B", [("A", 0, 1), ("B", 1, 3)]),
        ("O I-A", [("A", 1, 2)]),
        ("B-A-X I-A-X", [("A-X", 0, 2)]),
    ],
)
def test_entities_of_tags(tags, expected):
    assert spans(tags.split()) == expected


@pytest.mark.parametrize("tag", ["PER", "B-", "E-PER", "-PER", ""])
def test_other_tags_are_no_entities(tag):
    with pytest.raises(ValueError, match="none of O"):
        spans([tag])


ENTITIES = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.integers(1, 3)), max_size=6)
"""Kind, words before it, and its words."""


def tagged(entities, first="B", inside="I", last="I", single="B"):
    """The tags of entities with these prefixes, and the spans."""
    tags, expected = [], []
    for kind, apart, length in entities:
        tags += ["O"] * apart
        expected.append((kind, len(tags), len(tags) + length))
        prefixes = [single] if length == 1 else [first, *[inside] * (length - 2), last]
        tags += [f"{prefix}-{kind}" for prefix in prefixes]
    return tags, expected


def iob1(entities):
    """In IOB1 an entity begins with B- behind one of its own kind alone."""
    tags, expected = tagged(entities, first="I", single="I")
    for (kind, _, end), (after, begin, _) in pairwise(expected):
        if end == begin and kind == after:
            tags[begin] = f"B-{kind}"
    return tags


def brackets(entities):
    """As CoNLL-2012 writes them."""
    tags, expected = tagged(entities)
    tags = ["*"] * len(tags)
    for kind, begin, end in expected:
        tags[begin] = f"({kind}*"
        tags[end - 1] = f"({kind})" if end - begin == 1 else "*)"
    return tags


@given(ENTITIES)
def test_every_form_of_the_same_entities_becomes_the_same_iob2(entities):
    tags, expected = tagged(entities)
    assert spans(tags) == expected
    forms = [
        tagged(entities, last="E", single="S")[0],
        tagged(entities, last="L", single="U")[0],
        iob1(entities),
        brackets(entities),
    ]
    for form in (tags, *forms):
        assert as_iob2(form) == tuple(tags)


@pytest.mark.parametrize(
    ("tags", "at"),
    [
        ("O PER", 1),
        ("B-", 0),
        ("O *", 0),
        ("*)", 0),
        ("(A* *", 1),
        ("(A* (B) *)", 1),
        ("(A", 0),
        ("(A)*", 0),
        ("* -", 1),
        ("()", 0),
    ],
)
def test_tags_of_no_known_form_are_named(tags, at):
    with pytest.raises(OddTagError) as error:
        as_iob2(tags.split())
    assert error.value.at == at
