"""Which place a data set is taken from, and that nothing is used that is not verified."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import pytest

from ibmon.data import available, fetch, files
from ibmon.data.catalogue import File
from ibmon.data.store import availability
from ibmon.records import IbmonError, NotFoundError


def put(folder, **contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def test_what_is_nowhere_is_downloaded_into_the_cache_once(net, offered, cache):
    toy = offered(net.file("a", b"one"), net.file("b", b"two", known_size=False))
    assert availability(toy).state == "absent"
    assert fetch("toy") == cache / "toys"
    assert [path.read_bytes() for path in files("toy")] == [b"one", b"two"]
    assert net.asked == ["/a", "/b"]
    assert availability(toy).state == "cache"


def test_the_folder_comes_before_the_cache_and_the_cache_before_the_net(net, offered, cache, folder):
    toy = offered(net.file("a", b"one"))
    put(cache / "toys", a=b"one")
    assert fetch("toy") == cache / "toys"
    put(folder / "toys", a=b"one")
    assert fetch("toy") == folder / "toys"
    assert availability(toy).state == "folder"
    assert net.asked == []


def test_a_folder_that_lacks_a_file_does_not_count(net, offered, cache, folder):
    offered(net.file("a", b"one"), net.file("b", b"two"))
    put(folder / "toys", a=b"one")
    assert fetch("toy") == cache / "toys"
    assert [path.name for path in folder.rglob("*")] == ["toys", "a"]


def test_a_data_sets_folder_may_be_a_link(net, offered, folder, tmp_path):
    offered(net.file("a", b"one"))
    put(tmp_path / "elsewhere", a=b"one")
    (folder / "toys").symlink_to(tmp_path / "elsewhere")
    assert fetch("toy") == folder / "toys"
    assert net.asked == []


def test_a_wrong_file_in_the_folder_is_refused_and_not_passed_over(net, offered, folder):
    offered(net.file("a", b"one"))
    put(folder / "toys", a=b"two")
    right, wrong = (net.by_hand("a", content).sha256 for content in (b"one", b"two"))
    with pytest.raises(IbmonError, match=rf"{folder}/toys/a is not .* {wrong}, expected {right};.* ibmon data get toy"):
        fetch("toy")
    assert net.asked == []


def test_a_damaged_file_in_the_cache_is_downloaded_anew_and_no_other(net, offered, cache):
    offered(net.file("a", b"one"), net.file("b", b"two"))
    fetch("toy")
    put(cache / "toys", b=b"xxx")
    fetch("toy")
    assert net.asked == ["/a", "/b", "/b"]
    assert (cache / "toys" / "b").read_bytes() == b"two"


def test_a_wrong_file_that_cannot_be_downloaded_is_named(net, offered, cache):
    offered(net.by_hand("a", b"one"))
    put(cache / "toys", a=b"two")
    with pytest.raises(IbmonError, match=f"{cache}/toys/a is not the file it should be"):
        fetch("toy")


def test_what_cannot_be_downloaded_is_asked_for_by_its_names(net, offered, monkeypatch, tmp_path):
    offered(net.by_hand("a", b"one"), net.by_hand("b", b"two"))
    with pytest.raises(IbmonError, match=r"set IBMON_DATA to a folder and put a, b into its folder toys.* ibmon data get toy"):
        fetch("toy")
    monkeypatch.setenv("IBMON_DATA", str(tmp_path / "not-made-yet"))
    with pytest.raises(IbmonError, match=rf"put a, b into {tmp_path}/not-made-yet/toys .* ibmon data get toy"):
        fetch("toy")


def test_the_authors_archive_serves_where_the_files_are_not_to_be_had(net, offered, folder):
    offered(net.by_hand("a", b"one"), archive=net.file("all.tar.gz", b"one, packed"))
    (path,) = files("toy")
    assert path.name == "all.tar.gz"
    put(folder / "toys", a=b"one")
    assert files("toy") == (folder / "toys" / "a",)


def test_an_archive_in_the_folder_is_found(net, offered, folder):
    offered(net.file("a", b"one"), archive=net.by_hand("all.tar.gz", b"one, packed"))
    put(folder / "toys", **{"all.tar.gz": b"one, packed"})
    assert files("toy") == (folder / "toys" / "all.tar.gz",)
    assert net.asked == []


def test_a_hash_is_computed_once_for_a_size_and_a_time(net, offered, folder):
    offered(net.by_hand("a", b"one"))
    put(folder / "toys", a=b"one")
    fetch("toy")
    path = folder / "toys" / "a"
    time = path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=(time, time))
    assert fetch("toy")  # it was not read again: whoever falsifies the time has the damage
    os.utime(path, ns=(time, time + 1))
    with pytest.raises(IbmonError, match="is not the file it should be"):
        fetch("toy")
    path.write_bytes(b"one")
    assert fetch("toy")


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[1]", b'{"a": 1}', b"\xff"])
def test_remembered_hashes_that_are_damaged_are_computed_anew(net, offered, folder, cache, rubbish):
    offered(net.by_hand("a", b"one"))
    put(folder / "toys", a=b"one")
    put(cache, **{"hashes.json": rubbish})
    assert fetch("toy") == folder / "toys"


def test_a_cache_that_cannot_be_written_hinders_only_downloads(net, offered, folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IBMON_CACHE", str(tmp_path / "file" / "cache"))
    offered(net.file("a", b"one"))
    with pytest.raises(IbmonError, match="set IBMON_CACHE to a folder with room"):
        fetch("toy")
    put(folder / "toys", a=b"one")
    assert fetch("toy") == folder / "toys"


def test_an_unknown_name_is_told_what_was_meant():
    with pytest.raises(NotFoundError, match="did you mean 'fashion-mnist'"):
        fetch("fashion_mnist")
    with pytest.raises(NotFoundError, match=re.escape("`ibmon data` lists them")):
        fetch("zzz")


def test_every_data_set_is_listed_with_where_it_lies(cache, folder):
    put(folder / "szt12", **{"var_u.mat": b"anything: hashes are not looked at for a list"})
    states = {one.data_set.name: one.state for one in available()}
    assert states.pop("szt12") == "folder"
    assert set(states.values()) == {"absent"}


def test_a_file_may_be_known_by_what_git_calls_it(net, offered, cache):
    net.content["/a"] = b"hello\n"
    told = File("a", url=f"{net.url}/a", git="ce013625030ba8dba906f756967f9e9ca394464a")  # of `git hash-object`
    offered(told)
    assert fetch("toy") == cache / "toys" and fetch("toy") == cache / "toys" and net.asked == ["/a"]
    (cache / "toys" / "a").write_bytes(b"hullo\n")
    assert (fetch("toy") / "a").read_bytes() == b"hello\n" and len(net.asked) == 2, (
        "what is damaged in the cache is fetched again"
    )
    offered(replace(told, git="0" * 40))
    with pytest.raises(IbmonError, match=f"hash in git {told.git}, expected {'0' * 40}"):
        fetch("toy")
