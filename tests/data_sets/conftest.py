"""A server on this machine stands in for the net; nothing is asked of the real one."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ibmon.data import catalogue
from ibmon.data.catalogue import DataSet, File

DATA = os.environ.get("IBMON_DATA") or Path(__file__).parents[3] / "shared" / "data"


@dataclass
class Net:
    """What the server gives and what it was asked for.

    A path in ``broken`` ends half-way, one in ``stuck`` waits there until ``go_on`` is set; ``together`` is a path that is
    given only when two have asked.
    """

    url: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    together: str = ""
    both: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=60))
    half: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def file(self, name: str, content: bytes, *, known_size: bool = True) -> File:
        """A file that is offered."""
        self.content[f"/{name}"] = content
        return replace(self.by_hand(name, content), bytes=len(content) if known_size else None, url=f"{self.url}/{name}")

    def by_hand(self, name: str, content: bytes) -> File:
        """A file that nobody offers."""
        return File(name, hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def net() -> Iterator[Net]:
    known = Net()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            content = known.content.get(self.path)
            if content is None:
                self.send_error(404)
                return
            if self.path == known.together:
                known.both.wait()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = len(content) // 2
            self.wfile.write(content[:half])
            if self.path in known.broken:
                return
            if self.path in known.stuck:
                known.half.set()
                known.go_on.wait(60)
            self.wfile.write(content[half:])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield known
    known.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a cache of its own, no ``$IBMON_DATA`` and no proxy."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("IBMON_CACHE", str(folder))
    monkeypatch.delenv("IBMON_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``$IBMON_DATA``, empty."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("IBMON_DATA", str(folder))
    return folder


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real data sets, as ``$IBMON_DATA``."""
    folder = Path(DATA)
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}: set IBMON_DATA to a folder as docs/data.md describes it")
    monkeypatch.setenv("IBMON_DATA", str(folder))
    return folder


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., DataSet]:
    """Make the catalogue one of a single data set, ``toy`` in the folder ``toys`` unless it is called otherwise."""

    def offer(*files: File, archive: File | None = None, name: str = "toy", folder: str = "toys") -> DataSet:
        toy = DataSet(name, folder, "a toy", "few", "none", files, archive)
        monkeypatch.setattr(catalogue, "DATA_SETS", (toy,))
        return toy

    return offer
