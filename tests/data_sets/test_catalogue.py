"""The catalogue says what is published, and the documentation what the catalogue says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ibmon.data import available, files
from ibmon.data.catalogue import DATA_SETS

DOC = Path(__file__).parents[2] / "docs" / "data.md"
NAMES = [one.name for one in DATA_SETS]


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_in_the_folder_is_what_the_catalogue_describes(real, name):
    there = {one.data_set.name: one for one in available()}[name]
    if there.state != "folder":
        pytest.skip(f"{name} is not in {real}")
    assert [path.parent for path in files(name)] == [there.folder] * len(there.files)
    assert [file.bytes for file in there.files] == [(there.folder / file.name).stat().st_size for file in there.files]


def test_sizes_hashes_and_urls_are_those_of_the_registry(real):
    registry = real / "registry.json"
    if not registry.is_file():
        pytest.skip(f"no registry.json in {real}")
    known = {f"{one.folder}/{file.name}": file for one in DATA_SETS for file in one.files}
    for path, told in json.loads(registry.read_text()).items():
        file = known[path]
        assert (file.bytes, file.sha256, file.url) == (told["bytes"], told["sha256"], told.get("url", ""))


def test_every_file_has_a_bare_name_a_hash_and_an_https_url_or_none():
    assert len(set(NAMES)) == len(DATA_SETS)
    places = [f"{one.folder}/{file.name}" for one in DATA_SETS for file in one.files]
    assert len(set(places)) == len(places)
    for one in DATA_SETS:
        for file in (*one.files, *([one.archive] if one.archive else [])):
            assert re.fullmatch(r"sha256 [0-9a-f]{64}|git [0-9a-f]{40}", " ".join(file.known_by))
            assert re.fullmatch(r"[A-Za-z0-9._-]+", file.name)
            assert not file.url or urlsplit(file.url).scheme == "https"


def test_the_documentation_lists_the_catalogue():
    rows = [line for line in DOC.read_text().splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{one.name}` | {one.what} | {one.counts} | {one.terms} | "
        + (f"[{urlsplit(one.source).hostname}]({one.source})" if one.source else "by hand")
        + " |"
        for one in DATA_SETS
    ]


def test_what_the_documentation_says_in_python_holds(real, monkeypatch):
    (code,) = re.findall(r"^```python\n(.*?)^```", DOC.read_text(), re.MULTILINE | re.DOTALL)
    said = {}
    exec(code, said)
    assert said["images"].train_x.shape == (60000, 28, 28)
    assert len(said["text"].split()) > 2_000_000
    assert "review" in said
