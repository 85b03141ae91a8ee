"""The training process: ``python -m ibmon.train RUN``. Runs what ``run.json`` names: a recipe, or any script."""

from __future__ import annotations

import importlib.util
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .launch import RUN_VARIABLE
from .records import IbmonError, RunInfo, StopTraining
from .runs import locks
from .runs.directory import RunDirectory
from .signatures import is_recipe


def main(path: str) -> int:
    """Returns the exit code of the process."""
    run = RunDirectory(Path(path))
    info = run.info()
    os.environ[RUN_VARIABLE] = str(run.path.resolve())
    if is_program(info.target):
        return _become(info)
    # Before torch is imported: who looks at the run now sees that somebody is at work.
    locks.acquire(run.lock("trainer"))
    if info.target.endswith(".py") and not is_recipe(Path(info.target)):
        return _run_script(info)
    return _run_recipe(info)


def _run_recipe(info: RunInfo) -> int:
    from .capture.monitor import Monitor

    monitor = Monitor()
    monitor.stop_raises = True

    def stop(*_: Any) -> None:
        monitor.should_stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        _check_device(info.device)
        train = _load(info.target)
        train(monitor, **info.parameters)
    except StopTraining:
        monitor.close("stopped")
    except KeyboardInterrupt:
        monitor.close("stopped")
    except IbmonError as error:
        print(f"ibmon: {error}", file=sys.stderr)
        monitor.close("failed", str(error))
        return 1
    except BaseException as error:
        traceback.print_exc()
        monitor.close("failed", f"{type(error).__name__}: {error}")
        return 1
    else:
        monitor.close("stopped" if monitor.should_stop else "finished")
    return 0


def is_program(target: str) -> bool:
    """Whether a run's target is a program with arguments rather than a recipe or a script."""
    return not target.endswith(".py") and ":" not in target


def _become(info: RunInfo) -> int:
    """The process becomes the program that was asked for; the Monitor in it, or in a child, finds its run by the environment."""
    try:
        os.execvp(info.target, [info.target, *info.arguments])
    except OSError as error:
        print(f"ibmon: {info.target} cannot be run: {error.strerror}.", file=sys.stderr)
        return 127


def _run_script(info: RunInfo) -> int:
    """Run a script as ``python script.py args`` would; the Monitor inside finds its run by the environment."""
    script = Path(info.target)
    sys.argv = [str(script), *info.arguments]
    sys.path.insert(0, str(script.parent))
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as exit:
        if exit.code is None or isinstance(exit.code, int):
            return exit.code or 0
        print(exit.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.last_value = error  # what the Monitor looks at when the process ends
        traceback.print_exc()
        return 1
    return 0


def _load(target: str) -> Callable[..., None]:
    """The recipe's function: of a file, or of an installed plugin."""
    if target.endswith(".py"):
        path = Path(target)
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module.train
    from .specs import load_target

    return load_target(target)


def _check_device(device: str) -> None:
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise IbmonError("This machine has no CUDA device that torch can use; say --device cpu or --device auto.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
