"""From a launch to the figures: ``python benchmarks/end_to_end.py [--repeats 5] [--cases mlp,tishby,replicas]``.

Each case is `ibmon run` and `ibmon export` as a user types them, and beside it, by turns, the same training in a process without
a monitor. Wall seconds are from launch to the last PNG (to the end of the training without a monitor); CPU seconds are of all
processes together, the analyst's included. Prints a Markdown table of medians.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any


def logarithmic(points: int, last: int) -> str:
    """A schedule of so many epochs, evenly spaced in their logarithm as far as whole numbers go."""
    spacing, found = points, [1]
    while len(found) < points:
        found = sorted({round(last ** (k / (spacing - 1))) for k in range(spacing)})
        spacing += 1
    return f"at:{','.join(map(str, [*found[: points - 1], last]))}epochs"


@dataclass(frozen=True, slots=True)
class Case:
    """A recipe with options, what is estimated, and when."""

    recipe: str
    module: str
    options: dict[str, Any]
    estimators: tuple[str, ...]
    schedule: str


TISHBY_EPOCHS = 8000
TWELVE_BITS = {"epochs": TISHBY_EPOCHS, "batch": 256}
CASES = {
    "mlp": Case(
        "mnist-mlp",
        "ibmon_recipes.mnist_mlp",
        {"epochs": 20, "eval_samples": 10_000},
        ("kde:variance=0.1",),
        "every:1epochs",
    ),
    "tishby": Case("tishby", "ibmon_recipes.tishby", TWELVE_BITS, ("binning", "kde"), logarithmic(211, TISHBY_EPOCHS)),
    "replicas": Case(
        "tishby", "ibmon_recipes.tishby", {**TWELVE_BITS, "replicas": 50}, ("binning",), logarithmic(211, TISHBY_EPOCHS)
    ),
}


def bare(case: Case) -> None:
    """The training of a case in this process, with a monitor that does nothing."""
    import torch

    class Nothing:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

        def watch(self, *_: object, **__: object) -> None: ...

        def epochs(self, n: int, **_: object) -> range:
            return range(n)

        def step(self, loss: object = None) -> None: ...

        def log(self, name: str, **_: object) -> None: ...

    importlib.import_module(case.module).train(Nothing(), **case.options)


def monitored(case: Case, runs: str) -> dict[str, float]:
    """The case as a user runs it; what the run says of itself."""
    ibmon = [sys.executable, "-m", "ibmon"]
    options = [word for name, value in case.options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    estimators = [word for estimator in case.estimators for word in ("-e", estimator)]
    environment = {**os.environ, "IBMON_RUNS": runs}
    for command in (
        ["run", case.recipe, *options, *estimators, "--schedule", case.schedule, "--lossless"],
        ["export", "-o", f"{runs}/figures"],
    ):
        subprocess.run([*ibmon, *command], check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finished = time.time()
    shown = subprocess.run([*ibmon, "show", "--json"], check=True, env=environment, capture_output=True, text=True)
    said = json.loads(shown.stdout)
    assert said["state"] == "finished" and not said["dropped"], said["state"]
    return {"snapshots": said["measured"], "finished": finished}


def adopt_orphans() -> None:
    """Become the parent of what `ibmon run` leaves to itself, so that its CPU seconds are counted here (Linux)."""
    subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(subreaper, 1, 0, 0, 0)


def one(case: Case, way: str, launched: float) -> dict[str, float]:
    """Wall and CPU seconds of the case with all its processes."""
    said: dict[str, float] = {}
    if way == "bare":
        bare(case)
        wall = time.time() - launched
    else:
        adopt_orphans()
        with tempfile.TemporaryDirectory() as runs:
            said = monitored(case, runs)
            wall = said.pop("finished") - launched
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-1, 0)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"wall": wall, "cpu": sum(u.ru_utime + u.ru_stime for u in used), **said}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, way, launched = arguments.one
        print(json.dumps(one(CASES[name], way, float(launched))))
        return
    print(f"Medians of {arguments.repeats}; {os.cpu_count()} cores.\n")
    print("| case | snapshots | wall s | CPU s | training alone, wall s | CPU s | wall, times the training |")
    print("|:--|--:|--:|--:|--:|--:|--:|")
    for name in arguments.cases.split(","):
        results: dict[str, list[dict[str, float]]] = {"monitored": [], "bare": []}
        for _ in range(arguments.repeats):
            for way, found in results.items():
                command = [sys.executable, __file__, "--one", name, way, str(time.time())]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found.append(json.loads(done.stdout.splitlines()[-1]))
        whole, alone = ({k: statistics.median(r[k] for r in found) for k in found[0]} for found in results.values())
        case = CASES[name]
        options = " ".join(f"{k}={v}" for k, v in case.options.items())
        print(
            f"| `{case.recipe}` {options}, {' + '.join(case.estimators)} | {whole['snapshots']:.0f} | {whole['wall']:.1f} | "
            f"{whole['cpu']:.1f} | {alone['wall']:.1f} | {alone['cpu']:.1f} | {whole['wall'] / alone['wall']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
