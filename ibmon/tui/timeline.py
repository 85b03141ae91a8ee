"""Where in the training the screen looks: at what happens now, or held at a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibmon.figures.figure import Figure

    from .feed import Frame
    from .marks import Moment

SPEEDS = (1, 4, 16, 64)
STEPS_A_SECOND = 5
"""Measured steps that pass in a second at the first speed."""


@dataclass(slots=True)
class Timeline:
    """The newest frame, and the one that is held together with the step up to which it is shown; it may be playing."""

    newest: Frame | None = None
    kept: Frame | None = None
    until: int | None = None
    playing: bool = False
    speed: int = SPEEDS[0]
    _owed: float = 0.0

    def take(self, frame: Frame) -> None:
        """The newest frame. What is held stays as it is, unless other networks are to be shown at that step."""
        if self.kept is not None and self.kept.replica != frame.replica:
            self.kept = frame
        self.newest = frame

    @property
    def held(self) -> bool:
        return self.until is not None

    @property
    def shown(self) -> Frame | None:
        """The frame whose figures are drawn."""
        return self.kept or self.newest

    def figures(self) -> tuple[Figure, ...]:
        """What to draw. Figures that no view can cut at a step come as they were then, once the feed has built them."""
        frame, newest = self.shown, self.newest
        if frame is None:
            return ()
        if self.until is None or newest is None or newest.past_step != self.until:
            return frame.figures
        return tuple(newest.past.get(figure.name, figure) for figure in frame.figures)

    def hold(self) -> None:
        """Stop at the newest measurement, or let go."""
        if self.held:
            self.live()
        elif self.newest is not None and self.newest.steps is not None and len(self.newest.steps):
            self.kept, self.until = self.newest, int(self.newest.steps[-1])

    def live(self) -> None:
        self.kept = self.until = None
        self.playing = False

    def play(self) -> None:
        """Go on from the step that is shown, from the beginning where that is the last; or pause."""
        if self.playing:
            self.playing = False
            return
        if not self.held:
            self.hold()
        if self.kept is None or self.kept.steps is None:
            return
        if self.position() >= len(self.kept.steps) - 1:
            self.move(-len(self.kept.steps))
        self.playing, self._owed = True, 0.0

    def faster(self) -> None:
        """The next speed, and after the last the first."""
        self.speed = SPEEDS[(SPEEDS.index(self.speed) + 1) % len(SPEEDS)]

    def tick(self, seconds: float) -> bool:
        """Let time pass while playing; True where the picture moved. After the last step the screen is live again."""
        if not self.playing:
            return False
        self._owed += seconds * STEPS_A_SECOND * self.speed
        steps, self._owed = int(self._owed), self._owed % 1
        if steps:
            self.move(steps)
            if self.kept is None or self.kept.steps is None or self.position() >= len(self.kept.steps) - 1:
                self.live()
        return bool(steps)

    def jump(self, moments: list[Moment], by: int) -> Moment | None:
        """Hold at the next of the moments (``by`` 1) or the one before (-1); None where there is no further one."""
        frame = self.shown
        if frame is None or frame.steps is None or not len(frame.steps):
            return None
        here = self.position()
        # A moment between two measurements is shown by the next one.
        at = [(min(int(frame.steps.searchsorted(m.step)), len(frame.steps) - 1), m) for m in moments]
        beyond = [pair for pair in at if (pair[0] > here if by > 0 else pair[0] < here)]
        if not beyond:
            return None
        place, moment = min(beyond, key=lambda p: p[0]) if by > 0 else max(beyond, key=lambda p: p[0])
        self.playing = False
        if not self.held:
            self.hold()
        self.move(place - self.position())
        return moment

    def move(self, by: int) -> None:
        """So many measured steps on or back; beyond the end of what is held the newest measurements are taken in."""
        if not self.held:
            self.hold()
        if self.until is None or self.kept is None or self.kept.steps is None or self.newest is None:
            return
        at = self.position()
        if by > 0 and at + by >= len(self.kept.steps):
            self.kept = self.newest
        steps = self.kept.steps
        if steps is not None and len(steps):
            self.until = int(steps[max(0, min(at + by, len(steps) - 1))])

    def position(self) -> int:
        """The index of the step shown among all measured ones."""
        frame = self.shown
        if frame is None or frame.steps is None or not len(frame.steps):
            return 0
        last = len(frame.steps) - 1
        return last if self.until is None else min(last, int(frame.steps.searchsorted(self.until, side="right")) - 1)

    def epoch(self) -> float | None:
        """The epoch of the step that is held."""
        frame = self.shown
        return None if frame is None or self.until is None else frame.history.epoch_of(self.until)
