"""What a process does about the others on its machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAYS = """
import os
from pathlib import Path
from ibmon.machine import give_way
give_way(7)
print(os.nice(0), Path("/proc/self/autogroup").read_text().rpartition("nice")[2])
"""
GROUPS = Path("/proc/self/autogroup")


@pytest.mark.skipif(not GROUPS.exists(), reason="this kernel does not group processes by session")
def test_a_session_of_its_own_gives_way_as_a_whole_and_that_of_others_does_not() -> None:
    before = GROUPS.read_text()
    inherited = before.rpartition("nice")[2].split()  # none, where this session has no group of its own: in some containers
    for alone, said in ((True, ["7", "7"]), (False, ["7", *inherited])):
        done = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, start_new_session=alone, check=True)
        assert done.stdout.split() == said
    assert GROUPS.read_text() == before
