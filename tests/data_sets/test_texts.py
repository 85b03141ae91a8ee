"""Texts from their files: the real ones as they are known, hostile ones refused."""

from __future__ import annotations

import io
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.data import imdb, sst, words
from ibmon.records import IbmonError


def test_reviews_are_those_of_maas_et_al(real):
    texts = imdb()
    assert (len(texts.train), len(texts.test), len(texts.validation)) == (25000, 25000, 0)
    assert texts.classes == ("negative", "positive")
    for labels in (texts.train_y, texts.test_y):
        assert np.bincount(labels).tolist() == [12500, 12500]
    assert texts.train[0].startswith("Story of a man who has unnatural feelings for a pig.")
    assert texts.train[12500].startswith("Bromwell High is a cartoon comedy.")


def test_sentences_are_those_of_socher_et_al(real):
    texts = sst()
    assert (len(texts.train), len(texts.validation), len(texts.test)) == (8544, 1101, 2210)
    assert np.bincount(texts.train_y).tolist() == [1092, 2218, 1624, 2322, 1288]
    assert np.bincount(texts.test_y).max() / 2210 == pytest.approx(0.286, abs=5e-4)
    assert texts.train[0].startswith("The Rock is destined to be the 21st Century's new `` Conan ''")
    assert words(texts.train[0])[:9] == ["the", "rock", "is", "destined", "to", "be", "the", "21", "st"]
    assert not any("\\" in text or " n't" in text for text in texts.train)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It isn't Bad!<br /><br />Really?", ["it", "isn't", "bad", "!", "really", "?"]),
        ("co-writer/director, 'quoted'; a < b", ["co", "writer", "director", "quoted", "a", "b"]),
        ("Élan’s 2nd café", ["élan's", "2", "nd", "café"]),
        ("... -- 10/10", ["10", "10"]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@given(st.text())
def test_words_are_never_empty_and_their_words_are_themselves(text):
    found = words(text)
    assert all(found) and not any(character.isspace() for word in found for character in word)
    lowered = [word for word in found if word == word.lower()]
    assert words(" ".join(lowered)) == lowered


def archive_of(path, **content):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, data in content.items():
                file.writestr(f"trees/{name}.txt", data)
        return path.read_bytes()
    with tarfile.open(path, "w:gz") as file:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path.read_bytes()


@pytest.mark.parametrize("line", ["no tree", "(3 (2 a)", "(9 (2 a) (2 b))", "(x (2 a))", "(3 )"])
def test_a_tree_that_is_none_is_refused(line, net, offered, folder, tmp_path):
    data = archive_of(tmp_path / "t.zip", train="(3 (2 a) (2 b))", dev="(3 (2 a) (2 b))", test=line)
    offered(net.by_hand("trainDevTestTrees_PTB.zip", data), name="sst", folder="sst")
    (folder / "sst").mkdir()
    (folder / "sst" / "trainDevTestTrees_PTB.zip").write_bytes(data)
    if line == "(3 (2 a)":  # a bracket too few does not hide the words
        assert sst().test == ("a",)
        return
    with pytest.raises(IbmonError, match="is damaged"):
        sst()


def test_an_archive_without_reviews_of_one_class_is_refused(net, offered, folder, tmp_path):
    content = {f"aclImdb/{part}/neg/0_1.txt": b"bad" for part in ("train", "test")}
    data = archive_of(tmp_path / "a.tar.gz", **content)
    offered(net.by_hand("aclImdb_labeled.tar.gz", data), name="imdb", folder="imdb")
    (folder / "imdb").mkdir()
    (folder / "imdb" / "aclImdb_labeled.tar.gz").write_bytes(data)
    with pytest.raises(IbmonError, match="lacks reviews"):
        imdb()
