"""Models of public libraries, none written for ibmon, trained for a few steps with and without two lines of it.

    python benchmarks/families.py [NAME …] [--write docs/own-scripts.md]

Built offline from their libraries' configurations; the row of one whose library is not installed says so. Each is trained three
times in processes of its own, twice alone and once watched: the weights and random numbers at the end must be the same bit for
bit. Needs any of torchvision, transformers, timm, diffusers, torch-geometric, stable-baselines3.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from family_models import BATCH, FAMILIES, SAMPLES
from torch import Tensor

PLANES = ("I(X;T)", "I(T;Y)", "I(X;H_t)", "I(H_t;Y)")
"""Quantities that the table names."""


def train(name: str, out: str, *, watched: bool) -> None:
    """Train one family in this process and save its weights and the state of the random numbers."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    family = FAMILIES[name]()
    family.model.train()
    optimizer = family.optimizer or torch.optim.AdamW(family.model.parameters(), lr=1e-3)
    torch.manual_seed(1)
    monitor = None
    if watched:
        import ibmon

        monitor = ibmon.Monitor(
            family.model, **{"optimizer": optimizer, "schedule": "every:4steps", "estimators": ["binning"], **family.watch}
        )

    def step(loss: Tensor) -> None:
        if monitor is not None:
            monitor.step(loss)

    begin = time.perf_counter()
    if family.train is not None:
        family.train(step)
    else:
        for _ in range(family.steps):
            loss = family.loss(torch.randperm(SAMPLES)[:BATCH])
            optimizer.zero_grad()
            loss.backward()
            step(loss)
            optimizer.step()
    took = time.perf_counter() - begin
    torch.save((family.model.state_dict(), torch.get_rng_state(), took, family.notes), out)
    if monitor is not None:
        monitor.close()


def tried(name: str) -> dict[str, Any]:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        saved = []
        for kind in ("alone", "again", "watched"):
            out = f"{folder}/{kind}.pt"
            command = [sys.executable, "-W", "ignore", __file__, "--train", name, "--out", out]
            environment = {**os.environ, "IBMON_RUNS": f"{folder}/runs", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                [*command, *(["--watched"] if kind == "watched" else [])], env=environment, capture_output=True, text=True
            )
            if done.returncode:
                lines = done.stderr.strip().splitlines()
                return {"name": name, "problem": lines[-1][:200] if lines else f"exit code {done.returncode}"}
            saved.append(torch.load(out, weights_only=False))
        seen = _seen(Path(folder) / "runs", saved[-1][3])
    return {"name": name, "reproducible": _same(saved[0], saved[1]), "equal": _same(saved[0], saved[2]), **seen}


def _seen(root: Path, notes: str) -> dict[str, Any]:
    """What the run holds once its analysis is done."""
    from ibmon.launch import undrained
    from ibmon.runs.directory import RunDirectory, status
    from ibmon.runs.reading import HistoryReader

    (path,) = root.iterdir()
    run = RunDirectory(path)
    until = time.monotonic() + 240
    while time.monotonic() < until and (not (now := status(run)).over or now.analysing or undrained(run)):
        time.sleep(0.1)
    reader = HistoryReader(run)
    reader.poll()
    history = reader.history()
    quantities = sorted({series.quantity for series in history.series})
    layers = history.watch.layers if history.watch else []
    return {
        "layers": [layer.name for layer in layers],
        "snapshots": [history.measured, history.captured],
        "quantities": quantities,
        "notes": notes,
        "problems": [n.text for n in history.notices if n.level != "info"] + [d.reason for d in history.dropped],
    }


def _same(a: Any, b: Any) -> bool:
    weights = a[0].keys() == b[0].keys() and all(torch.equal(a[0][k], b[0][k]) for k in a[0] if isinstance(a[0][k], Tensor))
    return weights and torch.equal(a[1], b[1])


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as the page shows them."""
    lines = ["| model | watched unless told otherwise | what came out |", "|:--|:--|:--|"]
    for row in rows:
        if "problem" in row:
            lines.append(f"| {row['name']} | | {row['problem']} |")
            continue
        layers = row["layers"]
        quoted = [f"`{name}`" for name in layers]
        shown = ", ".join(quoted if len(layers) < 4 else [quoted[0], "…", quoted[-1]])
        said = [f"{row['snapshots'][0]} of {row['snapshots'][1]} snapshots"]
        said.append(", ".join(quantity for quantity in PLANES if quantity in row["quantities"]))
        said.append(
            "the same weights" if row["equal"] else "other weights" if row["reproducible"] else "not reproducible by itself"
        )
        said += [text for text in (row["notes"], *row["problems"]) if text]
        lines.append(f"| {row['name']} | {len(layers)}: {shown} | {'; '.join(said)} |")
    return "\n".join(lines)


def write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Put the table into a page, between its marks."""
    before, mark, rest = path.read_text().partition("<!-- families -->\n")
    _, end, after = rest.partition("<!-- /families -->")
    if not (mark and end):
        raise SystemExit(f"{path} has no place for the table")
    path.write_text(f"{before}{mark}{table(rows)}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--train")
    parser.add_argument("--out", default="")
    parser.add_argument("--watched", action="store_true")
    parser.add_argument("--write")
    asked = parser.parse_args()
    if asked.train:
        train(asked.train, asked.out, watched=asked.watched)
        return
    chosen = [n for n in FAMILIES if not asked.names or any(word.lower() in n.lower() for word in asked.names)]
    rows: list[dict[str, Any]] = []
    for name in chosen:
        rows.append(tried(name))
        print(json.dumps(rows[-1]), flush=True)
    if asked.write:
        write(rows, Path(asked.write))


if __name__ == "__main__":
    main()
