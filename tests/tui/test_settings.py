"""The configuration file: what it changes, and what it says when it makes no sense."""

import pytest

from ibmon.records import UsageError
from ibmon.tui.keys import KEYS
from ibmon.tui.settings import Settings, example, load, path


def written(tmp_path, text):
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file


def test_without_a_file_everything_is_as_it_was(tmp_path):
    assert load(tmp_path / "none.toml") == Settings()


def test_the_example_changes_nothing_until_lines_are_uncommented(tmp_path):
    assert load(written(tmp_path, example())) == Settings()
    bare = "\n".join(line.removeprefix("# ") if " = " in line else line for line in example().splitlines())
    settings = load(written(tmp_path, bare))
    assert (settings.theme, settings.colours, settings.ascii) == ("dark", "default", False)
    assert set(settings.keys) == {key.id for key in KEYS}


def test_looks_and_keys(tmp_path):
    look = '[look]\ntheme = "contrast"\ncolours = "magma"\nascii = true\n'
    text = look + '[keys]\nexport = "f5"\nfilter = "?"\nhelp = "/"\nsearch = "f6"\nfilter-runs = "f7"\n'
    settings = load(written(tmp_path, text))
    assert (settings.theme, settings.colours, settings.ascii, settings.low_bandwidth) == ("contrast", "magma", True, False)
    assert settings.keys["export"] == "f5"
    assert settings.keys["filter"] == "question_mark"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[look]\ntheme = 'darc'", ("theme is one of dark, light, contrast", "darc")),
        ("[look]\ncolours = 'jet'", ("colours is one of", "viridis")),
        ("[look]\ntheem = 'dark'", ("did you mean 'theme'?",)),
        ("[look]\nascii = 1", ("true or false",)),
        ("[kees]\nexport = 'f5'", ("did you mean 'keys'?",)),
        ("[keys]\nexprot = 'f5'", ("did you mean 'export'?",)),
        ("[keys]\nexport = 5", ("is no key",)),
        ("[keys]\nexport = 'q'", ("'q' is the key of both", "export", "detach")),
        ("keys = 3", ("[keys] is a table",)),
        ("[look", ("cannot be read", "ibmon config")),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, words):
    with pytest.raises(UsageError) as caught:
        load(written(tmp_path, text))
    assert str(tmp_path / "config.toml") in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_where_the_file_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert path() == tmp_path / "ibmon" / "config.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(path()) == "/home/somebody/.config/ibmon/config.toml"
