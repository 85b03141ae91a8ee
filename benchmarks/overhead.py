"""What the monitor costs the training: ``python benchmarks/overhead.py [--repeats 5]``.

The same training (the 12-bit network of the recipe ``tishby``, one thread) without and with a monitor, alternating in one go. CPU
seconds are those of the training process alone; the analyst runs beside it as it does in real use, on the same cores. Prints a
Markdown table of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

UPDATES = 7  # minibatches in an epoch of the recipe

CASES: dict[str, tuple[str | None, int]] = {
    "no monitor": (None, 300),
    "K = 100 steps": ("every:100steps", 300),
    "K = 10 steps": ("every:10steps", 300),
    "K = 1 step": ("every:1steps", 300),
    "no monitor, long": (None, 4000),
    "armed, no snapshot due": ("at:1000000000steps", 4000),
    "default schedule": ("", 4000),
}
"""Schedule and epochs; each case is held against the case without a monitor of its length."""


def train(schedule: str | None, epochs: int, analyst: bool) -> dict[str, float]:
    """One training in this process; returns wall and CPU seconds of the loop, without imports and set-up."""
    import torch

    from ibmon_recipes import tishby

    clock: dict[str, float] = {}

    def begin() -> None:
        clock.update(wall=time.perf_counter(), cpu=time.process_time())

    class Nothing:
        device = torch.device("cpu")

        def watch(self, *_: object, **__: object) -> None:
            begin()

        def epochs(self, n: int, **_: object) -> range:
            return range(n)

        def step(self, loss: object) -> None: ...

        def log(self, name: str, **_: object) -> None: ...

    if schedule is None:
        tishby.train(Nothing(), epochs=epochs)  # type: ignore[arg-type]
        overhead = captured = 0.0
    else:
        import ibmon
        from ibmon.capture.session import Session

        if not analyst:
            Session.start_analyst = lambda self: None  # type: ignore[method-assign]

        class Timed(ibmon.Monitor):
            def watch(self, *arguments: object, **options: object) -> None:
                super().watch(*arguments, **{**options, "schedule": schedule or None})  # type: ignore[arg-type]
                begin()

        monitor = Timed()
        tishby.train(monitor, epochs=epochs)
        assert monitor._watching is not None
        overhead = monitor._watching.governor.overhead
        captured = float(monitor._watching.session.spool.seq)
    used = {"wall": time.perf_counter() - clock["wall"], "cpu": time.process_time() - clock["cpu"]}
    if schedule is not None:
        monitor.close()
    return {**used, "said": overhead, "captured": captured}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--without-analyst", action="store_true", help="measure the training process alone")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print("RESULT", json.dumps(train(json.loads(arguments.one), arguments.epochs, not arguments.without_analyst)))
        return
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    for _ in range(arguments.repeats):
        for name, (schedule, epochs) in CASES.items():
            with tempfile.TemporaryDirectory() as runs:
                command = [sys.executable, __file__, "--one", json.dumps(schedule), "--epochs", str(epochs)]
                command += ["--without-analyst"] if arguments.without_analyst else []
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=True,
                    env={**os.environ, "IBMON_RUNS": runs},
                )
                measured[name].append(json.loads(done.stdout.rpartition("RESULT")[2]))
                subprocess.run(["pkill", "-f", runs], check=False)  # the analyst of this case must not share cores with the next
    print(f"Epochs of {UPDATES} updates; medians of {arguments.repeats}.\n")
    print("| | epochs | snapshots | wall s | CPU s | wall % | CPU % | says itself % |")
    print("|:--|--:|--:|--:|--:|--:|--:|--:|")
    base: dict[str, float] = {}
    for name, results in measured.items():
        schedule, epochs = CASES[name]
        middle = {key: statistics.median(r[key] for r in results) for key in results[0]}
        base = middle if schedule is None else base
        more = {key: 100 * (middle[key] / base[key] - 1) for key in ("wall", "cpu")}
        print(
            f"| {name} | {epochs} | {middle['captured']:.0f} | {middle['wall']:.2f} | {middle['cpu']:.2f} | "
            f"{more['wall']:+.1f} | {more['cpu']:+.1f} | {100 * middle['said']:.1f} |"
        )


if __name__ == "__main__":
    main()
