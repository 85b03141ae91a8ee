from ibmon import Axis, Curves, Line


def figures(history):
    lines = tuple(Line(label=s.subject["layer"], x=s.step, y=s.value) for s in history.select("spread"))
    return [Curves(name="spread", title="spread", screen="spread", x=Axis(label="step"), y=Axis(label="std"), lines=lines)]


def broken(history):
    raise RuntimeError("no figure")
