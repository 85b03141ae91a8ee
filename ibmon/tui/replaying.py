"""The keys of time: hold, step, play, go to what happened."""

from __future__ import annotations

from .board import Board
from .marks import moments


class Replaying(Board):
    """What happens on the axis of training; the feed is asked for figures that have none."""

    def action_step(self, by: int) -> None:
        page = self.list_page
        if page is not None:
            page.scroll_by(by)
            return
        self.timeline.playing = False
        self.timeline.move(by)
        self.seek()

    def action_hold(self) -> None:
        if self.timeline.playing:
            self.timeline.playing = False
        else:
            self.timeline.hold()
        self.seek()

    def action_live(self) -> None:
        self.timeline.live()
        self.seek()

    def action_play(self) -> None:
        self.timeline.play()
        self.seek()

    def action_speed(self) -> None:
        self.timeline.faster()
        if not self.timeline.playing:  # else the line of time says it
            self.notify(f"playing at {self.timeline.speed}×", markup=False, timeout=2)
        self.draw()

    def action_mark(self, by: int) -> None:
        frame = self.timeline.shown
        moment = self.timeline.jump(moments(frame), by) if frame is not None else None
        if moment is None:
            self.notify(f"no change of phase, notice or drop {'after' if by > 0 else 'before'} this", markup=False, timeout=3)
            return
        self.notify(f"step {moment.step}: {moment.words}", markup=False, timeout=6)
        self.seek()

    def pass_time(self, seconds: float) -> None:
        """Called by the board's clock while it plays."""
        if self.timeline.tick(seconds):
            self.seek()

    def seek(self) -> None:
        """Show the step that the timeline is at."""
        if self.feed is not None:
            self.feed.seek(self.timeline.until)
        if self.player is not None:
            (self.player.resume if self.timeline.playing else self.player.pause)()
        self.draw()
