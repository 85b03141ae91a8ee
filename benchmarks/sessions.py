"""What an analyst at work takes from a training that has a thread for each core: ``python benchmarks/sessions.py``.

Steps of a small network in three seconds: alone, beside a process that is only nice, and beside one whose whole session gives
way (``ibmon.machine.give_way``), by turns. On Linux with ``sched_autogroup``; elsewhere the last two are the same. Prints a
Markdown table.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

TRAINING = """
import time, torch
x, w, v = torch.randn(128, 784), torch.randn(1024, 784), torch.randn(20, 1024)
def step():
    for _ in range(10):
        ((x @ w.T).tanh() @ v.T).sum()
for _ in range(5):
    step()
begin, steps = time.perf_counter(), 0
while time.perf_counter() - begin < 3:
    step()
    steps += 1
print(steps)
"""
BUSY = """
import torch
torch.set_num_threads(1)
a = torch.randn(2000, 2000)
while True:
    a @ a
"""
NICE = "import os\nos.nice(10)\n" + BUSY
GIVING_WAY = "from ibmon.machine import give_way\ngive_way()\n" + BUSY
CASES = {"alone": None, "beside a nice process": NICE, "beside a session that gives way": GIVING_WAY}


def steps_beside(load: str | None) -> int:
    """Steps of the training while the load runs."""
    busy = None
    if load is not None:
        quiet = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        busy = subprocess.Popen([sys.executable, "-c", load], start_new_session=True, env=quiet)
        time.sleep(3)  # it imports torch
    try:
        return int(subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True, check=True).stdout)
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    found: dict[str, list[int]] = {name: [] for name in CASES}
    for _ in range(repeats):
        for name, load in CASES.items():
            found[name].append(steps_beside(load))
    print(f"{os.cpu_count()} cores; medians of {repeats}.\n\n| training | steps in 3 s | least | most |\n|:--|--:|--:|--:|")
    for name, steps in found.items():
        print(f"| {name} | {statistics.median(steps):.0f} | {min(steps)} | {max(steps)} |")


if __name__ == "__main__":
    main()
