"""The keys of the lists: runs are filtered, sorted, marked, named, stopped and deleted; the log is searched."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work

from .board import Board
from .dialogs import Asking, Confirm, StopTraining

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ibmon.runs.directory import RunDirectory

    from .scanning import Entry


class Managing(Board):
    """The actions of ``keys.py`` for the list of runs and the log."""

    # The list

    @work(group="dialog")
    async def action_filter_runs(self) -> None:
        title = "show runs with all of these words (name, state, recipe, parameter=value)"
        words = await self.app.push_screen_wait(Asking(title, self.runs.filter_text))
        if words is not None:
            self.runs.filter(words)

    def action_sort_runs(self, by: int) -> None:
        self.runs.sort(by_next=bool(by))

    def action_compare(self) -> None:
        self._marked(self.runs.toggle_mark())

    def action_compare_group(self) -> None:
        self._marked(self.runs.toggle_group_mark())

    def _marked(self, refused: str) -> None:
        if refused:
            self.notify(refused, severity="warning", markup=False)
        else:
            self.compare_with(self.runs.marks)

    # A run

    @work(group="dialog")
    async def action_rename_run(self) -> None:
        from ibmon.runs.listing import rename

        entry = self._entry()
        if entry is None:
            return
        name = entry.name if entry.name != entry.id else ""
        wanted = await self.app.push_screen_wait(Asking(f"a name for {entry.id}; empty for none", name))
        if wanted is not None and await self._done(rename, entry.run, wanted.strip()):
            self.notify(f"{entry.id} is now called {wanted.strip() or entry.id}", markup=False)
            self.list_runs()

    @work(group="dialog")
    async def action_delete_run(self) -> None:
        from ibmon.runs.listing import size_words

        entry = self._entry()
        if entry is None:
            return
        if self.run is not None and entry.run.path.resolve() == self.run.path.resolve():
            self.notify(f"{entry.name} is open: open another run before it is deleted", severity="warning", markup=False)
            return
        size = "of unknown size" if entry.size is None else size_words(entry.size)
        facts = f"{entry.id}, {entry.state}, {size}"
        means = "Its logs, measurements, figures and snapshots are deleted for ever."
        question = Confirm(self.look, f"Delete {entry.name}?", [facts, means], "delete it", "keep it")
        if await self.app.push_screen_wait(question) and await self._done(_delete, entry.run, self.root):
            self.notify(f"{entry.name} was deleted", markup=False)
            before = self.runs.marks
            self.runs.forget(entry.run)
            if self.runs.marks != before:
                self.compare_with(self.runs.marks)

    @work(group="dialog")
    async def stop_chosen(self) -> None:
        """Ask whether the training of the chosen run is to be stopped, and ask it to."""
        entry = self._entry()
        if entry is None:
            return
        if entry.state not in ("live", "starting", "queued"):
            self.notify(f"{entry.name} is not running: it is {entry.state}", severity="warning", markup=False)
        elif await self.app.push_screen_wait(StopTraining(self.look, entry.name)) and await self._done(entry.run.ask, "stop"):
            self.notify(f"{entry.name} stops after its current step", markup=False)

    def _entry(self) -> Entry | None:
        if self.runs.entry is None:
            self.notify("there is no run here", severity="warning", markup=False)
        return self.runs.entry

    async def _done(self, action: Callable[..., None], *arguments: object) -> bool:
        """Whether something was done to files, in a thread; if not, why is said."""
        from ibmon.records import IbmonError

        try:
            await asyncio.to_thread(action, *arguments)
        except (IbmonError, OSError) as error:
            self.notify(str(error), severity="error", markup=False, timeout=8)
            return False
        return True

    # The log

    @work(group="dialog")
    async def action_search(self) -> None:
        text = await self.app.push_screen_wait(Asking("search what was printed and noticed"))
        if text is not None:
            self.log_page.search(text.strip())

    def action_match(self, by: int) -> None:
        self.log_page.match(by)


def _delete(run: RunDirectory, root: Path) -> None:
    from ibmon.records import IbmonError
    from ibmon.runs.directory import delete, settled

    if settled(run).analysing:
        raise IbmonError(f"{run.id} is still being measured; delete it when that is done.")
    delete(run, root)
