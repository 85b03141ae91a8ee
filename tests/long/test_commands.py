"""The command line as a researcher uses it: real processes, real trainings, and what goes wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ibmon.runs import locks
from ibmon.runs.directory import find_run, find_runs, status
from support import finished, history_of, ibmon, started, wait_for

pytestmark = pytest.mark.long
FAST = ("--epochs", "20", "-e", "binning")


def test_the_whole_path_without_a_screen(tmp_path: Path) -> None:
    done = ibmon("run", "tishby", "--epochs", "30", "--seed", "0", "-e", "binning", "-e", "kde", "--name", "first")
    assert done.returncode == 0, done.stderr
    assert "snapshots measured" in done.stdout and "I(X;T) [bits]" in done.stdout
    shown = json.loads(ibmon("show", "first", "--json").stdout)
    assert shown["state"] == "finished"
    assert shown["captured"] == shown["measured"] > 10
    assert shown["run"]["parameters"]["epochs"] == 30
    planes = [s for s in shown["series"] if s["quantity"] == "I(X;T)"]
    assert {s["estimator"] for s in planes} == {"binning:width=0.07", "kde:variance=0.001"}
    assert {s["subject"]["layer"] for s in planes} == set("123456")
    assert all(s["epoch"][0] == 0.0 for s in planes)
    (listed,) = json.loads(ibmon("runs", "--json").stdout)
    assert listed["name"] == "first" and listed["state"] == "finished"
    out = ibmon(
        "export", "first", "information-plane*", "gradient-snr", "-o", str(tmp_path / "out"), "--format", "png", "--format", "csv"
    )
    assert out.returncode == 0, out.stderr
    files = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"information-plane-binning.png", "information-plane-kde.csv", "gradient-snr.png"} <= files
    rows = list(csv.DictReader((tmp_path / "out" / "information-plane-kde.csv").read_text().splitlines()))
    assert len(rows) == 6 * shown["captured"]
    missing = ibmon("export", "first", "no-such-figure")
    assert missing.returncode == 3 and "information-plane-binning" in missing.stderr


def test_many_networks_as_one_with_the_controls_and_one_of_them_alone(tmp_path: Path) -> None:
    options = ("--replicas", "4", "--epochs", "40", "--rescale", "2", "--schedule", "every:2epochs", "--lossless")
    done = ibmon("run", "tishby", *options, "-e", "binning", "-e", "kde:relative=true", "--max-samples", "512", "--name", "four")
    assert done.returncode == 0, done.stderr
    shown = json.loads(ibmon("show", "four", "--json").stdout)
    assert shown["captured"] == shown["measured"] == 21 and not shown["dropped"]
    plane = next(s for s in shown["series"] if s["quantity"] == "I(X;T)")
    assert plane["axes"] == {"replica": [0, 1, 2, 3]}
    out = ibmon("export", "four", "-o", str(tmp_path / "all"), "--format", "csv")
    assert out.returncode == 0, out.stderr
    names = {p.stem for p in (tmp_path / "all").iterdir()}
    assert {"information-plane-binning", "gradient-snr", "stochastic-gradient-hypothesis", "compression", "geometry"} <= names
    verdicts = (tmp_path / "all" / "compression.csv").read_text()
    assert "not run" in verdicts or "not supported" in verdicts
    one = ibmon("export", "four", "information-plane-binning", "--replica", "2", "-o", str(tmp_path / "one"), "--format", "csv")
    assert one.returncode == 0, one.stderr
    rows = list(csv.DictReader((tmp_path / "one" / "information-plane-binning-replica-2.csv").read_text().splitlines()))
    assert len(rows) == 6 * 21
    wrong = ibmon("export", "four", "--replica", "9")
    assert wrong.returncode == 3 and "no network 9" in wrong.stderr
    refused = ibmon("run", "tishby", "--replicas", "4", "--dynamics")
    assert refused.returncode == 1 and "leave out replicas" in refused.stderr and "Traceback" not in refused.stderr


def test_a_copied_recipe_and_a_script_run_the_same_way(tmp_path: Path) -> None:
    copied = ibmon("recipes", "copy", "tishby", str(tmp_path / "mine.py"))
    assert copied.returncode == 0
    again = ibmon("recipes", "copy", "tishby", str(tmp_path / "mine.py"))
    assert again.returncode == 1 and "there already" in again.stderr
    done = ibmon("run", str(tmp_path / "mine.py"), *FAST)
    assert done.returncode == 0, done.stderr
    assert history_of(find_run(None)).captured > 10
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, torch, ibmon\n"
        "model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))\n"
        "x, y = torch.randn(64, 3), torch.randint(0, 2, (64,))\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=float(sys.argv[1]))\n"
        "with ibmon.Monitor(model, inputs=x, targets=y) as monitor:\n"
        "    for _ in range(10):\n"
        "        loss = torch.nn.functional.cross_entropy(model(x), y)\n"
        "        optimizer.zero_grad(); loss.backward(); monitor.step(loss); optimizer.step()\n"
    )
    done = ibmon("run", str(script), "--", "0.1")
    assert done.returncode == 0, done.stderr
    run = find_run(None)
    assert run.info().arguments == ["0.1"]
    assert history_of(run).steps.tolist() == list(range(11))
    alone = subprocess.run([sys.executable, str(script), "0.1"], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert alone.returncode == 0 and "ibmon watch" in alone.stderr
    assert len(find_runs()) == 3
    run = find_run(None)
    wait_for(lambda: finished(run))
    assert history_of(run).end is not None
    assert status(run).state == "finished"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "tishbi"), 3, "did you mean 'tishby'?"),
        (("run", "tishby", "--epoch", "3"), 2, "No such option"),
        (("run", "tishby", "--activation", "gelu"), 2, "gelu"),
        (("run", "tishby", "-e", "bining"), 3, "did you mean 'binning'?"),
        (("run", "tishby", "-e", "binning:widht=1"), 2, "did you mean 'width'?"),
        (("run", "tishby", "-a", "nothing"), 3, "no analysis called"),
        (("run", "tishby", "--schedule", "often"), 2, "no schedule"),
        (("run", "tishby", "--device", "tpu"), 2, "--device"),
        (("run", "missing.py"), 3, "no file"),
        (("show", "nothing"), 3, "no run"),
        (("watch",), 2, "needs a terminal"),
        (("stop",), 3, "no run"),
        (("analyse",), 3, "no run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_one_sentence_before_anything_starts(arguments: tuple[str, ...], code: int, words: str) -> None:
    done = ibmon(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not find_runs()


def test_an_unwritable_runs_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ibmon("run", "tishby", IBMON_RUNS=str(tmp_path / "file" / "runs"))
    assert done.returncode == 1
    assert "IBMON_RUNS" in done.stderr and "Traceback" not in done.stderr


def _recipe(tmp_path: Path, body: str, head: str = "import torch, ibmon\n") -> Path:
    path = tmp_path / "recipe.py"
    path.write_text(head + "def train(monitor, *, epochs: int = 2):\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    return path


MODEL = "model = torch.nn.Sequential(torch.nn.Linear(2, 2))\ndata = ibmon.EvaluationSet(torch.eye(2))\n"


def test_a_layer_that_does_not_exist_fails_the_run_with_a_sentence(tmp_path: Path) -> None:
    done = ibmon("run", str(_recipe(tmp_path, MODEL + "monitor.watch(model, evaluation=data, layers=['encoder'])")))
    assert done.returncode == 1
    assert "There is no layer 'encoder'" in done.stderr
    assert "Traceback" not in done.stderr
    assert status(find_run(None)).state == "failed"


def test_a_failure_before_the_monitor_shows_the_console(tmp_path: Path) -> None:
    done = ibmon("run", str(_recipe(tmp_path, "pass", head="import a_package_that_is_not_here\n")))
    assert done.returncode == 1
    assert "a_package_that_is_not_here" in done.stderr
    script = tmp_path / "script.py"
    script.write_text("print('so far'); raise SystemExit(7)\n")
    done = ibmon("run", str(script))
    assert done.returncode == 1 and "so far" in done.stderr
    assert status(find_run(None)).detail == "the trainer exited with code 7"


def test_a_failure_in_the_middle_keeps_what_was_measured(tmp_path: Path) -> None:
    body = (
        MODEL
        + "monitor.watch(model, evaluation=data)\nfor epoch in monitor.epochs(5):\n    if epoch == 3: raise ValueError('broke')"
    )
    done = ibmon("run", str(_recipe(tmp_path, body)))
    assert done.returncode == 1 and "ValueError: broke" in done.stderr
    history = history_of(find_run(None))
    assert history.end is not None and history.end.status == "failed"
    assert history.captured == history.measured == 4


def test_a_loss_that_is_not_a_number_is_noticed_and_nothing_stops(tmp_path: Path) -> None:
    body = (
        MODEL
        + "optimizer = torch.optim.SGD(model.parameters(), lr=1e30)\n"
        + "monitor.watch(model, evaluation=data, optimizer=optimizer)\n"
        + "for _ in monitor.epochs(6):\n"
        + "    loss = model(torch.eye(2)).square().sum()\n"
        + "    optimizer.zero_grad(); loss.backward(); monitor.step(loss); optimizer.step()\n"
    )
    done = ibmon("run", str(_recipe(tmp_path, body)))
    assert done.returncode == 0, done.stderr
    history = history_of(find_run(None))
    assert any("loss became" in n.text for n in history.notices)
    assert history.captured == history.measured == 7
    assert any(s.flags.get("nonfinite") is not None for s in history.series)


def test_a_full_spool_drops_visibly_and_lossless_waits() -> None:
    done = ibmon("run", "tishby", "--epochs", "60", "--schedule", "every:1epochs", "--spool-bytes", "1500000")
    assert done.returncode == 0, done.stderr
    history = history_of(find_run(None))
    assert history.dropped and all("full" in d.reason for d in history.dropped)
    assert history.captured + len(history.dropped) == 61
    assert history.captured == history.measured
    done = ibmon(
        "run",
        "tishby",
        "--epochs",
        "20",
        "--schedule",
        "every:1epochs",
        "--spool-bytes",
        "1500000",
        "--lossless",
        *("-e", "binning"),
    )
    assert done.returncode == 0, done.stderr
    history = history_of(find_run(None))
    assert not history.dropped
    assert history.captured == history.measured == 21


def test_a_full_disk_drops_snapshots_and_nothing_else() -> None:
    """A limit on the size of files: logs still fit, snapshots do not, as on a disk that is nearly full."""
    command = f"ulimit -f 400; exec {sys.executable} -m ibmon run tishby --epochs 5"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    run = find_run(None)
    history = history_of(run)
    assert history.progress is not None and history.progress.epoch == 5
    assert len(history.dropped) == 6 and not history.captured
    assert all("could not be written" in d.reason for d in history.dropped)
    assert not list((run.path / "spool").iterdir())


def test_options_may_come_before_what_they_are_for() -> None:
    done = ibmon("run", "-e", "binning", "--schedule", "every:1epochs", "tishby", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    assert find_run(None).info().parameters["epochs"] == 2


def test_a_name_that_is_a_recipe_and_a_run_is_a_usage_error() -> None:
    assert ibmon("run", "tishby", *FAST, "--name", "tishby").returncode == 0
    done = ibmon("run", "tishby", *FAST)
    assert done.returncode == 2
    assert "is a recipe and a run" in done.stderr and "Traceback" not in done.stderr


def test_a_broken_third_party_plugin_is_named_and_the_rest_is_measured(toy_plugin: Path, broken_plugin: Path) -> None:
    done = ibmon("run", "tishby", *FAST)
    assert done.returncode == 0, done.stderr
    history = history_of(find_run(None))
    assert history.captured == history.measured
    assert any("explodes" in n.text and "ibmon-toy 0.3" in n.text for n in history.notices)
    assert any("ibmon-broken 0.1" in n.text for n in history.notices)
    assert history.select("I(X;T)") and history.select("spread")


def test_kept_snapshots_are_analysed_again_from_the_command_line() -> None:
    assert ibmon("run", "tishby", *FAST, "--keep-snapshots").returncode == 0
    done = ibmon("analyse", "-e", "kde:variance=0.01")
    assert done.returncode == 0, done.stderr
    assert "0 new" not in done.stdout
    assert ibmon("analyse", "-e", "kde:variance=0.01").stdout.count(" 0 new results") == 1
    assert ibmon("run", "tishby", *FAST).returncode == 0
    assert "--keep-snapshots" in ibmon("analyse").stderr


def test_stop_rename_and_gc() -> None:
    run = started(parameters={"epochs": 1_000_000}, schedule="every:100epochs", estimators=["binning"])
    wait_for(lambda: history_of(run).captured > 1)
    assert ibmon("rename", run.id, "mine").returncode == 0
    assert ibmon("stop", "mine").returncode == 0
    wait_for(lambda: finished(run))
    stopped = ibmon("stop", "mine")
    assert stopped.returncode == 1 and "is finished" in stopped.stderr
    assert "Nothing to clear away" in ibmon("gc", "--yes").stdout
    orphan = started(parameters={"epochs": 1_000_000}, estimators=["binning"])
    wait_for(lambda: locks.holder(orphan.lock("trainer")) is not None)
    pid = locks.holder(orphan.lock("trainer"))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: finished(orphan))
    if not orphan.logs("analyst"):
        assert "deleted" in ibmon("gc", "--yes").stdout
        assert not orphan.path.exists()


def test_an_interrupted_run_stops_in_order() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ibmon", "run", "tishby", "-e", "binning"], stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: bool(find_runs()) and history_of(find_run(None)).captured > 3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    assert "Stopping" in errors
    assert status(find_run(None)).detail == "stopped"


def test_a_lost_trainer_is_exit_code_four() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ibmon", "run", "tishby", "-e", "binning"], stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: bool(find_runs()) and history_of(find_run(None)).captured > 3)
    pid = locks.holder(find_run(None).lock("trainer"))
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 4
    assert "killed by signal 9" in errors


def test_the_example_of_an_own_script_runs_alone() -> None:
    example = Path(__file__).parents[2] / "examples" / "own_script.py"
    done = subprocess.run([sys.executable, str(example), "--epochs", "5"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    run = find_run(None)
    wait_for(lambda: finished(run))
    history = history_of(run)
    assert history.captured == history.measured >= 4
    assert history.steps[0] == 0 and history.steps[-1] == 100
    assert not [n for n in history.notices if n.level != "info"]
    assert history.select("mean saliency") == [] and history.select("I(T;Y)", evaluation="test")


def test_a_forked_child_does_not_write_the_last_word(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, time, torch, ibmon\nmodel = torch.nn.Linear(2, 2)\n"
        "monitor = ibmon.Monitor(model, inputs=torch.eye(2))\n"
        "if os.fork() == 0:\n    sys.exit(0)\n"
        "os.wait()\nmonitor.step(1.0)\nmonitor.close()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    (log,) = find_run(None).logs("trainer")
    assert log.read_text().count('"kind":"end"') == 1
    assert '"step":1' in log.read_text().splitlines()[-1]


def test_an_own_script_goes_on_when_no_run_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    script = tmp_path / "script.py"
    script.write_text(
        "import torch, ibmon\nmodel = torch.nn.Linear(2, 2)\n"
        "with ibmon.Monitor(model, inputs=torch.eye(2)) as monitor:\n"
        "    for _ in monitor.epochs(2):\n        monitor.step(1.0); monitor.log('x', y=1)\nprint('done')\n"
    )
    environment = {**os.environ, "IBMON_RUNS": str(tmp_path / "runs" / "deeper")}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 0 and done.stdout == "done\n"
    assert "goes on unmonitored" in done.stderr and "Traceback" not in done.stderr
