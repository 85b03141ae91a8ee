"""Text into the clipboard of the terminal a user sits at, through SSH and tmux."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App


def copy(app: App[None], text: str) -> None:
    """Say it to the terminal (OSC 52); tmux, which swallows that unless it is configured, is asked to say it itself."""
    app.copy_to_clipboard(text)
    if os.environ.get("TMUX"):
        app.run_worker(lambda: _through_tmux(text), thread=True, group="clipboard")


def _through_tmux(text: str) -> None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(["tmux", "load-buffer", "-w", "-"], input=text.encode(), timeout=5, check=False, capture_output=True)
