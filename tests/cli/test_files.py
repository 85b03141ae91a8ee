"""What is read from files of data, and what is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ibmon.analysis.files import open_table
from ibmon.records import IbmonError, NotFoundError, UsageError

CSV = "a, b ,who,ok,gap,id\n1.5,2,x,true,,9007199254740993\n-2e3,3,none,false,7,9007199254740995\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_cells_become_the_narrowest_type_that_holds_them_all(tmp_path: Path) -> None:
    table = open_table(written(tmp_path / "d.csv", CSV))
    assert table.names == ("a", "b", "who", "ok", "gap", "id")
    a, b, who, ok, gap, long = table.take("0:6")
    assert a.values[:, 0].tolist() == [1.5, -2000.0] and a.values.dtype == np.float64
    assert b.values[:, 0].tolist() == [2, 3] and b.values.dtype == np.int64
    assert who.values[:, 0].tolist() == ["x", "none"] and who.label and not who.missing.any()
    assert ok.values[:, 0].tolist() == [True, False] and ok.label
    assert gap.missing.tolist() == [True, False] and gap.values[1, 0] == 7
    assert long.values[:, 0].tolist() == [9007199254740993, 9007199254740995]  # floats would make them one


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "NAN", "NA", "N/A", "null"])
def test_what_counts_as_missing(tmp_path: Path, cell: str) -> None:
    numbers, words = open_table(written(tmp_path / "d.csv", f"n,w\n1,x\n{cell},{cell}\n")).take("n,w")
    assert numbers.missing.tolist() == words.missing.tolist() == [False, True]
    assert not numbers.label and words.label


def test_tabs_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "d.tsv").write_bytes('\ufeff"a\tb"\tc\r\n1\t2\r\n3\t4\r\n\r\n'.encode())
    table = open_table(tmp_path / "d.tsv")
    assert table.names == ("a\tb", "c")
    assert table.take("c")[0].values[:, 0].tolist() == [2, 4]


def test_a_number_with_an_underscore_is_text(tmp_path: Path) -> None:
    (column,) = open_table(written(tmp_path / "d.csv", "a\n1_2\n12\n")).take("a")
    assert column.values[:, 0].tolist() == ["1_2", "12"]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("b", ["b"]),
        ("b,a", ["b", "a"]),
        ("1:3", ["b", "c,d"]),
        (":1,e", ["a", "e"]),
        ("2:", ["c,d", "e"]),
        ("c,d", ["c,d"]),
    ],
)
def test_columns_are_chosen_by_name_and_range(tmp_path: Path, choice: str, names: list[str]) -> None:
    table = open_table(written(tmp_path / "d.csv", 'a,b,"c,d",e\n1,2,3,4\n'))
    assert [c.name for c in table.take(choice)] == names


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("heigth", "did you mean 'height'?"),
        ("zzz", "it has height, b."),
        ("", "no column ''"),
        ("height,", "no column ''"),
        ("0:3", "no range of the 2 columns"),
        ("1:1", "no range"),
        ("2:", "no range"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, choice: str, words: str) -> None:
    table = open_table(written(tmp_path / "d.csv", "height,b\n1,2\n"))
    with pytest.raises(NotFoundError) as refused:
        table.take(choice)
    assert words in str(refused.value)


def test_arrays_of_numpy(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(4, 3)
    np.save(tmp_path / "d.npy", values)
    assert [c.values[:, 0].tolist() for c in open_table(tmp_path / "d.npy").take("2,0")] == [
        values[:, 2].tolist(),
        values[:, 0].tolist(),
    ]
    np.save(tmp_path / "flat.npy", np.array([1, 2, 3], dtype=">i2"))
    assert open_table(tmp_path / "flat.npy").take("0")[0].values[:, 0].tolist() == [1, 2, 3]
    gaps = values.astype(np.float32)
    gaps[1, 2] = np.nan
    np.savez(tmp_path / "d.npz", layer=gaps, text=np.array(["a", "", "b", "c"]), raw=np.array([b"u", b"v", b"w", b"x"]))
    layer, text, raw = open_table(tmp_path / "d.npz").take("layer,text,raw")
    assert layer.names == ("layer[0]", "layer[1]", "layer[2]") and layer.values.dtype == np.float32
    assert layer.missing.tolist() == text.missing.tolist() == [False, True, False, False]
    assert raw.values[:, 0].tolist() == ["u", "v", "w", "x"]


class Bomb:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (Path("exploded"),)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", allow_pickle=True, bomb=np.array([Bomb(), None], dtype=object), fine=np.arange(2))
    np.save("d.npy", np.array([Bomb(), None], dtype=object), allow_pickle=True)
    Path("bare.npy").write_bytes(pickle.dumps(Bomb()))
    Path("bare.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(IbmonError, match="'bomb' in d\\.npz cannot be read"):
        open_table(Path("d.npz")).take("bomb")
    assert open_table(Path("d.npz")).take("fine")[0].values[:, 0].tolist() == [0, 1]
    for name in ("d.npy", "bare.npy", "bare.npz"):
        with pytest.raises(IbmonError, match="cannot be read"):
            open_table(Path(name))
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("d.csv", b"", "is empty"),
        ("d.csv", b"a,b\n1,2\n3\n", "Line 3 of d.csv has 1 values, and the first line 2 names"),
        ("d.csv", b"a,b\n1,2\n\n\n3,4\n", "Line 3 of d.csv is blank, and rows follow; fill the gap or delete the line."),
        ("d.csv", b"a\n1\n\n3\n", "Line 3 of d.csv is blank"),
        ("d.tsv", b"\na\tb\n1\t2\n", "Line 1 of d.tsv is blank"),
        ("d.csv", b"a,a\n1,2\n", "more than one column called 'a'"),
        ("d.csv", b"0.3,1.5\n1,2\n", "first line of d.csv holds numbers"),
        ("d.csv", b'a,b\n"1,2\n', "cannot be read as text"),
        ("d.csv", b"a,b\n\xff,2\n", "UTF-8"),
        ("d.npy", b"nonsense", "cannot be read as numpy"),
        ("d.npz", b"PK\x03\x04 cut off", "cannot be read as numpy"),
        ("d.npz", b"", "cannot be read as numpy"),
    ],
)
def test_files_that_are_broken_are_one_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(IbmonError) as refused:
        open_table(tmp_path / name).take("0:1")
    assert words in str(refused.value)


def test_blank_lines_at_the_end_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b"a\n1\n2\n\n\r\n\n")
    assert open_table(tmp_path / "d.csv").take("a")[0].values[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((2, 3, 4)), "has the shape (2, 3, 4)"),
        (np.float64(1), "has the shape ()"),
        (np.zeros(3, dtype=complex), "holds complex128"),
        (np.zeros(3, dtype="datetime64[s]"), "holds datetime64"),
    ],
)
def test_arrays_that_cannot_be_measured(tmp_path: Path, values: np.ndarray, words: str) -> None:
    np.savez(tmp_path / "d.npz", a=values)
    with pytest.raises(IbmonError) as refused:
        open_table(tmp_path / "d.npz").take("a")
    assert words in str(refused.value)


def test_a_damaged_member_of_an_archive(tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.save(whole, np.arange(1000))
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("a.npy", whole.getvalue()[:500])
    with pytest.raises(IbmonError, match="'a' in d\\.npz cannot be read"):
        open_table(tmp_path / "d.npz").take("a")


def test_names_of_numbers_in_order_are_names(tmp_path: Path) -> None:
    """What pandas writes for columns without names."""
    assert open_table(written(tmp_path / "d.csv", "0,1\n5,6\n")).take("1")[0].values[:, 0].tolist() == [6]


def test_other_files_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        open_table(tmp_path / "d.csv")
    with pytest.raises(UsageError, match=r"ends in \.npz, \.npy, \.csv, \.tsv, \.parquet; d\.xlsx does not"):
        open_table(written(tmp_path / "d.xlsx", ""))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(IbmonError, match="pip install pyarrow"):
        open_table(written(tmp_path / "d.parquet", ""))


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet(tmp_path: Path) -> None:
    from importlib import import_module

    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    columns = {
        "n": arrow.array([1, None, 3]),
        "f": arrow.array([1.5, float("nan"), None]),
        "t": arrow.array(["a", None, "b"]),
        "c": arrow.array(["a", "b", "a"]).dictionary_encode(),
        "b": arrow.array([True, None, False]),
        "l": arrow.array([[1], [2], [3]]),
    }
    parquet.write_table(arrow.table(columns), tmp_path / "d.parquet")
    table = open_table(tmp_path / "d.parquet")
    assert table.names == tuple(columns)
    n, f, t, c, b = table.take("n,f,t,c,b")
    assert n.values[[0, 2], 0].tolist() == [1, 3] and n.missing.tolist() == [False, True, False]
    assert f.missing.tolist() == [False, True, True]
    assert t.values[[0, 2], 0].tolist() == ["a", "b"] and t.missing.tolist() == [False, True, False]
    assert c.values[:, 0].tolist() == ["a", "b", "a"]
    assert b.label and b.missing.tolist() == [False, True, False]
    with pytest.raises(IbmonError, match="neither numbers nor text"):
        table.take("l")
    with pytest.raises(IbmonError, match="cannot be read as Parquet"):
        open_table(written(tmp_path / "e.parquet", "nonsense"))
