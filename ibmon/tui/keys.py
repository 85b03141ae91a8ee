"""Every key, in one table: it makes the bindings, the line at the bottom and the help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

Group = Literal["screens", "charts", "time", "looking", "run", "runs", "log", "terminal"]
State = Literal["inspecting", "networks", "comparing"]

SCREENS = ("overview", "plane", "gradients", "timepoints", "gates", "flow", "runs", "log")
"""The screens with a number of their own, from 1; others get 9 and what follows."""
GROUPS: dict[Group, str] = {
    "screens": "Screens",
    "charts": "Charts",
    "time": "Time",
    "looking": "Looking closer",
    "run": "The run",
    "runs": "The list of runs",
    "log": "The log",
    "terminal": "The terminal",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One binding: its id (what a configuration file remaps), keys as Textual names them, the action and what it does.

    ``show`` is how the keys are written; ``short`` is its word at the bottom, where ``rank`` says what is left out first
    (0: never there). ``where`` names the screens on which it is offered; without, on those with charts. ``writes`` marks what a
    read-only look does not offer, ``when`` what is offered only in a certain state: while a value is inspected, where networks
    can be shown one by one, or where the chart compares runs. Where several keys are the same, the first that is offered counts.
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
    when: State | None = None

    @property
    def name(self) -> str:
        """The action without its arguments."""
        return self.action.partition("(")[0]

    def offered(self, screen: str, *, read_only: bool, states: AbstractSet[State] = frozenset()) -> bool:
        """Whether the key does something there."""
        if (self.writes and read_only) or (self.when is not None and self.when not in states):
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
    Key("screen-other", "9", "go_other", "9", "the next screen of another plugin", "screens"),
    Key("screen-next", "right_curly_bracket", "beside(1)", "}", "the next screen", "screens"),
    Key("screen-previous", "left_curly_bracket", "beside(-1)", "{", "the screen before", "screens"),
    Key("chart-next", "tab,right_square_bracket", "chart(1)", "tab ]", "the next chart", "charts", "chart", 3),
    Key("chart-previous", "shift+tab,left_square_bracket", "chart(-1)", "⇧tab [", "the chart before", "charts"),
    Key("full", "F,f", "full", "F", "this chart alone, and back", "charts", "full", 8),
    Key("open", "enter", "open", "enter", "this chart alone; open the chosen run", "charts", "open", 2, _EVERYWHERE),
    Key("back", "escape", "back", "esc", "leave inspection, full screen, filter, notice", "charts", where=_EVERYWHERE),
    Key("colour", "c", "look('colour')", "c", "colour by layer, epoch, timepoint or run", "charts", "colour", 6),
    Key("colour-map", "C", "colours", "C", "the next colour map", "charts"),
    Key("log-x", "x", "look('x')", "x", "x axis linear or logarithmic", "charts", "log x", 13),
    Key("inspect", "i", "inspect", "i", "inspect a value: bounds, estimator, flags", "looking", "inspect", 4),
    Key("copy", "y", "copy", "y", "while inspecting: copy what is said of the value", "looking", "copy", 4, when="inspecting"),
    Key("log-y", "y", "look('y')", "y", "y axis linear or logarithmic", "charts", "log y", 14),
    Key("smooth", "s", "look('smooth')", "s", "smooth the curves over 1, 5, 15 or 45 points", "charts", "smooth", 15),
    Key("filter", "slash", "filter", "/", "only layers whose name contains a word", "charts", "layers", 10),
    Key("zoom-in", "plus,equals_sign", "zoom(0.5)", "+", "zoom in, at the cursor", "charts", "zoom", 16),
    Key("zoom-out", "minus", "zoom(2.0)", "-", "zoom out", "charts"),
    Key("zoom-reset", "0", "zoom(0.0)", "0", "the whole figure again", "charts"),
    Key("left", "left,h", "move(-1, 0)", "← h", "the point before; zoomed in: to the left", "looking", where=_EVERYWHERE),
    Key("right", "right,l", "move(1, 0)", "→ l", "the next point; zoomed in: to the right", "looking", where=_EVERYWHERE),
    Key("up", "up,k", "move(0, -1)", "↑ k", "the series before; zoomed in: up", "looking", "move", 3, _EVERYWHERE),
    Key("down", "down,j", "move(0, 1)", "↓ j", "the next series; zoomed in: down", "looking", where=_EVERYWHERE),
    Key("page-up", "pageup,ctrl+b", "page(-1)", "pgup", "a page up in lists and tables", "looking", where=_EVERYWHERE),
    Key("page-down", "pagedown,ctrl+f", "page(1)", "pgdn", "a page down", "looking", where=_EVERYWHERE),
    Key("network-next", "r", "network(1)", "r", "of many networks the next alone", "looking", "network", 5, when="networks"),
    Key("network-previous", "R", "network(-1)", "R", "the network before, or all again", "looking", when="networks"),
    Key("layout", "v", "look('layout')", "v", "compared runs: over each other, in panels, or one alone", "charts", "layout", 5,
        when="comparing"),
    Key("layout-back", "V", "look('layout-back')", "V", "the layout before", "charts", when="comparing"),
    Key("step-back", "comma", "step(-1)", ",", "one measured epoch back", "time", "step", 5),
    Key("step-on", "full_stop", "step(1)", ".", "one measured epoch on", "time"),
    Key("leap-back", "less_than_sign", "step(-10)", "<", "ten back", "time"),
    Key("leap-on", "greater_than_sign", "step(10)", ">", "ten on", "time"),
    Key("first", "home", "step(-1000000000)", "home", "the first measurement", "time", where=_EVERYWHERE),
    Key("last", "end", "step(1000000000)", "end", "the last measurement", "time", where=_EVERYWHERE),
    Key("play", "p", "play", "p", "play from the step that is shown, and pause", "time", "play", 9),
    Key("speed", "P", "speed", "P", "play at 1, 4, 16 or 64 times the speed", "time"),
    Key("next-mark", "n", "mark(1)", "n", "to the next change of phase, notice or drop", "time", "mark", 12),
    Key("previous-mark", "N", "mark(-1)", "N", "to the one before", "time"),
    Key("hold", "space", "hold", "space", "hold the picture, and let go", "time", "hold", 7),
    Key("live", "L", "live", "L", "back to what is happening now", "time", "live", 9),
    Key("snapshot", "S", "snapshot", "S", "take a snapshot now", "run", "snapshot", 17, writes=True),
    Key("export", "e", "export", "e", "save this chart: PNG, SVG, PDF or CSV", "run", "export", 11, writes=True),
    Key("stop", "X", "stop", "X", "stop the training, or the chosen run (asks first)", "run", writes=True),
    Key("mark", "m", "compare", "m", "mark a run for comparison, up to four", "runs", "compare", 3, ("runs",)),
    Key("mark-group", "M", "compare_group", "M", "mark all runs of its group, as one", "runs", "group", 8, ("runs",)),
    Key("filter-runs", "slash", "filter_runs", "/", "only runs with these words", "runs", "filter", 4, ("runs",)),
    Key("sort", "o", "sort_runs(1)", "o", "sort by the next column", "runs", "sort", 5, ("runs",)),
    Key("sort-back", "O", "sort_runs(0)", "O", "the other way round", "runs", where=("runs",)),
    Key("rename", "r", "rename_run", "r", "give the chosen run a name", "runs", "rename", 9, ("runs",), writes=True),
    Key("delete", "d,delete", "delete_run", "d", "delete the chosen run (asks)", "runs", "delete", 10, ("runs",), writes=True),
    Key("search", "slash", "search", "/", "search what was printed and noticed", "log", "search", 4, ("log",)),
    Key("next-match", "n", "match(1)", "n", "the next line that was found", "log", "next", 5, ("log",)),
    Key("previous-match", "N", "match(-1)", "N", "the one before", "log", where=("log",)),
    Key("theme", "T", "theme", "T", "dark, light or high contrast", "terminal", where=_EVERYWHERE),
    Key("diagnostics", "D", "diagnostics", "D", "what the terminal can do and what this costs", "terminal", where=_EVERYWHERE),
    Key("help", "question_mark", "help", "?", "this help", "run", "help", 1),
    Key("commands", "ctrl+p", "app.command_palette", "^p", "all commands, by name", "run"),
    Key("detach", "q,ctrl+c", "detach", "q", "leave; the training goes on", "run", "leave", 1),
)
# fmt: on


def bindings() -> list[Binding]:
    """The table as Textual wants it."""
    return [Binding(k.keys, k.action, k.words, show=False, id=k.id, system=k.id == "commands") for k in KEYS]


def offered(screen: str, *, read_only: bool, states: AbstractSet[State] = frozenset()) -> Iterator[Key]:
    """The keys that do something on a screen."""
    name = screen if screen in SCREENS else "other"
    return (k for k in KEYS if k.offered(name, read_only=read_only, states=states))
