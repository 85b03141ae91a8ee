"""What the application sends and loads: little of both."""

import subprocess
import sys

import pytest

from terminals import Terminal

PROGRAM = """
import pathlib, sys
from ibmon.runs.directory import RunDirectory
from ibmon.tui.app import Wishes, run
code = run(RunDirectory(pathlib.Path(sys.argv[1])), Wishes(low_bandwidth="--low-bandwidth" in sys.argv))
heavy = {"torch", "matplotlib", "plotext", "scipy"} & set(sys.modules)
print("imported:", sorted(heavy))
sys.exit(code)
"""


@pytest.fixture
def opened():
    terminals = []

    def start(run, *arguments, size=(160, 45)):
        terminals.append(Terminal(*size, sys.executable, "-c", PROGRAM, str(run.path), *arguments))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def a_second(terminal, writer, seconds=8):
    """Bytes a second, plain and as ``ssh -C`` would have them, while there is a measurement every second."""
    terminal.listen(2.0)
    costs = []
    for _ in range(seconds):
        writer.measure(1)
        costs.append(terminal.listen(1.0))
    return sum(plain for plain, _ in costs) / seconds, sum(packed for _, packed in costs) / seconds


@pytest.mark.long
def test_an_update_costs_little_and_half_of_it_on_a_slow_line(write, opened):
    writer = write().begin(("1", "2", "3", "4", "5", "6")).measure(50)
    costs = {}
    for arguments in ((), ("--low-bandwidth",)):
        terminal = opened(writer.run, *arguments)
        terminal.see("information plane", f"epoch {writer.seq}/100")
        costs[arguments] = a_second(terminal, writer)
    plain, packed = costs[()]
    assert 0 < plain < 15_000
    assert packed < 2000
    assert costs["--low-bandwidth",][0] < 0.6 * plain


@pytest.mark.long
def test_nothing_new_sends_nothing(write, opened):
    writer = write().begin().measure(30).end()
    terminal = opened(writer.run)
    terminal.see("information plane", "■ END")
    terminal.listen(2.0)
    assert terminal.listen(5.0)[0] < 200


@pytest.mark.long
def test_a_held_picture_does_not_move(write, opened):
    writer = write().begin().measure(30)
    terminal = opened(writer.run)
    terminal.see("information plane", "epoch 30/100")
    live, _ = a_second(terminal, writer, 4)
    terminal.keys(b" ")
    terminal.see("HELD")
    before = terminal.display[2:-2]
    held, _ = a_second(terminal, writer, 4)
    assert held < 0.5 * live
    assert terminal.display[2:-2] == before


def test_torch_and_matplotlib_stay_out(write, opened):
    writer = write().begin().measure(5)
    terminal = opened(writer.run, size=(80, 24))
    terminal.see("information plane")
    terminal.keys(b"q")
    terminal.see("attaches again", "imported: []")


def test_plain_import_is_light():
    code = "import sys, ibmon.tui.app; print(sorted({'torch', 'textual', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
