"""``ibmon data``, as a person or a script calls it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support import ibmon

HEAVY = ("numpy", "torch", "pooch", "requests", "PIL")


def loaded_by(*arguments):
    code = (
        f"import sys, atexit\nsys.argv = ['ibmon', *{arguments!r}]\n"
        f"atexit.register(lambda: print('LOADED', *(m for m in {HEAVY} if m in sys.modules)))\n"
        "from ibmon.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("arguments", [("data", "--help"), ("data", "get", "--help"), ("data",)], ids=" ".join)
def test_help_and_list_load_nothing_heavy(arguments):
    assert loaded_by(*arguments) == set()


def test_the_list_has_every_data_set_and_where_it_is(folder):
    (folder / "szt12").mkdir()
    (folder / "szt12" / "var_u.mat").write_bytes(b"x" * 1003)
    done = ibmon("data", COLUMNS="120")
    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "1 kB  folder" in lines["szt12"]
    assert "11.6 MB  absent" in lines["mnist"]
    assert "by hand" in lines["codeswitch-en-es"]


def test_as_json_it_has_what_a_script_needs(folder):
    (folder / "szt12").mkdir()
    (folder / "szt12" / "var_u.mat").write_bytes(b"x")
    told = {one["name"]: one for one in json.loads(ibmon("data", "--json").stdout)}
    assert (told["szt12"]["state"], told["szt12"]["path"], told["szt12"]["bytes"]) == ("folder", f"{folder}/szt12", 1)
    assert (told["mnist"]["state"], told["mnist"]["path"]) == ("absent", None)
    assert {"name", "sha256", "bytes", "url", "git"} == set(told["mnist"]["files"][0])
    assert told["imdb"]["archive"]["url"].endswith("aclImdb_v1.tar.gz")


def test_get_and_path_say_where_it_lies(real):
    done = ibmon("data", "get", "szt12", "szt12", "ptb")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name}: {real}/{name} (there already, in $IBMON_DATA)" for name in ("szt12", "ptb")]
    assert ibmon("data", "path", "szt12").stdout == f"{real}/szt12\n"


def test_get_goes_on_after_a_failure_and_tells_it(folder):
    (folder / "szt12").mkdir()
    (folder / "szt12" / "var_u.mat").write_bytes(b"x")
    done = ibmon("data", "get", "szt12", "jfk-weather")
    assert (done.returncode, done.stdout) == (1, "")
    wrong, absent = done.stderr.splitlines()
    assert wrong.startswith(f"ibmon: {folder}/szt12/var_u.mat is not the file it should be")
    assert absent.startswith(f"ibmon: jfk-weather cannot be downloaded; put jfk_weather_cleaned.csv into {folder}/jfk_weather")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("get", "ptb", "nonsense"), "There is no data set 'nonsense'"),
        (("path", "mnits"), "did you mean 'mnist'?"),
        (("path", "mnist"), "mnist is not here yet; get it with: ibmon data get mnist"),
    ],
)
def test_what_is_not_there_has_its_own_exit_code(arguments, told):
    done = ibmon("data", *arguments)
    assert (done.returncode, done.stdout) == (3, "")
    assert told in done.stderr


def test_path_vouches_for_what_it_names(folder):
    (folder / "szt12").mkdir()
    (folder / "szt12" / "var_u.mat").write_bytes(b"x")
    done = ibmon("data", "path", "szt12")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not the file it should be" in done.stderr
