"""A model run again with another output of one of its modules, without computing anew what comes before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, Self

from torch import nn
from torch.jit import ScriptModule


class Replay:
    """``record`` runs a model once and keeps what its module ``name`` puts out, and what every module does that is done before
    it; ``again`` runs it with another output of that module, and the others give what they gave.

    For inputs that stay the same and models that put out the same for them, as in evaluation mode. What a model computes
    outside of its modules is computed anew, and so are scripted modules. What is kept is copied when it is given out: it may be
    changed in place. Use as a context manager: afterwards the modules are as they were.

    Raises ValueError for a module that the model does not have, and, in ``record``, for one that is not called exactly once.
    """

    def __init__(self, model: nn.Module, name: str) -> None:
        try:
            self._module = model.get_submodule(name)
        except AttributeError:
            there = ", ".join(child for child, _ in model.named_children())
            raise ValueError(f"the model has no module {name!r}; it has {there or 'no modules'}") from None
        self._name = name
        self._modules = [m for m in model.modules() if not isinstance(m, ScriptModule)]
        self._before: dict[nn.Module, Any] = {}
        self._output: Any = None
        self._instead: Any = None
        self._calls = 0
        self._recording = False
        self._finished: list[tuple[nn.Module, Any]] = []
        self._kept: dict[nn.Module, list[Any]] = {}
        self._given: Counter[nn.Module] = Counter()

    def __enter__(self) -> Self:
        for module in self._modules:
            self._before[module] = vars(module).get("forward")
            vars(module)["forward"] = partial(self._forward, module, module.forward)
        return self

    def __exit__(self, *_: object) -> None:
        for module, before in self._before.items():
            if before is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = before

    @property
    def output(self) -> Any:
        """What the module put out in ``record``."""
        return self._output

    @property
    def module(self) -> nn.Module:
        return self._module

    def record(self, run: Callable[[], Any]) -> Any:
        """What ``run()`` gives, which calls the model."""
        self._recording = True
        self._calls = 0
        self._finished, self._kept = [], {}
        result = run()
        self._recording = False
        self._called_once()
        for module, output in self._finished:
            self._kept.setdefault(module, []).append(output)
        return result

    def _called_once(self) -> None:
        if self._calls != 1:
            raise ValueError(f"the module {self._name!r} is called {self._calls} times a pass, not once")

    def again(self, run: Callable[[], Any], output: Any) -> Any:
        """What ``run()`` gives where the module puts out ``output``."""
        self._instead = output
        self._given.clear()
        return run()

    def _forward(self, module: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._recording:
            return self._recorded(module, forward, *args, **kwargs)
        if module is self._module:
            return deepcopy(self._instead)
        known, given = self._kept.get(module, []), self._given[module]
        if given < len(known):
            self._given[module] += 1
            return deepcopy(known[given])
        return forward(*args, **kwargs)

    def _recorded(self, module: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Of modules inside others the outermost is kept that does not hold the module itself: the inner ones are not called
        again.
        """
        begin = len(self._finished)
        output = forward(*args, **kwargs)
        if module is self._module:
            self._calls += 1
            self._output = deepcopy(output)
            del self._finished[begin:]
        elif not self._calls:
            self._finished[begin:] = [(module, deepcopy(output))]
        return output
