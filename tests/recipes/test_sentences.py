from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ibmon import IbmonError
from ibmon.data import Sentence, Tagged
from ibmon_recipes import sentences
from ibmon_recipes.sentences import corpus, in_parts, kinds_only, of_files, span_f1


def test_parts_are_drawn_once_for_all_and_share_no_sentence() -> None:
    every = tuple(Sentence((f"w{k}",), {}) for k in range(43))
    parts = in_parts(every)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [35, 4, 4]
    assert {s.words for part in (parts.train, parts.validation, parts.test) for s in part} == {s.words for s in every}
    torch.manual_seed(5)
    assert in_parts(every) == parts


def test_words_characters_and_labels_are_what_the_sentences_say() -> None:
    parts = Tagged(
        (Sentence(("ab", "c"), {"ner": ("B-X", "O")}), Sentence(("a",), {"ner": ("O",)})),
        (Sentence(("zb",), {"ner": ("O",)}),),
        (Sentence(("a" * 100, "c", "c"), {"ner": ("O", "I-Y", "O")}),),
    )
    found = corpus(parts, ("ner",))
    assert found.classes == {"ner": ("O", "B-X", "I-Y")} and found.characters == 2 + 3
    assert [[found.vocabulary[k] for k in row] for row in found.train.words.tolist()] == [["ab", "c"], ["a", "<pad>"]]
    assert found.train.mask.tolist() == [[True, True], [True, False]] and found.train.labels["ner"].tolist() == [[1, 0], [0, 0]]
    spelled = {word: row.tolist() for word, row in zip(found.vocabulary, found.spelling, strict=True)}
    assert spelled["ab"][:3] == [2, 3, 0] and spelled["zb"][:2] == [sentences.UNKNOWN, 3] and not any(spelled["<pad>"])
    assert spelled["a" * 100] == [2] * sentences.SPELLED, "the first characters alone are read"


def test_minibatches_hold_every_sentence_once_and_little_padding() -> None:
    random = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 9, (200,), generator=random).tolist()
    every = [Sentence(("a",) * length, {"pos": ("X",) * length}) for length in lengths]
    found = corpus(in_parts(every), ("pos",)).train
    order = torch.Generator().manual_seed(0)
    first, second = found.minibatches(16, order), found.minibatches(16, order)
    for rows in (first, second):
        assert torch.cat(rows).sort().values.tolist() == list(range(160))
        assert all(int(found.lengths[r].max() - found.lengths[r].min()) <= 3 for r in rows)
    assert {tuple(r.tolist()) for r in first} != {tuple(r.tolist()) for r in second}


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        (["B-A I-A O"], ["B-A I-A O"], 1.0),
        (["B-A I-A O B-B"], ["B-A I-A O O"], 2 / 3),
        (["B-A I-A O"], ["B-A O O"], 0.0),
        (["B-A I-A"], ["B-B I-B"], 0.0),
        (["O O"], ["O O"], 0.0),
        (["O B-A I-A"], ["O I-A I-A"], 1.0),
        (["B-A O", "B-A"], ["B-A B-A", "O"], 0.5),
    ],
)
def test_f1_is_of_whole_entities(truth: list[str], predicted: list[str], expected: float) -> None:
    assert span_f1([t.split() for t in truth], [p.split() for p in predicted]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("columns", "first", "second"),
    [
        ("word,pos,_,ner", "-DOCSTART- -X- -X- O\n\nAnn NNP I-NP I-PER\nBob NNP B-NP B-PER", "Oslo NNP I-NP I-LOC"),
        (
            "_,_,_,word,pos,_,_,_,_,_,ner",
            "#begin document (a); part 000\na 0 0 Ann NNP (TOP(NP*)) - - - s (PER) (0)\na 0 1 Bob NNP (NP*) - - - s (PER) -",
            "#end document\n#begin document (a); part 001\na 1 0 Oslo NNP (TOP(NP*)) - - - s (LOC) -\n\n#end document",
        ),
    ],
)
def test_files_of_conll_are_taken_as_iob2(columns: str, first: str, second: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("\n\n".join([first, second] * 5))
    parts = of_files(str(tmp_path / "a"), columns)
    every = {(s.words, s.tags["ner"]) for part in (parts.train, parts.validation, parts.test) for s in part}
    assert every == {(("Ann", "Bob"), ("B-PER", "B-PER")), (("Oslo",), ("B-LOC",))}


def test_entities_of_other_kinds_become_o() -> None:
    one = (Sentence(("a", "b", "c"), {"pos": ("X",) * 3, "ner": ("B-PER", "I-PER", "B-LOC")}),)
    kept = kinds_only(Tagged(one, one, one), ["LOC"])
    assert kept.train == kept.test == (Sentence(one[0].words, {"pos": ("X",) * 3, "ner": ("O", "O", "B-LOC")}),)
    with pytest.raises(IbmonError, match="'GPE'; there are LOC, PER"):
        kinds_only(Tagged(one, one, one), ["LOC", "GPE"])
