"""Every key, in one table: it makes the bindings, the line at the bottom and the help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator

Group = Literal["screens", "charts", "time", "looking", "run"]

SCREENS = ("overview", "plane", "gradients", "timepoints", "gates", "flow", "runs", "log")
"""The screens with a number of their own, from 1; others get 9 and what follows."""
GROUPS: dict[Group, str] = {
    "screens": "Screens",
    "charts": "Charts",
    "time": "Time",
    "looking": "Looking closer",
    "run": "The run",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One binding: its id (what a configuration file remaps), keys as Textual names them, the action and what it does.

    ``show`` is how the keys are written; ``short`` is its word at the bottom, where ``rank`` says what is left out first
    (0: never there). ``where`` names the screens on which it is offered; without, on those with charts. ``writes`` marks what a
    read-only look does not offer.
    """

    id: str
    keys: str
    action: str
    show: str
    words: str
    group: Group
    short: str = ""
    rank: int = 0
    where: tuple[str, ...] = ()
    writes: bool = False

    @property
    def name(self) -> str:
        """The action without its arguments."""
        return self.action.partition("(")[0]

    def offered(self, screen: str, *, read_only: bool) -> bool:
        """Whether the key does something there."""
        if self.writes and read_only:
            return False
        if self.group in ("screens", "run") and not self.where:
            return True
        return screen in self.where if self.where else screen not in ("runs", "log")


_EVERYWHERE = (*SCREENS, "other")

# fmt: off
KEYS: tuple[Key, ...] = (
    *(
        Key(f"screen-{name}", str(number), f"go('{name}')", str(number), f"the {name} screen", "screens")
        for number, name in enumerate(SCREENS, start=1)
    ),
    Key("screen-other", "9", "go_other", "9", "the first screen of another plugin", "screens"),
    Key("screen-next", "right_curly_bracket", "beside(1)", "}", "the next screen", "screens"),
    Key("screen-previous", "left_curly_bracket", "beside(-1)", "{", "the screen before", "screens"),
    Key("chart-next", "tab,right_square_bracket", "chart(1)", "tab ]", "the next chart", "charts", "chart", 3),
    Key("chart-previous", "shift+tab,left_square_bracket", "chart(-1)", "⇧tab [", "the chart before", "charts"),
    Key("full", "F,f", "full", "F", "this chart alone, and back", "charts", "full", 8),
    Key("open", "enter", "open", "enter", "this chart alone; open the chosen run", "charts", "open", 2, _EVERYWHERE),
    Key("back", "escape", "back", "esc", "leave inspection, full screen, filter, notice", "charts", where=_EVERYWHERE),
    Key("colour", "c", "look('colour')", "c", "colour by layer or by epoch", "charts", "colour", 6),
    Key("log-x", "x", "look('x')", "x", "x axis linear or logarithmic", "charts", "log x", 12),
    Key("log-y", "y", "look('y')", "y", "y axis linear or logarithmic", "charts", "log y", 13),
    Key("smooth", "s", "look('smooth')", "s", "smooth the curves over 1, 5, 15 or 45 points", "charts", "smooth", 14),
    Key("filter", "slash", "filter", "/", "only layers whose name contains a word", "charts", "layers", 10),
    Key("zoom-in", "plus,equals_sign", "zoom(0.5)", "+", "zoom in, at the cursor", "charts", "zoom", 15),
    Key("zoom-out", "minus", "zoom(2.0)", "-", "zoom out", "charts"),
    Key("zoom-reset", "0", "zoom(0.0)", "0", "the whole figure again", "charts"),
    Key("inspect", "i", "inspect", "i", "inspect a value: bounds, estimator, flags", "looking", "inspect", 4),
    Key("left", "left,h", "move(-1, 0)", "← h", "the point before; zoomed in: to the left", "looking", where=_EVERYWHERE),
    Key("right", "right,l", "move(1, 0)", "→ l", "the next point; zoomed in: to the right", "looking", where=_EVERYWHERE),
    Key("up", "up,k", "move(0, -1)", "↑ k", "the series before; zoomed in: up", "looking", "move", 3, _EVERYWHERE),
    Key("down", "down,j", "move(0, 1)", "↓ j", "the next series; zoomed in: down", "looking", where=_EVERYWHERE),
    Key("step-back", "comma", "step(-1)", ",", "one measured epoch back", "time", "step", 5),
    Key("step-on", "full_stop", "step(1)", ".", "one measured epoch on", "time"),
    Key("leap-back", "less_than_sign", "step(-10)", "<", "ten back", "time"),
    Key("leap-on", "greater_than_sign", "step(10)", ">", "ten on", "time"),
    Key("first", "home", "step(-1000000000)", "home", "the first measurement", "time", where=_EVERYWHERE),
    Key("last", "end", "step(1000000000)", "end", "the last measurement", "time", where=_EVERYWHERE),
    Key("hold", "space", "hold", "space", "hold the picture, and let go", "time", "hold", 7),
    Key("live", "L", "live", "L", "back to what is happening now", "time", "live", 9),
    Key("snapshot", "S", "snapshot", "S", "take a snapshot now", "run", "snapshot", 16, writes=True),
    Key("export", "e", "export", "e", "save this chart as PNG in the run", "run", "export", 11, writes=True),
    Key("stop", "X", "stop", "X", "stop the training (asks first)", "run", writes=True),
    Key("help", "question_mark", "help", "?", "this help", "run", "help", 1),
    Key("commands", "ctrl+p", "app.command_palette", "^p", "all commands, by name", "run"),
    Key("detach", "q,ctrl+c", "detach", "q", "leave; the training goes on", "run", "leave", 1),
)
# fmt: on


def bindings() -> list[Binding]:
    """The table as Textual wants it."""
    return [Binding(k.keys, k.action, k.words, show=False, id=k.id, system=k.id == "commands") for k in KEYS]


def offered(screen: str, *, read_only: bool) -> Iterator[Key]:
    """The keys that do something on a screen."""
    name = screen if screen in SCREENS else "other"
    return (k for k in KEYS if k.offered(name, read_only=read_only))
