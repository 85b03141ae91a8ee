"""What an evaluation pass over long sequences costs, from capture to measurement: ``python benchmarks/timepoints.py [--write]``.

1000 texts of 300 tokens, half of them padded in front, through an LSTM of 64 units. Capture: the Monitor's pass (the hidden
state, and all states and gates). Measurement: the analysis ``timepoints`` as the analyst calls it, on what was captured,
with each estimator. Beside it what notebooks do: a loop over timepoints in numpy, once with ``np.unique`` over binned
states, once with the distances of all pairs of samples. Each runs in a process of its own, so that its peak memory is its
own. Prints a Markdown table, and with ``--write`` puts it into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SAMPLES, TIME, UNITS, WORDS = 1000, 300, 64, 20_000
BEGIN, END = "<!-- timepoints: begin -->", "<!-- timepoints: end -->"
CASES = {
    "capture the hidden state": "capture:lstm",
    "capture all states and gates": "capture:all",
    "`timepoints`, binning:width=0.07": "measure:binning:width=0.07",
    "`timepoints`, kde:relative=true,variance=0.1": "measure:kde:relative=true,variance=0.1",
    "loop, `np.unique` (I(X;H_t), I(H_t;Y) alone)": "loop:unique",
    "loop, all pairs (I(X;H_t), I(H_t;Y) alone)": "loop:pairs",
}


def case(name: str) -> tuple[float, float, float]:
    """CPU seconds, wall seconds, and the peak of memory in MiB above what there was before."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokens = torch.randint(1, WORDS, (SAMPLES, TIME))
    starts = torch.randint(0, TIME, (SAMPLES,)) * (torch.arange(SAMPLES) % 2)
    mask = torch.arange(TIME) >= starts[:, None]
    tokens[~mask] = 0
    labels = torch.randint(0, 2, (SAMPLES,))
    kind, _, what = name.partition(":")
    work = {"capture": capture, "measure": measure, "loop": loop}[kind](what, tokens, mask, labels)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    spent = time.process_time() - cpu, time.perf_counter() - wall
    return *spent, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def model_of():
    from torch import nn

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, UNITS, padding_idx=0)
            self.lstm = nn.LSTM(UNITS, UNITS, batch_first=True)

        def forward(self, tokens):
            return self.lstm(self.embedding(tokens))[0][:, -1]

    return Reader()


def capture(what: str, tokens, mask, labels) -> Callable[[], object]:
    from ibmon import EvaluationSet
    from ibmon.capture.evaluate import Watched, snapshot
    from ibmon.capture.layers import choose

    model = model_of()
    layers = ["lstm"] if what == "lstm" else ["lstm", "lstm.c", "lstm.gates"]
    data = EvaluationSet(tokens, {"y": labels}, mask)
    watched = Watched(model, choose(model, layers), {"all": data}, {})
    return lambda: snapshot(watched, "all", 0, None)


def states_of(tokens, mask, labels):
    from dataclasses import replace

    from ibmon import EvaluationSet
    from ibmon.capture.evaluate import Watched, snapshot, static_data
    from ibmon.capture.layers import choose

    model = model_of()
    data = EvaluationSet(tokens, {"y": labels}, mask)
    shot = snapshot(Watched(model, choose(model, ["lstm"]), {"all": data}, {}), "all", 0, None).snapshot
    known = static_data(data)
    return replace(shot, identity=known.identity, inputs=known.inputs, targets=known.targets)


def measure(what: str, tokens, mask, labels) -> Callable[[], object]:
    from ibmon.analysis.jobs import plan
    from ibmon.registry import discover

    shot = states_of(tokens, mask, labels)
    jobs, _ = plan(discover(), [what], [])
    (job,) = (job for job in jobs if job.name.startswith("timepoints/"))
    return lambda: job.measure(shot, 0)


def loop(what: str, tokens, mask, labels) -> Callable[[], object]:
    import numpy as np

    states = states_of(tokens, mask, labels).layers["lstm"].values.numpy().astype(np.float64)
    there, y = mask.numpy(), labels.numpy()

    def entropy(rows):
        _, counts = np.unique(rows, axis=0, return_counts=True)
        p = counts / counts.sum()
        return -(p * np.log2(p)).sum()

    def unique(h, y):
        cells = np.floor(h / 0.07).astype(np.int64)
        whole = entropy(cells)
        return whole, whole - sum((y == k).mean() * entropy(cells[y == k]) for k in (0, 1))

    def kernel(h, variance):
        squares = (h**2).sum(1)
        distances = np.maximum(squares[:, None] + squares[None] - 2 * h @ h.T, 0)
        return -np.log2(np.exp(-distances / (2 * variance)).mean(1)).mean()

    def pairs(h, y):
        variance = 0.1 * h.var(0).sum() / h.shape[1]
        whole = kernel(h, variance)
        return whole, whole - sum((y == k).mean() * kernel(h[y == k], variance) for k in (0, 1))

    one = {"unique": unique, "pairs": pairs}[what]
    return lambda: [one(states[there[:, t], t], y[there[:, t]]) for t in range(TIME)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--case")
    told = parser.parse_args()
    if told.case:
        print(json.dumps(case(told.case)))
        return
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in CASES}
    for _ in range(told.repeats):
        for name, which in CASES.items():
            done = subprocess.run([sys.executable, __file__, "--case", which], capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    lines = [
        f"{SAMPLES} samples × {TIME} timepoints × {UNITS} units, one thread; medians of {told.repeats}, each in its own process.",
        "",
        "| | CPU s | wall s | peak MiB more |",
        "|:--|--:|--:|--:|",
    ]
    for name, rows in found.items():
        cpu, wall, memory = (statistics.median(column) for column in zip(*rows, strict=True))
        lines.append(f"| {name} | {cpu:.2f} | {wall:.2f} | {memory:.0f} |")
    table = "\n".join(lines)
    print(table)
    if told.write:
        path = Path(__file__).parents[1] / "docs" / "benchmarks.md"
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        path.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
