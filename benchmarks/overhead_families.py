"""What the monitor costs trainings of other libraries' models, by schedule: ``python benchmarks/overhead_families.py``.

Three of the models of ``family_models.py``, 300 updates each on one thread, without and with a monitor, alternating
in one go; the analyst works beside them as in real use. Seconds are of the loop in the training's process. Prints a
Markdown table of medians. ``--long`` trains two of them for longer under the default schedule.
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
from typing import Any

import torch
from family_models import BATCH, FAMILIES, SAMPLES

MODELS = ("LSTM language model (torch)", "GPT-2 (transformers)", "ResNet-18 (torchvision)")
SCHEDULES = {"no monitor": None, "default": "", "K = 100 steps": "every:100steps", "K = 10 steps": "every:10steps"}
UPDATES = 300
LONG = {"LSTM language model (torch)": 6000, "GPT-2 (transformers)": 2000}


def train(name: str, updates: int, schedule: str | None) -> dict[str, float]:
    """One training in this process."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    family = FAMILIES[name]()
    family.model.train()
    optimizer = torch.optim.AdamW(family.model.parameters(), lr=1e-3)
    monitor: Any = None
    if schedule is not None:
        import ibmon

        monitor = ibmon.Monitor(family.model, **{**family.watch, "optimizer": optimizer, "schedule": schedule or None})
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(updates):
        loss = family.loss(torch.randperm(SAMPLES)[:BATCH])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    used = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "said": 0.0, "captured": 0.0}
    if monitor is not None:
        used["said"] = monitor._watching.governor.overhead
        used["captured"] = float(monitor._watching.session.spool.seq)
        monitor.close()
    return used


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, updates, schedule = arguments.one
        print("RESULT", json.dumps(train(name, int(updates), json.loads(schedule))))
        return
    models = LONG if arguments.long else dict.fromkeys(MODELS, UPDATES)
    cases = [case for case in SCHEDULES if not arguments.long or case in ("no monitor", "default")]
    measured: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(arguments.repeats):
        for name, updates in models.items():
            for case in cases:
                with tempfile.TemporaryDirectory() as runs:
                    command = [sys.executable, "-W", "ignore", __file__, "--one", name, str(updates), json.dumps(SCHEDULES[case])]
                    environment = {**os.environ, "IBMON_RUNS": runs, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
                    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                    measured.setdefault((name, case), []).append(json.loads(done.stdout.rpartition("RESULT")[2]))
                    subprocess.run(["pkill", "-f", runs], check=False)  # its analyst must not share cores with the next
    print(f"Medians of {arguments.repeats}.\n")
    print("| model | updates | schedule | snapshots | wall s | CPU s | wall % | CPU % | says itself % |")
    print("|:--|--:|:--|--:|--:|--:|--:|--:|--:|")
    base: dict[str, float] = {}
    for (name, case), results in measured.items():
        middle = {key: statistics.median(r[key] for r in results) for key in results[0]}
        base = middle if SCHEDULES[case] is None else base
        more = {key: 100 * (middle[key] / base[key] - 1) for key in ("wall", "cpu")}
        print(
            f"| {name} | {models[name]} | {case} | {middle['captured']:.0f} | {middle['wall']:.2f} | {middle['cpu']:.2f} | "
            f"{more['wall']:+.1f} | {more['cpu']:+.1f} | {100 * middle['said']:.1f} |"
        )


if __name__ == "__main__":
    main()
