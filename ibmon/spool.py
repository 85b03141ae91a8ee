"""The queue between the trainer and the analyst: bounded, durable, and safe against the death of either side.

A snapshot is a *group*, a folder ``<segment>-<seq>`` with its tensors in one safetensors file (read one by one: memory holds
a layer at a time) and ``commit.json`` last. A group without its commit file does not exist for the reader. All writing
happens on a thread of its own; what does not fit is dropped whole and said.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file as save_tensors

from .records import IbmonError
from .runs.log import BARE_NAME, open_regular
from .tensors import Activation, GradientStatistics, Reduced, Snapshot
from .vocabulary import decoded, encoded

if TYPE_CHECKING:
    from torch import Tensor

_GROUP = re.compile(r"(\d{1,9})-(\d{1,12})")
TENSORS, MASK, VOCABULARY, CLASSES = "tensors.safetensors", ".mask", "vocabulary", "classes."
_PENDING = 4
"""Groups that may wait in memory for the writer."""


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One activation of a group: its key in the file and what its axes are."""

    role: str
    name: str
    key: str
    axes: tuple[str, ...]


class Gradient(msgspec.Struct, frozen=True, omit_defaults=True):
    """``GradientStatistics`` on disk."""

    mean: float | list[float | None] | None
    std: float | list[float | None] | None
    norm: float | list[float | None] | None
    count: int
    size: int
    nonfinite: int
    population: int | None = None


class Commit(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``commit.json``: what a group holds."""

    segment: int
    seq: int
    step: int
    epoch: float | None = None
    evaluation: str = ""
    parts: list[Part] = []
    gradients: dict[str, Gradient] = {}
    batch_size: int | None = None
    reduced: dict[str, Reduced] = {}


@dataclass(frozen=True, slots=True)
class Group:
    """A committed group in a folder."""

    folder: Path
    segment: int
    seq: int

    @property
    def key(self) -> tuple[int, int]:
        return self.segment, self.seq


def size_of(snapshot: Snapshot) -> int:
    """Bytes that the snapshot takes in the spool, nearly."""
    return sum(a.values.nbytes + (0 if a.mask is None else a.mask.nbytes) for _, _, a in _activations(snapshot))


def write_group(folder: Path, segment: int, seq: int, snapshot: Snapshot) -> Path:
    """Write a snapshot, its commit file last. Raises OSError; what was written of it is then removed."""
    group = folder / f"{segment}-{seq}"
    try:
        group.mkdir(parents=True)
        parts: list[Part] = []
        tensors: dict[str, Tensor] = {}
        for number, (role, name, activation) in enumerate(_activations(snapshot)):
            key = f"{number:04d}"
            tensors[key] = activation.values
            if activation.mask is not None:
                tensors[key + MASK] = activation.mask
            parts.append(Part(role, name, key, activation.axes))
        try:
            save_tensors(_apart(tensors), group / TENSORS)
        except SafetensorError as error:  # it hides ENOSPC in its text
            raise OSError(str(error)) from error
        gradients = {
            name: Gradient(_listed(g.mean), _listed(g.std), _listed(g.norm), g.count, g.size, g.nonfinite, g.population)
            for name, g in snapshot.gradients.items()
        }
        commit = Commit(
            segment=segment,
            seq=seq,
            step=snapshot.step,
            epoch=snapshot.epoch,
            evaluation=snapshot.evaluation,
            parts=parts,
            gradients=gradients,
            batch_size=snapshot.batch_size,
            reduced=dict(snapshot.reduced),
        )
        (group / ".commit.tmp").write_bytes(msgspec.json.encode(commit))
        (group / ".commit.tmp").rename(group / "commit.json")
    except OSError:
        shutil.rmtree(group, ignore_errors=True)
        raise
    return group


def groups(folder: Path) -> list[Group]:
    """The committed groups of a spool, in the order of (segment, seq)."""
    found: list[Group] = []
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return []
    for entry in entries:
        match = _GROUP.fullmatch(entry.name)
        if match and entry.is_dir(follow_symlinks=False) and Path(entry.path, "commit.json").is_file():
            found.append(Group(Path(entry.path), int(match[1]), int(match[2])))
    return sorted(found, key=lambda g: g.key)


def read_group(group: Group, static: Callable[[str], StaticData], device: str = "cpu") -> Snapshot:
    """The snapshot of a group; its tensors are read when they are used, so memory holds one layer at a time.

    ``static`` gives the fixed part of an evaluation set by name.

    Raises IbmonError when the group is damaged.
    """
    try:
        with open_regular(group.folder / "commit.json") as file:
            commit = msgspec.json.decode(file.read(), type=Commit)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise IbmonError(f"the snapshot {group.folder.name} is damaged: {error}") from error
    fixed = static(commit.evaluation)

    def parts(role: str) -> _Parts:
        return _Parts(group.folder, {p.name: p for p in commit.parts if p.role == role}, device)

    gradients = {
        name: GradientStatistics(
            _unlisted(g.mean), _unlisted(g.std), g.count, _unlisted(g.norm), g.size, g.nonfinite, g.population
        )
        for name, g in commit.gradients.items()
    }
    return Snapshot(
        step=commit.step,
        epoch=commit.epoch,
        evaluation=commit.evaluation,
        layers=parts("layer"),
        identity=fixed.identity,
        inputs=fixed.inputs,
        outputs=parts("output").get("output"),
        targets=fixed.targets,
        gradients=gradients,
        probes=parts("probe"),
        batch_size=commit.batch_size,
        vocabulary=fixed.vocabulary,
        classes=fixed.classes,
        reduced=commit.reduced,
    )


def axes_of(layers: Mapping[str, Activation]) -> list[tuple[str, ...]]:
    """The axes of all layers; of those of a group without reading their tensors."""
    if isinstance(layers, _Parts):
        return [part.axes for part in layers.parts.values()]
    return [layer.axes for layer in layers.values()]


def remove_group(group: Group) -> None:
    """Remove a group, its commit file first: half a removal is no group."""
    (group.folder / "commit.json").unlink(missing_ok=True)
    shutil.rmtree(group.folder, ignore_errors=True)


class _Parts(Mapping[str, Activation]):
    """Activations that are read from their files when they are looked up."""

    def __init__(self, folder: Path, parts: dict[str, Part], device: str) -> None:
        self._folder, self.parts, self._device = folder, parts, device

    def __getitem__(self, name: str) -> Activation:
        part = self.parts[name]
        path = self._folder / TENSORS
        try:
            open_regular(path).close()
            with safe_open(path, "pt") as file:
                values = file.get_tensor(part.key).to(self._device)
                masked = part.key + MASK in file.keys()  # noqa: SIM118
                mask = file.get_tensor(part.key + MASK).to(self._device) if masked else None
            return Activation(values, part.axes, mask)
        except (OSError, SafetensorError, ValueError) as error:
            raise IbmonError(f"the layer {name!r} of the snapshot {self._folder.name} cannot be read: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)


@dataclass(frozen=True, slots=True)
class StaticData:
    """What does not change between the snapshots of one evaluation set: written once by each trainer."""

    identity: Tensor | None = None
    inputs: Activation | None = None
    targets: Mapping[str, Tensor] = field(default_factory=dict[str, "Tensor"])
    vocabulary: Sequence[str] | None = None
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


def write_static(folder: Path, name: str, data: StaticData) -> None:
    """Write the fixed part of an evaluation set. Raises OSError."""
    folder.mkdir(exist_ok=True)
    tensors = {f"target.{task}": labels for task, labels in data.targets.items()}
    axes = ""
    if data.identity is not None:
        tensors["identity"] = data.identity
    if data.inputs is not None:
        axes = ",".join(data.inputs.axes)
        tensors["inputs"] = data.inputs.values
        if data.inputs.mask is not None:
            tensors["mask"] = data.inputs.mask
    if data.vocabulary is not None:
        tensors[VOCABULARY] = encoded(data.vocabulary)
    tensors |= {CLASSES + task: encoded(names) for task, names in data.classes.items()}
    file = folder / f".{name}.tmp"
    try:
        # safetensors keeps no order, and that of tasks is the one in which figures and measurements name them.
        save_tensors(_apart(tensors), file, metadata={"axes": axes, "order": msgspec.json.encode(list(tensors)).decode()})
    except SafetensorError as error:
        raise OSError(str(error)) from error
    file.rename(folder / f"{name}.safetensors")


def read_static(folder: Path, name: str) -> StaticData:
    """The fixed part of an evaluation set; empty when there is none. Raises IbmonError when it is damaged."""
    file = folder / f"{name}.safetensors"
    if not BARE_NAME.fullmatch(name) or not file.is_file():
        return StaticData()
    tensors = _read_tensors(file)
    with safe_open(file, "pt") as opened:
        said = opened.metadata() or {}
    inputs = None
    if "inputs" in tensors:
        inputs = Activation(tensors["inputs"], tuple(said.get("axes", "").split(",")), tensors.get("mask"))
    try:
        order = msgspec.json.decode(said.get("order", "[]"), type=list[str])
        tensors = {name: tensors[name] for name in dict.fromkeys([*order, *sorted(tensors)]) if name in tensors}
        targets = {name.removeprefix("target."): t for name, t in tensors.items() if name.startswith("target.")}
        vocabulary = decoded(tensors[VOCABULARY]) if VOCABULARY in tensors else None
        tasks = [name.removeprefix(CLASSES) for name in tensors if name.startswith(CLASSES)]
        classes = {task: decoded(tensors[CLASSES + task], "list of classes") for task in tasks}
    except (ValueError, msgspec.MsgspecError) as error:
        raise IbmonError(f"{folder.name}/{file.name} cannot be read: {error}") from error
    return StaticData(tensors.get("identity"), inputs, targets, vocabulary, classes)


class SpoolWriter:
    """The trainer's end of the queue: takes snapshots, writes them on its own thread, drops what does not fit.

    ``done(seq, snapshot, bytes)`` and ``dropped(seq, snapshot, reason)`` are called on the writing thread.
    """

    def __init__(
        self,
        folder: Path,
        segment: int,
        first: int,
        bound: int,
        done: Callable[[int, Snapshot, int], None],
        dropped: Callable[[int, Snapshot, str], None],
    ) -> None:
        self.folder = folder
        self.bound = bound
        self.seq = first
        self._segment = segment
        self._done = done
        self._dropped = dropped
        self._queue: queue.Queue[tuple[int, Snapshot, int] | None] = queue.Queue()
        self._waiting = 0
        self._lying: dict[Path, int] = {}
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ibmon-spool", daemon=True)
        self._thread.start()

    def offer(self, snapshot: Snapshot, wait: Callable[[], bool] | None = None) -> int:
        """Queue a snapshot and return its seq. A full spool drops it, unless ``wait()`` says to go on waiting (lossless)."""
        seq, self.seq = self.seq, self.seq + 1
        size = size_of(snapshot)
        while not self._has_room(size):
            if wait is None or not wait():
                self._dropped(seq, snapshot, "the spool is full: the analysis is slower than the snapshots come")
                return seq
            time.sleep(0.02)
        with self._guard:
            self._waiting += size
        self._queue.put((seq, snapshot, size))
        return seq

    def _has_room(self, size: int) -> bool:
        if self._queue.qsize() >= _PENDING:
            return False
        with self._guard:
            if self._waiting + sum(self._lying.values()) + size <= self.bound:
                return True
            self._lying = {group: bytes for group, bytes in self._lying.items() if group.exists()}
            return self._waiting + sum(self._lying.values()) + size <= self.bound

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            seq, snapshot, size = item
            try:
                group = write_group(self.folder, self._segment, seq, snapshot)
            except OSError as error:
                self._dropped(seq, snapshot, f"the snapshot could not be written: {error.strerror or error}")
            except Exception as error:
                self._dropped(seq, snapshot, f"the snapshot could not be written: {type(error).__name__}: {error}")
            else:
                with self._guard:
                    self._lying[group] = size
                self._done(seq, snapshot, size)
            finally:
                with self._guard:
                    self._waiting -= size

    def close(self, timeout: float = 60.0) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        self._thread.join(timeout)


def next_seq(folders: list[Path], logged: int) -> int:
    """The first seq after everything in the log and in the spools (committed or not): a seq is never reused."""
    lying = [int(m[2]) for folder in folders if folder.is_dir() for e in os.scandir(folder) if (m := _GROUP.fullmatch(e.name))]
    return max([logged, *lying], default=-1) + 1


def _activations(snapshot: Snapshot) -> Iterator[tuple[str, str, Activation]]:
    for name, activation in snapshot.layers.items():
        yield "layer", name, activation
    if snapshot.outputs is not None:
        yield "output", "output", snapshot.outputs
    for name, activation in snapshot.probes.items():
        yield "probe", name, activation


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with memory of their own each, as the file format wants it: layers may share a mask, or one tensor."""
    seen: set[int] = set()
    out: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        out[key] = tensor.clone(memory_format=torch.contiguous_format) if storage in seen else tensor.contiguous()
        seen.add(storage)
    return out


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with open_regular(path) as file:
            return load_tensors(file.read())
    except (OSError, SafetensorError) as error:
        raise IbmonError(f"{path.parent.name}/{path.name} cannot be read: {error}") from error


def _listed(value: float | Tensor) -> float | list[float | None] | None:
    return value.tolist() if isinstance(value, torch.Tensor) else value


def _unlisted(value: float | list[float | None] | None) -> float | Tensor:
    if isinstance(value, list):
        return torch.tensor([float("nan") if v is None else v for v in value], dtype=torch.float64)
    return float("nan") if value is None else value
