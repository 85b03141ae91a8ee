"""The documentation says what is there."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from ibmon import hookspecs
from ibmon.records import AnyRecord
from ibmon.schedules import parse
from ibmon.tui.keys import KEYS

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("kind", get_args(AnyRecord), ids=lambda k: k.__struct_config__.tag)
def test_every_kind_of_record_is_described(kind: type) -> None:
    assert f"| `{kind.__struct_config__.tag}` |" in (DOCS / "run-format.md").read_text()


def test_every_hook_is_described_or_shown() -> None:
    text = (DOCS / "plugins.md").read_text()
    for name in dir(hookspecs):
        if name.startswith("ibmon_"):
            assert name in text


def test_the_schedules_that_are_described_exist() -> None:
    for word in ("every:10epochs", "every:100steps", "at:1,10,100", "log:20"):
        assert word in (DOCS / "monitoring.md").read_text()
        parse(word)


def test_every_key_has_an_id_of_its_own_and_words() -> None:
    assert len({key.id for key in KEYS}) == len(KEYS)
    assert all(key.words for key in KEYS)


def test_every_link_of_the_readme_leads_somewhere() -> None:
    import re

    root = DOCS.parent
    for text in (root / "README.md", *DOCS.glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", text.read_text()):
            assert link.startswith("http") or (text.parent / link).exists(), f"{text.name}: {link}"
