"""A run directory may come from anyone: reading, drawing and deleting it must be safe."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from ibmon.figures.build import build_figures
from ibmon.records import Captured, IbmonError, NotFoundError, Notice, Result, RunInfo, Segment, Value
from ibmon.runs.arrays import load_array, save_array
from ibmon.runs.directory import RunDirectory, create, delete, find_run, find_runs, runs_root
from support import history_of, ibmon, written

EVIL = "\x1b]0;owned\x07[@click=app.quit]x[/]\u202e$\\frac{1}{0}$"


def _result(**value: object) -> Result:
    values = [Value(**{"quantity": "q", "value": 1.0, **value})]  # type: ignore[arg-type]
    return Result(segment=1, seq=0, job="unknown", step=0, evaluation=EVIL, values=values)


def _evil_run() -> RunDirectory:
    info = RunInfo(format=1, id="evil", name=EVIL, created=time.time(), recipe=EVIL, parameters={EVIL: EVIL})
    run = create(info)
    written([Notice(text=EVIL, source=EVIL)], run=run)
    return written([_result(subject={"layer": EVIL}, quantity=EVIL, unit=EVIL, estimator=EVIL)], role="analyst", run=run)


def test_text_of_a_run_cannot_control_the_terminal() -> None:
    run = _evil_run()
    history = history_of(run)
    texts = [history.run.name, history.notices[0].text, history.series[0].label, history.series[0].quantity]
    assert all("\x1b" not in t and "\u202e" not in t and "\\x1b" in t for t in texts)
    for command in (["runs"], ["show", "evil"], ["export", "evil"]):
        done = ibmon(*command)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert len(list((run.path / "figures").glob("*.png"))) == len(build_figures(history)[0])


def test_values_that_do_not_fit_their_axes_are_failures_not_crashes() -> None:
    run = written(
        [
            _result(value=[1.0, 2.0], axes={"time": [0]}),
            Result(segment=1, seq=1, job="j", step=1, values=[Value(quantity="q", array="../../../etc/passwd")]),
            Result(segment=1, seq=2, job="j", step=1, values=[Value(quantity="q", value=1.0, flags={"f": [True, False]})]),
        ],
        role="analyst",
    )
    history = history_of(run)
    assert len(history.failures) == 3
    assert not history.series


def test_arrays_are_opened_by_bare_names_without_links_or_pickles(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    save_array(folder, "a.npy", np.ones(3))
    assert load_array(folder, "a.npy").tolist() == [1, 1, 1]
    np.save(tmp_path / "secret.npy", np.ones(3))
    (folder / "link.npy").symlink_to(tmp_path / "secret.npy")
    np.save(folder / "pickle.npy", np.array([object()], dtype=object), allow_pickle=True)
    for name in ("../secret.npy", "link.npy", "pickle.npy", "..", "a/b", "missing.npy"):
        with pytest.raises((ValueError, OSError)):
            load_array(folder, name)


def test_a_spool_elsewhere_is_believed_only_under_the_runs_own_name(tmp_path: Path) -> None:
    import socket

    victim = tmp_path / "victim"
    (victim / "1-0").mkdir(parents=True)
    (victim / "1-0" / "commit.json").write_text("{}")
    segment = Segment(segment=1, pid=1, host=socket.gethostname(), spool=str(victim))
    run = written([segment, Captured(segment=1, seq=0, step=0)])
    assert victim not in run.spools()
    link = tmp_path / f"ibmon-{run.id}"
    link.symlink_to(victim)
    honest = written([Segment(segment=2, pid=1, host=socket.gethostname(), spool=str(link))], run=run)
    assert link not in honest.spools()


def test_deleting_only_touches_a_run_directly_under_the_root(tmp_path: Path) -> None:
    run = written([])
    outside = tmp_path / "outside"
    run.path.rename(outside)
    run.path.symlink_to(outside)
    with pytest.raises(IbmonError, match="by hand"):
        delete(RunDirectory(run.path))
    assert outside.exists()
    not_a_run = runs_root() / "precious"
    not_a_run.mkdir()
    (not_a_run / "data").write_text("x")
    with pytest.raises(NotFoundError):
        delete(RunDirectory(not_a_run))
    assert (not_a_run / "data").exists()
    other = written([])
    delete(other)
    assert not other.path.exists()


def test_damaged_and_newer_runs_are_one_sentence() -> None:
    run = written([])
    run.info_file.write_text("{")
    with pytest.raises(IbmonError, match="damaged"):
        run.info()
    run.info_file.write_text('{"format": 99, "id": "x", "created": 0}')
    with pytest.raises(IbmonError, match="newer ibmon"):
        run.info()
    assert ibmon("runs").returncode == 0
    assert len(find_runs()) == 1


def test_runs_are_found_by_id_part_and_name() -> None:
    one = create(RunInfo(format=1, id="tishby-1-aaaa", name="baseline", created=1.0))
    two = create(RunInfo(format=1, id="tishby-2-bbbb", created=2.0))
    assert find_run("baseline") == one
    assert find_run("bbbb") == two
    assert find_run(None) == two
    assert find_run(str(one.path)).path == one.path.resolve()
    with pytest.raises(IbmonError, match="fits 2 runs"):
        find_run("tishby")
    with pytest.raises(NotFoundError):
        find_run("nothing")
