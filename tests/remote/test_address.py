from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.records import UsageError
from ibmon.remote.address import Address, parse
from ibmon.remote.line import shell
from ibmon.remote.script import AWAY, SERVE


@pytest.mark.parametrize(
    ("text", "login", "place"),
    [
        ("login1:/scratch/runs/x", "login1", "/scratch/runs/x"),
        ("me@login1.cluster.edu:runs/x", "me@login1.cluster.edu", "runs/x"),
        ("login1:tishby-20261120-7f3a2c", "login1", "tishby-20261120-7f3a2c"),
        ("login1:~/runs/a b:c", "login1", "runs/a b:c"),
        ("login1:", "login1", ""),
        ("me@[fe80::1]:x", "me@fe80::1", "x"),
    ],
)
def test_what_scp_takes_is_an_address(text: str, login: str, place: str) -> None:
    assert parse(text) == Address(login, place)


@pytest.mark.parametrize("text", [None, "", "tishby", "./a:b", "runs/a:b", "-oProxyCommand=x:y", "me@-x:y", ":x", "a b:c"])
def test_what_it_does_not_take_is_none(text: str | None) -> None:
    assert parse(text) is None


def test_a_file_here_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("a:b") == Address("a", "b")
    Path("a:b").touch()
    assert parse("a:b") is None


def test_a_path_with_a_line_break_is_refused() -> None:
    with pytest.raises(UsageError, match="line break"):
        parse("login1:a\nrm -r x")


@given(st.text(max_size=60))
def test_no_login_can_be_taken_for_an_option(text: str) -> None:
    try:
        address = parse(text)
    except UsageError:
        return
    assert address is None or not address.login.startswith("-")


@pytest.mark.parametrize("script", [SERVE, AWAY])
def test_the_scripts_are_one_line_that_a_posix_shell_accepts(script: str) -> None:
    line = shell(script)
    assert "\n" not in line and line.count("'") == 2
    subprocess.run(["sh", "-n", "-c", line.partition("'")[2].rpartition("'")[0]], check=True)
