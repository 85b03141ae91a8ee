"""What plain SGD does when an epoch of a language model has ended: slow down, go back to the best weights, stop."""

from __future__ import annotations

from copy import deepcopy
from math import inf

import torch
from torch import nn

DECAY, MOST_DECAYS = 0.7, 15
"""Of the learning rate, each time that the validation part is said worse than at best, in the paper's LSTMs."""
FADING, FADES_FROM, PATIENCE = 0.98, 175, 30
"""Of the learning rate after every epoch from this one on, and epochs without a better one: with these the authors of the SRU
trained theirs."""


class Annealing:
    """Learning rate times ``DECAY`` and back to the best weights whenever the validation perplexity is not below its best.

    Over after ``MOST_DECAYS`` and one more such epoch. ``best_epoch`` counts from 1; 0 is the untrained network.
    """

    def __init__(self, model: nn.Module, descent: torch.optim.Optimizer) -> None:
        self.model, self.descent = model, descent
        self.best, self.best_epoch, self.weights = inf, 0, deepcopy(model.state_dict())
        self.decays = 0
        self.over = False

    def went_back(self, epoch: int, perplexity: float) -> bool:
        """Whether, after the epoch of this number, which ended with this perplexity, the best weights were put back."""
        if self._better(epoch, perplexity):
            return False
        self._slower(DECAY)
        self.decays += 1
        self.over = self.decays > MOST_DECAYS
        self.model.load_state_dict(self.weights)
        return True

    def _better(self, epoch: int, perplexity: float) -> bool:
        if not perplexity < self.best:
            return False
        self.best, self.best_epoch, self.weights = perplexity, epoch, deepcopy(self.model.state_dict())
        return True

    def _slower(self, factor: float) -> None:
        for group in self.descent.param_groups:
            group["lr"] *= factor


class Fading(Annealing):
    """Learning rate times ``FADING`` after every epoch from ``FADES_FROM`` on; back to the best weights at the end alone.

    Over after ``PATIENCE`` epochs without a better one, or after ``epochs``.
    """

    def __init__(self, model: nn.Module, descent: torch.optim.Optimizer, epochs: int) -> None:
        super().__init__(model, descent)
        self.epochs = epochs

    def went_back(self, epoch: int, perplexity: float) -> bool:
        better = self._better(epoch, perplexity)
        if epoch >= FADES_FROM:
            self._slower(FADING)
        self.over = epoch >= self.epochs or epoch - self.best_epoch >= PATIENCE
        if better or not self.over:
            return False
        self.model.load_state_dict(self.weights)
        return True
