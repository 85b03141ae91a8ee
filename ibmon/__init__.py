"""Watch, live in the terminal, what a neural network learns in terms of information.

Everything a recipe, a plugin or a training script may use is a name of this package. The names are resolved when they
are first used, so that ``import ibmon`` costs nothing and discovery of plugins never imports torch.
"""

from typing import TYPE_CHECKING

from . import lazily

if TYPE_CHECKING:
    from .capture import tap
    from .capture.monitor import Monitor
    from .elements import one_by_one
    from .figures.figure import (
        Axis,
        Curves,
        Figure,
        Graph,
        Heatmap,
        Histogram,
        Image,
        Line,
        Passage,
        Plane,
        Reference,
        Table,
        Trajectory,
        View,
    )
    from .figures.ticks import log_times
    from .hookspecs import hookimpl
    from .launch import start_run
    from .notebook import Picture, Run, open
    from .records import IbmonError, Measurement, StopTraining
    from .runs.history import History, Series
    from .schedules import Schedule, every, explicit, log_spaced
    from .specs import AnalysisSpec, EstimatorSpec, Launcher, LauncherSpec, RecipeSpec
    from .tensors import IGNORED, Activation, Estimate, Estimator, EvaluationSet, GradientStatistics, Snapshot, Variable

__version__ = "0.1.0"

_HOME = {
    "Activation": "tensors",
    "AnalysisSpec": "specs",
    "Axis": "figures.figure",
    "Curves": "figures.figure",
    "Estimate": "tensors",
    "Estimator": "tensors",
    "EstimatorSpec": "specs",
    "EvaluationSet": "tensors",
    "Figure": "figures.figure",
    "GradientStatistics": "tensors",
    "Graph": "figures.figure",
    "Heatmap": "figures.figure",
    "IGNORED": "tensors",
    "Histogram": "figures.figure",
    "History": "runs.history",
    "IbmonError": "records",
    "Image": "figures.figure",
    "Launcher": "specs",
    "LauncherSpec": "specs",
    "Line": "figures.figure",
    "Measurement": "records",
    "Monitor": "capture.monitor",
    "Passage": "figures.figure",
    "Picture": "notebook",
    "Plane": "figures.figure",
    "RecipeSpec": "specs",
    "Reference": "figures.figure",
    "Run": "notebook",
    "Schedule": "schedules",
    "Series": "runs.history",
    "Snapshot": "tensors",
    "StopTraining": "records",
    "Table": "figures.figure",
    "Trajectory": "figures.figure",
    "Variable": "tensors",
    "View": "figures.figure",
    "every": "schedules",
    "explicit": "schedules",
    "hookimpl": "hookspecs",
    "log_spaced": "schedules",
    "log_times": "figures.ticks",
    "one_by_one": "elements",
    "open": "notebook",
    "start_run": "launch",
    "tap": "capture",
}

__all__ = [
    "IGNORED",
    "Activation",
    "AnalysisSpec",
    "Axis",
    "Curves",
    "Estimate",
    "Estimator",
    "EstimatorSpec",
    "EvaluationSet",
    "Figure",
    "GradientStatistics",
    "Graph",
    "Heatmap",
    "Histogram",
    "History",
    "IbmonError",
    "Image",
    "Launcher",
    "LauncherSpec",
    "Line",
    "Measurement",
    "Monitor",
    "Passage",
    "Picture",
    "Plane",
    "RecipeSpec",
    "Reference",
    "Run",
    "Schedule",
    "Series",
    "Snapshot",
    "StopTraining",
    "Table",
    "Trajectory",
    "Variable",
    "View",
    "__version__",
    "every",
    "explicit",
    "hookimpl",
    "log_spaced",
    "log_times",
    "one_by_one",
    "open",
    "start_run",
    "tap",
]

__getattr__ = lazily.names(__name__, _HOME)
