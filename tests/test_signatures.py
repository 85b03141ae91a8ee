from __future__ import annotations

from pathlib import Path

import pytest

from ibmon.records import IbmonError, UsageError
from ibmon.signatures import Request, is_recipe, of_source, of_target

SOURCE = '''
"""A module."""
raise RuntimeError("never imported")

def train(monitor, *, epochs: int = 5, lr: "float" = 1, mode: Literal["a", "b"] = "a", tied: bool = False,
          decay: float | None = None, name="x"):
    """Trains.

    More words.

    Args:
        epochs: passes over the data,
            all of it
        mode: which of two
    """
'''


def test_options_are_read_without_running_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    signature = of_source(path, "train")
    options = {o.name: o for o in signature.options}
    assert signature.summary == "Trains."
    assert (options["epochs"].type, options["epochs"].default) == ("int", 5)
    assert options["epochs"].help == "passes over the data, all of it"
    assert (options["lr"].type, options["lr"].default) == ("float", 1.0)
    assert options["mode"].choices == ("a", "b")
    assert options["tied"].type == "bool"
    assert options["decay"].optional and options["decay"].type == "float"
    assert options["name"].type == "str"
    assert is_recipe(path)


def test_a_file_without_train_of_a_monitor_is_a_script(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("def train(model): ...\n")
    assert not is_recipe(path)


def test_a_default_that_is_no_literal_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def train(monitor, *, n=len('x')): ...\n")
    with pytest.raises(IbmonError, match="'n' must be a literal"):
        of_source(path, "train")


def test_what_is_no_python_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def train(:\n")
    with pytest.raises(IbmonError, match="not valid Python"):
        is_recipe(path)


def test_requests_become_typed_options_and_one_canonical_name() -> None:
    values, name = Request.parse("kde:relative=true,variance=.1").resolve("ibmon_estimators.kde:KDE")
    assert values == {"relative": True, "variance": 0.1}
    assert name == "kde:relative=true,variance=0.1"
    assert Request.parse("kde: variance = 1e-1 , relative=yes").resolve("ibmon_estimators.kde:KDE")[1] == name


@pytest.mark.parametrize("text", ["kde:variance", "kde:=1", ":x=1", "kde:variance=small", "kde:colour=red"])
def test_a_wrong_request_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        Request.parse(text).resolve("ibmon_estimators.kde:KDE")


def test_tishby_is_described_by_its_source() -> None:
    options = {o.name: o for o in of_target("ibmon_recipes.tishby:train").options}
    assert options["epochs"].default == 8000
    assert options["activation"].choices == ("tanh", "relu")
    assert all(o.help for o in options.values())
