"""Penalties on the prediction itself."""

from __future__ import annotations

from torch import Tensor

from .tokens import tokens


def confidence(logits: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """The mean over tokens of −H(p) = Σ p ln p, in nats, of the predictions p = softmax(``logits``) (..., classes).

    ``mask`` (...) is True where there is data. Least, −ln(classes), where nothing is preferred, and 0 where all is certain. The
    loss is ``nll.mean() + beta * confidence(logits)``. A logit of −∞ is a class that cannot be, and counts nothing.

    Pereyra et al. 2017, "Regularizing neural networks by penalizing confident output distributions" (arXiv:1701.06548): the loss
    −Σ ln p(y|x) − β H(p(y|x)). Raises ValueError for logits without classes, a mask that does not fit, and without any data.
    """
    log_p = tokens(logits, mask, "logits").log_softmax(-1)
    p = log_p.exp()
    # p ln p → 0 as p → 0, where its factors are 0 and −∞ and their gradients NaN.
    return (p * log_p.masked_fill(p == 0, 0)).sum(-1).mean()
