from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
import torch

from ibmon import Activation, GradientStatistics, Snapshot
from ibmon import spool as spool_module
from ibmon.records import IbmonError
from ibmon.spool import (
    SpoolWriter,
    StaticData,
    groups,
    next_seq,
    read_group,
    read_static,
    remove_group,
    write_group,
    write_static,
)
from support import wait_for


def _snapshot(step: int = 3, units: int = 4) -> Snapshot:
    layer = Activation(torch.arange(5.0 * units).reshape(5, units), ("sample", "unit"))
    states = Activation(torch.randn(5, 3, 2), ("sample", "time", "unit"), torch.rand(5, 3) > 0.5)
    gradients = {"a.weight": GradientStatistics(1.5, 0.5, 7, 2.0, 12, 1)}
    return Snapshot(step, 1.0, "test", {"a": layer, "b [@x]/..": states}, probes={"p": layer}, gradients=gradients, batch_size=32)


def _nothing(name: str) -> StaticData:
    return StaticData()


def test_a_snapshot_survives_the_spool(tmp_path: Path) -> None:
    before = _snapshot()
    write_group(tmp_path, 1, 0, before)
    (group,) = groups(tmp_path)
    after = read_group(group, _nothing)
    assert (after.step, after.epoch, after.evaluation, after.batch_size) == (3, 1.0, "test", 32)
    assert list(after.layers) == ["a", "b [@x]/.."]
    for name, activation in before.layers.items():
        assert torch.equal(after.layers[name].values, activation.values)
        assert after.layers[name].axes == activation.axes
    assert torch.equal(after.layers["b [@x]/.."].mask, before.layers["b [@x]/.."].mask)
    assert after.gradients == before.gradients
    assert torch.equal(after.probes["p"].values, before.probes["p"].values)
    remove_group(group)
    assert groups(tmp_path) == []


def test_replica_gradients_survive_the_spool(tmp_path: Path) -> None:
    many = GradientStatistics(torch.tensor([1.0, float("nan")]), torch.tensor([2.0, 3.0]), 4, torch.tensor([1.0, 1.0]), 6)
    write_group(tmp_path, 1, 0, Snapshot(0, None, "", gradients={"w": many}))
    after = read_group(groups(tmp_path)[0], _nothing).gradients["w"]
    assert torch.equal(torch.as_tensor(after.std), torch.tensor([2.0, 3.0], dtype=torch.float64))
    assert torch.isnan(torch.as_tensor(after.mean)[1])


def test_what_is_fixed_is_written_once(tmp_path: Path) -> None:
    inputs = Activation(torch.randn(4, 2), ("sample", "unit"))
    write_static(tmp_path, "train", StaticData(torch.tensor([0, 1, 1, 2]), inputs, {"y": torch.tensor([1, 0, 1, 0])}))
    after = read_static(tmp_path, "train")
    assert after.identity is not None and after.identity.tolist() == [0, 1, 1, 2]
    assert after.inputs is not None and torch.equal(after.inputs.values, inputs.values)
    assert after.targets["y"].tolist() == [1, 0, 1, 0]
    assert read_static(tmp_path, "../secret") == StaticData()


@pytest.mark.parametrize("tasks", [("pos", "ner", "a"), ("a", "ner", "pos"), ("ner", "pos", "a")])
def test_tasks_are_read_in_the_order_in_which_they_were_given(tmp_path: Path, tasks: tuple[str, ...]) -> None:
    targets = {task: torch.arange(4) for task in tasks}
    write_static(tmp_path, "test", StaticData(None, None, targets, None, dict.fromkeys(tasks, ("x", "y"))))
    after = read_static(tmp_path, "test")
    assert (*after.targets,) == tasks and (*after.classes,) == tasks


def test_a_group_without_its_commit_file_does_not_exist(tmp_path: Path) -> None:
    group = write_group(tmp_path, 1, 0, _snapshot())
    (group / "commit.json").unlink()
    assert groups(tmp_path) == []
    assert next_seq([tmp_path], -1) == 1


def test_groups_come_in_the_order_of_segment_and_seq(tmp_path: Path) -> None:
    for segment, seq in [(2, 11), (1, 10), (1, 9), (1, 2)]:
        write_group(tmp_path, segment, seq, _snapshot())
    assert [g.key for g in groups(tmp_path)] == [(1, 2), (1, 9), (1, 10), (2, 11)]


class _Heard:
    def __init__(self) -> None:
        self.done: list[int] = []
        self.dropped: dict[int, str] = {}

    def writer(self, folder: Path, bound: int = 10**8, first: int = 0) -> SpoolWriter:
        return SpoolWriter(
            folder, 1, first, bound, lambda q, s, b: self.done.append(q), lambda q, s, r: self.dropped.update({q: r})
        )


def test_a_full_spool_drops_whole_snapshots_and_says_so(tmp_path: Path) -> None:
    heard = _Heard()
    size = spool_module.size_of(_snapshot())
    writer = heard.writer(tmp_path, bound=3 * size)
    for step in range(5):
        writer.offer(_snapshot(step))
    writer.close()
    assert len(heard.done) == 3
    assert set(heard.done) | set(heard.dropped) == set(range(5))
    assert all("full" in reason for reason in heard.dropped.values())
    assert len(groups(tmp_path)) == 3


def test_room_comes_back_when_the_analyst_takes_groups_away(tmp_path: Path) -> None:
    heard = _Heard()
    writer = heard.writer(tmp_path, bound=spool_module.size_of(_snapshot()))
    writer.offer(_snapshot())
    wait_for(lambda: bool(groups(tmp_path)))
    writer.offer(_snapshot())
    assert heard.dropped.keys() == {1}
    remove_group(groups(tmp_path)[0])
    writer.offer(_snapshot())
    writer.close()
    assert heard.done == [0, 2]


def test_lossless_waits_for_room(tmp_path: Path) -> None:
    heard = _Heard()
    writer = heard.writer(tmp_path, bound=spool_module.size_of(_snapshot()))
    writer.offer(_snapshot())
    wait_for(lambda: bool(groups(tmp_path)))
    threading.Timer(0.2, lambda: remove_group(groups(tmp_path)[0])).start()
    writer.offer(_snapshot(), wait=lambda: True)
    writer.close()
    assert heard.done == [0, 1]
    assert not heard.dropped


@pytest.mark.parametrize("part", ["file", "commit"])
def test_a_full_disk_drops_the_snapshot_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    heard = _Heard()
    if part == "file":
        monkeypatch.setattr(spool_module, "save_tensors", full)
    else:
        monkeypatch.setattr(msgspec.json, "encode", full)
    writer = heard.writer(tmp_path)
    writer.offer(_snapshot())
    writer.close()
    assert "No space left" in heard.dropped[0]
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_cannot_be_made_is_a_recorded_drop(tmp_path: Path) -> None:
    heard = _Heard()
    folder = tmp_path / "spool"
    folder.write_text("a file where the spool should be")
    writer = heard.writer(folder)
    writer.offer(_snapshot())
    writer.close()
    assert "could not be written" in heard.dropped[0]


def test_a_damaged_group_is_one_sentence(tmp_path: Path) -> None:
    write_group(tmp_path, 1, 0, _snapshot())
    (group,) = groups(tmp_path)
    (group.folder / "tensors.safetensors").write_bytes(b"\xff" * 50)
    with pytest.raises(IbmonError, match="cannot be read"):
        _ = read_group(group, _nothing).layers["a"]
    (group.folder / "commit.json").write_text("{}")
    with pytest.raises(IbmonError, match="damaged"):
        read_group(group, _nothing)


def test_links_out_of_a_group_are_not_followed(tmp_path: Path) -> None:
    group = write_group(tmp_path / "spool", 1, 0, _snapshot())
    (group / "tensors.safetensors").rename(tmp_path / "secret")
    (group / "tensors.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(IbmonError, match="cannot be read"):
        _ = read_group(groups(tmp_path / "spool")[0], _nothing).layers["a"]
