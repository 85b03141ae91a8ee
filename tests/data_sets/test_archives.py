"""Archives of whoever: members by their whole name, in memory, bounded."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.data import archives, members
from ibmon.records import IbmonError

CONTENTS = {"a/1.txt": b"one", "a/2.txt": b"two" * 1000, "b/3.bin": bytes(range(256))}


def tarred(contents, *, change=lambda member: None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            change(member)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def zipped(contents, *, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return out.getvalue()


PACK = {"any.tar.gz": tarred, "any.zip": zipped}


@pytest.fixture(params=PACK)
def packed(request, tmp_path):
    """Write an archive of either kind; gives its path."""

    def pack(contents):
        path = tmp_path / request.param
        path.write_bytes(PACK[request.param](contents))
        return path

    return pack


def test_members_are_those_whose_whole_name_fits_in_order(packed):
    path = packed(CONTENTS)
    assert dict(members(path, ".*")) == CONTENTS
    assert list(members(path, r"a/\d\.txt")) == [("a/1.txt", b"one"), ("a/2.txt", b"two" * 1000)]
    assert list(members(path, r"a/\d")) == []


def test_nothing_is_written_whatever_a_member_is_called(packed, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = packed({"../up": b"x", "/tmp/absolute": b"y", "a/1.txt": b"one"})
    before = sorted(tmp_path.rglob("*"))
    assert dict(members(path, "a/.*")) == {"a/1.txt": b"one"}
    assert sorted(tmp_path.rglob("*")) == before


def test_a_member_that_is_too_large_is_refused(packed, monkeypatch):
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 2**20)
    path = packed({"bomb": bytes(2**20 + 1)})
    with pytest.raises(IbmonError, match="bomb unpacks to more than 1 MiB"):
        list(members(path, "bomb"))
    assert list(members(path, "other")) == []


def test_many_members_that_are_too_large_together_are_refused(packed, monkeypatch):
    monkeypatch.setattr(archives, "ARCHIVE_LIMIT", 2**20)
    path = packed({f"bomb{i}": bytes(2**18) for i in range(5)})
    with pytest.raises(IbmonError, match="unpacks to more than 1 MiB"):
        list(members(path, "bomb."))


def test_a_header_of_a_tar_is_bounded_too(tmp_path, monkeypatch):
    """An extended header is read whole before any name is known."""
    monkeypatch.setattr(archives, "ARCHIVE_LIMIT", 2**20)
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    path = tmp_path / "any.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2**22)))
    with pytest.raises(IbmonError, match="unpacks to more than 1 MiB"):
        list(members(path, "never"))


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path):
    content = zipped({"a": bytes(2**22)})
    real, claimed = struct.pack("<I", 2**22), struct.pack("<I", 100)
    path = tmp_path / "any.zip"
    path.write_bytes(content.replace(real, claimed))
    with pytest.raises(IbmonError, match="is damaged"):
        list(members(path, "a"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_no_members(tmp_path, kind):
    def change(member):
        member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    path = tmp_path / "any.tar.gz"
    path.write_bytes(tarred({"a": b""}, change=change))
    assert list(members(path, "a")) == []


def test_a_password_is_damage(tmp_path):
    content = bytearray(zipped({"a": b"one"}, compression=zipfile.ZIP_STORED))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "any.zip"
    path.write_bytes(content)
    with pytest.raises(IbmonError, match="is damaged"):
        list(members(path, "a"))


def test_a_zip_with_an_offset_before_its_beginning_is_damaged(tmp_path):
    content = bytearray(zipped(CONTENTS))
    content[-3] = 1
    path = tmp_path / "any.zip"
    path.write_bytes(content)
    with pytest.raises(IbmonError, match="is damaged"):
        list(members(path, "a/.*"))


def test_an_archive_that_is_not_there_is_not_called_damaged(tmp_path):
    for name in PACK:
        with pytest.raises(FileNotFoundError):
            list(members(tmp_path / name, ".*"))


@pytest.mark.parametrize("name", PACK)
@given(cut=st.integers(0, 2000), place=st.integers(0, 2000), byte=st.integers(0, 255), shorten=st.booleans())
def test_damage_is_told_and_nothing_else_happens(tmp_path_factory, name, cut, place, byte, shorten):
    """Whatever is cut off or changed: a sentence, or members of their full length."""
    content = bytearray(PACK[name](CONTENTS))
    if shorten:
        del content[cut % len(content) :]
    else:
        content[place % len(content)] = byte
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        found = list(members(path, ".*"))
    except IbmonError as error:
        assert "is damaged" in str(error)
    else:
        assert all(len(data) == len(CONTENTS[name]) for name, data in found if name in CONTENTS)
