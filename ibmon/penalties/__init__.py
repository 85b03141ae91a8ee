"""Penalties on what a layer says, or on how sure a prediction is, to add to the loss of any training.

Every function takes tensors and gives a differentiable scalar, the mean over tokens, so that its weight stands beside a mean
negative log likelihood and means the same for batches of every size. Losses, and so penalties, are in nats. ``docs/penalties.md``
has the equations side by side. The names are resolved when they are first used.
"""

from typing import TYPE_CHECKING

from ibmon import lazily

if TYPE_CHECKING:
    from .gaussians import gp_kl, vib_kl
    from .norms import Convention, Norm, activation_norm, eta
    from .predictions import confidence
    from .recurrent import BayesianStates, bayesian_information, bayesian_lstm

_HOME = {
    "BayesianStates": "recurrent",
    "Convention": "norms",
    "Norm": "norms",
    "activation_norm": "norms",
    "bayesian_information": "recurrent",
    "bayesian_lstm": "recurrent",
    "confidence": "predictions",
    "eta": "norms",
    "gp_kl": "gaussians",
    "vib_kl": "gaussians",
}

__all__ = [
    "BayesianStates",
    "Convention",
    "Norm",
    "activation_norm",
    "bayesian_information",
    "bayesian_lstm",
    "confidence",
    "eta",
    "gp_kl",
    "vib_kl",
]

__getattr__ = lazily.names(__name__, _HOME)
