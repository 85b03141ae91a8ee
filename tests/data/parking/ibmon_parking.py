"""A launcher that only notes what it is given: a file a job, which a test takes away to end it."""

from dataclasses import dataclass
from pathlib import Path

from ibmon import IbmonError, LauncherSpec, hookimpl


@hookimpl
def ibmon_launchers():
    yield LauncherSpec(name="parking", target="ibmon_parking:Parking", summary="Parks runs.", queues=True)


@dataclass(frozen=True)
class Parking:
    lot: str = "lot"
    places: int = 100

    def __post_init__(self):
        if self.places < 1:
            raise ValueError("there is at least one place")

    def submit(self, runs, *, folder, at_once):
        if len(runs) > self.places:
            raise IbmonError(f"There are {self.places} places.")
        (folder / self.lot).mkdir(parents=True, exist_ok=True)
        jobs = [folder / self.lot / run.name for run in runs]
        for job, run in zip(jobs, runs, strict=True):
            job.write_text(f"{run} {at_once}")
        return [str(job) for job in jobs]

    def alive(self, jobs):
        return {job for job in jobs if Path(job).exists()}
