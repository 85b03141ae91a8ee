"""What is logged: one JSON object a line, one struct a kind. The published schema is docs/run-format.md.

Nothing here needs torch or numpy: the log is read by everything and written by the trainer and the analyst.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from torch import Tensor

    from .tensors import Estimate

FORMAT = 1
"""Version of the run directory's format; a reader refuses a newer one."""

DETAILS = ("raw", "error", "null", "p_value", "limit")
"""What an ``ibmon.Estimate`` may say beside its value, bounds and flags; in the unit of the value but for ``p_value``."""


class IbmonError(Exception):
    """Something a user can mend; its text is one sentence that says what to do next."""

    exit_code = 1


class UsageError(IbmonError):
    """The request itself is wrong."""

    exit_code = 2


class NotFoundError(IbmonError):
    """What was named does not exist."""

    exit_code = 3


class StopTraining(BaseException):
    """Raised inside ``Monitor.step`` of ibmon's own trainer when a stop was asked for; scripts read ``should_stop``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One quantity of one subject in one snapshot: what an analysis returns.

    ``value`` is a number, or an array over the named ``axes`` (300 timepoints or 50 replicas are one measurement).
    ``lower`` and ``upper`` have its shape; each flag is true, or a boolean array of its shape. Information is in bits.
    ``subject`` says what was measured: ``layer``, ``channel``, ``unit``, ``task``, ``parameter`` ... -> name.
    ``details`` are what an estimate says beside its value (``DETAILS``), each a number or an array of the value's shape.
    """

    quantity: str
    value: float | np.ndarray
    unit: str = "bits"
    subject: Mapping[str, str] = field(default_factory=dict[str, str])
    axes: Mapping[str, Sequence[int | float | str]] = field(default_factory=dict[str, "Sequence[int | float | str]"])
    lower: float | np.ndarray | None = None
    upper: float | np.ndarray | None = None
    estimator: str = ""
    flags: Mapping[str, bool | np.ndarray] = field(default_factory=dict[str, "bool | np.ndarray"])
    details: Mapping[str, float | np.ndarray] = field(default_factory=dict[str, "float | np.ndarray"])

    @classmethod
    def of(
        cls,
        estimate: Estimate,
        quantity: str,
        *,
        estimator: str = "",
        subject: Mapping[str, str] | None = None,
        axes: Mapping[str, Sequence[int | float | str]] | None = None,
    ) -> Measurement:
        """An estimate as a measurement, with its bounds, flags and details; ``axes`` name the dimensions of its batch."""

        def array(tensor: Tensor | None) -> np.ndarray | None:
            return None if tensor is None else tensor.detach().cpu().double().numpy()

        value = array(estimate.value)
        assert value is not None
        details = {name: array(getattr(estimate, name)) for name in DETAILS}
        return cls(
            quantity=quantity,
            value=value,
            unit=estimate.unit,
            subject=subject or {},
            axes=axes or {},
            lower=array(estimate.lower),
            upper=array(estimate.upper),
            estimator=estimator,
            flags={name: raised.cpu().numpy() for name, raised in estimate.flags.items()},
            details={name: detail for name, detail in details.items() if detail is not None},
        )


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """A line of a log. ``time`` is seconds since 1970, UTC."""

    time: float = 0.0


class Segment(Record, frozen=True, kw_only=True, omit_defaults=True, tag="segment"):
    """First line of a trainer's log: one trainer process. ``spool`` is set where the queue lies outside the run directory."""

    segment: int
    pid: int
    host: str
    ibmon: str = ""
    python: str = ""
    torch: str = ""
    device: str = ""
    spool: str = ""


class LayerInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A watched layer: its module's type, and whether its output is an activation or a pre-activation."""

    name: str
    type: str = ""
    stage: str = ""


class EvaluationInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An evaluation set: how many samples are captured, of how many given, and its tasks."""

    name: str
    samples: int
    given: int
    tasks: list[str] = []


class Watch(Record, frozen=True, kw_only=True, omit_defaults=True, tag="watch"):
    """What ``Monitor.watch`` was told, with defaults filled in: what the analyst measures."""

    segment: int
    layers: list[LayerInfo] = []
    evaluation: list[EvaluationInfo] = []
    schedule: str = ""
    estimators: list[str] = []
    analyses: list[str] = []


class Progress(Record, frozen=True, kw_only=True, omit_defaults=True, tag="progress"):
    """Where the training is; at most two a second. ``overhead`` is the share of wall time the monitor took."""

    segment: int
    step: int
    epoch: float | None = None
    epochs: int | None = None
    loss: float | None = None
    overhead: float | None = None
    elapsed: float | None = None


class Scalars(Record, frozen=True, kw_only=True, omit_defaults=True, tag="scalars"):
    """What ``Monitor.log(name, ...)`` was given."""

    segment: int
    name: str
    step: int
    epoch: float | None = None
    values: dict[str, float | None]


class Captured(Record, frozen=True, kw_only=True, omit_defaults=True, tag="captured"):
    """A snapshot was handed to the spool under (segment, seq)."""

    segment: int
    seq: int
    step: int
    epoch: float | None = None
    evaluation: str = ""
    bytes: int = 0
    seconds: float = 0.0


class Dropped(Record, frozen=True, kw_only=True, omit_defaults=True, tag="dropped"):
    """A scheduled snapshot was not taken or not kept, and why."""

    segment: int
    step: int
    reason: str
    seq: int | None = None
    epoch: float | None = None
    evaluation: str = ""


class Notice(Record, frozen=True, kw_only=True, omit_defaults=True, tag="notice"):
    """Something the user should know; ``level`` is info, warning or error.

    ``step`` is where the training was; readers tell it from the lines before.
    """

    level: str = "info"
    text: str
    source: str = ""
    step: int | None = None


class End(Record, frozen=True, kw_only=True, omit_defaults=True, tag="end"):
    """Last line of a trainer's log: ``status`` is finished, stopped or failed."""

    segment: int
    status: str
    step: int = 0
    epoch: float | None = None
    error: str = ""


class Analyst(Record, frozen=True, kw_only=True, omit_defaults=True, tag="analyst"):
    """First line of an analyst's log."""

    pid: int
    host: str
    device: str = "cpu"
    jobs: list[str] = []
    options: dict[str, dict[str, bool | int | float | str | None]] = {}
    """Every option of every estimator, those that were not asked for included: estimator -> option -> value."""


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A measurement on disk. An array is nested lists, or ``array`` names a file in ``arrays/``.

    The file stacks value, lower, upper and the details in the order of their names here, whose own values are then null.
    """

    quantity: str
    value: float | list[Any] | None = None
    unit: str = "bits"
    subject: dict[str, str] = {}
    axes: dict[str, list[int | float | str]] = {}
    lower: float | list[Any] | None = None
    upper: float | list[Any] | None = None
    estimator: str = ""
    flags: dict[str, bool | list[Any]] = {}
    details: dict[str, float | list[Any] | None] = {}
    array: str | None = None


class Result(Record, frozen=True, kw_only=True, omit_defaults=True, tag="result"):
    """Everything that one job measured on one snapshot, or its failure. (segment, seq, job) is never logged twice."""

    segment: int
    seq: int
    job: str
    step: int
    epoch: float | None = None
    evaluation: str = ""
    values: list[Value] = []
    error: str = ""
    seconds: float = 0.0


class Measured(Record, frozen=True, kw_only=True, omit_defaults=True, tag="measured"):
    """Every job has dealt with the snapshot (segment, seq)."""

    segment: int
    seq: int


class Disabled(Record, frozen=True, kw_only=True, omit_defaults=True, tag="disabled"):
    """A job was switched off for the rest of the run, and why."""

    job: str
    reason: str
    source: str = ""


AnyRecord = Segment | Watch | Progress | Scalars | Captured | Dropped | Notice | End | Analyst | Result | Measured | Disabled


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """``run.json``: what was asked."""

    format: int
    id: str
    name: str = ""
    created: float
    recipe: str = ""
    target: str = ""
    parameters: dict[str, str | int | float | bool | None] = {}
    arguments: list[str] = []
    seed: int | None = None
    group: str = ""
    note: str = ""
    estimators: list[str] = []
    analyses: list[str] = []
    device: str = "auto"
    schedule: str = ""
    lossless: bool = False
    keep_snapshots: bool = False
    budget: float = 0.03
    max_samples: int = 10_000
    reduce: str = ""
    analyst_device: str = "cpu"
    spool_bytes: int | None = None
    host: str = ""
    cwd: str = ""
    command: list[str] = []
    versions: dict[str, str] = {}
    git: dict[str, str | bool] = {}


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyRecord)


def encode(record: AnyRecord) -> bytes:
    """One line, newline included. Non-finite floats become ``null``."""
    return _encoder.encode(record) + b"\n"


def decode(line: bytes) -> AnyRecord:
    """Raises ``msgspec.DecodeError`` when the line is no record of this format."""
    return _decoder.decode(line)
