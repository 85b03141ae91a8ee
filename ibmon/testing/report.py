"""What the checks found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "expected", "skipped"]


@dataclass(frozen=True, slots=True)
class Result:
    """One check of one estimator.

    ``status`` is ``passed``, ``failed``, ``expected`` (failed, as was said beforehand) or ``skipped``; ``message`` says what
    went wrong, why the failure is expected, or why the check does not apply. ``summary`` says what the check demands.
    """

    check: str
    status: Status
    message: str = ""
    summary: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All results for one estimator; its text says how many checks ran, and why some did not."""

    estimator: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> tuple[Result, ...]:
        return self._with("passed")

    @property
    def failed(self) -> tuple[Result, ...]:
        return self._with("failed")

    @property
    def expected(self) -> tuple[Result, ...]:
        return self._with("expected")

    @property
    def skipped(self) -> tuple[Result, ...]:
        return self._with("skipped")

    def raise_if_failed(self) -> None:
        """Raise AssertionError, with this report as its text, if a check failed."""
        if self.failed:
            raise AssertionError(str(self))

    def _with(self, status: Status) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.status == status)

    def __str__(self) -> str:
        ran = len(self.results) - len(self.skipped)
        counts = f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.expected)} failed as expected"
        seconds = sum(result.seconds for result in self.results)
        lines = [f"{self.estimator}: of {ran} checks {counts}; {len(self.skipped)} skipped ({seconds:.1f} s)"]
        for result in self.failed:
            lines += [f"  failed    {result.check}: {result.message}", f"            ({result.summary})"]
        lines += [f"  expected  {result.check}: {result.message}" for result in self.expected]
        lines += [f"  skipped   {result.check}: {result.message}" for result in self.skipped]
        return "\n".join(lines)
