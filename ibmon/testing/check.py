"""A check, and the gates that say whether it fits what an estimator declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ibmon.specs import EstimatorSpec

from .subject import Subject

Gate = Callable[[EstimatorSpec], str]
"""Says why a check does not apply, or nothing where it does."""

_NEEDS = {"gaussian": "continuous", "continuous": "continuous", "classes": "labels", "discrete": "labels"}
_FROM = {"gaussian": "continuous", "continuous": "continuous", "classes": "continuous", "discrete": "labels"}


@dataclass(frozen=True, slots=True)
class Check:
    """A function that raises AssertionError where an estimator does not keep its word.

    Its name is the function's, with hyphens; ``summary``, the first paragraph of the docstring, says what is demanded.
    It applies where every one of the gates in ``needs`` is silent.
    """

    function: Callable[[Subject], None]
    needs: tuple[Gate, ...] = ()

    @property
    def name(self) -> str:
        return self.function.__name__.replace("_", "-")

    @property
    def summary(self) -> str:
        return " ".join((self.function.__doc__ or "").partition("\n\n")[0].split())

    def inapplicable(self, spec: EstimatorSpec) -> str:
        """Why the check does not apply to an estimator of this declaration; empty where it does."""
        return next((reason for gate in self.needs if (reason := gate(spec))), "")


def continuous_x(spec: EstimatorSpec) -> str:
    return "" if "continuous" in spec.x_kinds else "takes no continuous x"


def takes(*kinds: str) -> Gate:
    """Takes one of the ``kinds`` as y."""
    return lambda spec: "" if set(kinds) & set(spec.kinds) else f"takes no {' or '.join(kinds)} as y"


def invariant(name: str) -> Gate:
    return lambda spec: "" if name in spec.invariances else f"declares no invariance under {name}"


def operates(name: str) -> Gate:
    return lambda spec: "" if name in spec.operations else f"declares no operation {name}"


def converges_for(*distributions: str) -> Gate:
    """Is declared consistent for one of the ``distributions``, in bits."""

    def gate(spec: EstimatorSpec) -> str:
        if not set(distributions) & set(spec.consistent):
            return f"is not declared consistent for {' or '.join(distributions)}"
        return "" if spec.unit == "bits" else f"gives {spec.unit}, and the truth is known in bits"

    return gate


def reachable(spec: EstimatorSpec, distribution: str) -> bool:
    """Whether the declared kinds allow the distribution that an estimator is declared consistent for."""
    return _FROM[distribution] in spec.x_kinds and _NEEDS[distribution] in spec.kinds
