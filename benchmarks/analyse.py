"""Kept snapshots measured again by one process and by several: ``python benchmarks/analyse.py [--repeats 3] [--cases 1x1,2x1]``.

A run of `tishby` keeps 200 snapshots of all 4096 patterns; `ibmon analyse -e kde:variance=0.01` then measures copies of it, by
turns, each time from nothing; ``1x2`` is one process of two threads. Wall seconds are from launch to exit, imports included;
CPU seconds are of all processes together. Prints a Markdown table of medians.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SNAPSHOTS = 200
ESTIMATOR = "kde:variance=0.01"


def ibmon(*arguments: str, root: Path, threads: str = "1") -> str:
    """What the command prints."""
    environment = {**os.environ, "IBMON_RUNS": str(root), "OMP_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-m", "ibmon", *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def trained(root: Path) -> Path:
    """A run with so many kept snapshots."""
    asked = ("--epochs", str(2 * SNAPSHOTS - 2), "--batch", "256", "--schedule", "every:2epochs", "-e", "binning")
    ibmon("run", "tishby", *asked, "--keep-snapshots", "--lossless", root=root)
    (run,) = root.glob("*/run.json")
    kept = sum(1 for _ in (run.parent / "snapshots").iterdir())
    if kept != SNAPSHOTS:
        raise SystemExit(f"{kept} snapshots were kept instead of {SNAPSHOTS}")
    return run.parent


def measured(run: Path, jobs: str, threads: str) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds and the number of results of measuring a copy of the run again."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / run.name
        shutil.copytree(run, copy)
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        said = ibmon("analyse", str(copy), "-e", ESTIMATOR, "--jobs", jobs, root=Path(folder), threads=threads)
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, int(said.partition(": ")[2].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", default="1x1,1x2,2x1")
    asked = parser.parse_args()
    found: dict[str, list[tuple[float, float, int]]] = {case: [] for case in asked.cases.split(",")}
    with tempfile.TemporaryDirectory() as root:
        run = trained(Path(root))
        for _ in range(asked.repeats):
            for case, times in found.items():
                jobs, _, threads = case.partition("x")
                times.append(measured(run, jobs, threads))
    print(f"{os.cpu_count()} cores; medians of {asked.repeats}; the machine's load is now {os.getloadavg()[0]:.1f}.\n")
    print("| processes × threads | results | wall s | wall s, least | CPU s | results per wall s |\n|--:|--:|--:|--:|--:|--:|")
    for case, times in found.items():
        walls, cpus, results = zip(*times, strict=True)
        wall, cpu, count = statistics.median(walls), statistics.median(cpus), results[0]
        print(f"| {case.replace('x', ' × ')} | {count} | {wall:.1f} | {min(walls):.1f} | {cpu:.1f} | {count / wall:.1f} |")


if __name__ == "__main__":
    main()
