"""Launchers that ship with ibmon."""

from collections.abc import Iterator

from ibmon import LauncherSpec, hookimpl


@hookimpl
def ibmon_launchers() -> Iterator[LauncherSpec]:
    yield LauncherSpec(
        name="local",
        target="ibmon_launchers.local:Local",
        summary="On this machine, as many at a time as --jobs says.",
    )
    yield LauncherSpec(
        name="slurm",
        target="ibmon_launchers.slurm:Slurm",
        summary="As jobs of SLURM, one array for a sweep (needs the extra `slurm`).",
        queues=True,
    )
