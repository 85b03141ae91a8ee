"""What can be added to the loss of a language model, and where that makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from torch import Tensor

import ibmon
from ibmon import penalties
from ibmon_recipes.language_models import LanguageModel, Read
from ibmon_recipes.lm_sizes import Model

Kind = Literal["none", "anp", "gp-kl", "vib", "bayes", "confidence"]
Norm = Literal["l1", "l2", "linf"]
Convention = Literal["sum", "n_over_k", "one_over_k"]
CONFIDENCE = 0.1
"""β of a confidence penalty unless an option says otherwise."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """``weight`` times this is added to the mean negative log likelihood of a minibatch.

    ``place`` are the states that ``anp`` and ``gp-kl`` are of; ``noise`` is the ε of ``gp-kl``.
    """

    kind: Kind
    weight: float
    place: str
    norm: Norm
    noise: float

    def __call__(self, model: LanguageModel, read: Read, logits: Tensor) -> Tensor:
        """The penalty, without its weight, in nats a word."""
        match self.kind:
            case "anp":
                return penalties.activation_norm(model.at(self.place, read), norm=self.norm)
            case "gp-kl":
                return penalties.gp_kl(model.at(self.place, read), noise=self.noise)
            case "vib" if read.gaussian is not None:
                return penalties.vib_kl(read.gaussian.mean, read.gaussian.log_variance)
            case "bayes" if read.gaussian is not None:
                return penalties.bayesian_information(read.gaussian.mean, read.gaussian.log_variance)
            case "confidence":
                return penalties.confidence(logits)
            case _:
                return logits.new_zeros(())


def refuse(kind: Kind, model: Model, *, norm: Norm, convention: Convention, place: str | None, noise: float) -> None:
    """Raises IbmonError, in a sentence, for what makes no sense together."""
    if kind == "bayes" and model != "bayes-lstm":
        raise ibmon.IbmonError(f"The penalty bayes is of random states, and those of {model} are not: say --model bayes-lstm.")
    if model == "bayes-lstm" and kind in ("anp", "gp-kl", "vib"):
        raise ibmon.IbmonError("The states of bayes-lstm are random already, and its penalty is none, bayes or confidence.")
    if kind not in ("none", "anp") and (norm != "l2" or convention != "sum"):
        raise ibmon.IbmonError(f"norm and eta-convention are of anp, and the penalty is {kind}.")
    if kind in ("vib", "bayes", "confidence") and place is not None:
        raise ibmon.IbmonError(f"place is of anp and gp-kl, and {kind} has its own.")
    if not 0 < noise < inf:
        raise ibmon.IbmonError("gp-noise is a variance above 0: a minibatch has more words than a layer has units.")


def usual(kind: Kind, eta: float, units: int) -> float:
    """The strength unless an option says otherwise, where ``eta`` is that of ``anp`` and a layer has ``units``.

    Those of the others are such that their parts in ‖φ‖² weigh as much: 1/(2K) of the one and 1/2 of the others.
    """
    return {"none": 0.0, "anp": eta, "gp-kl": 2 * units * eta, "vib": 2 * eta, "bayes": 2 * eta, "confidence": CONFIDENCE}[kind]
