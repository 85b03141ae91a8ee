"""Series whose order is known: chains and layers, and series without a direction.

Every case gives values (time, nodes), nodes in random order, and the place of each node in the order that was planted (0 for all,
where there is none).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NODES = 16
WARM = 200
"""Steps that are left out at the start."""

Planted = tuple[np.ndarray, np.ndarray]
Matrix = np.ndarray


@dataclass(frozen=True)
class Case:
    """``kind`` is ordered, reversible (nothing has a direction) or driven (a direction without any edge between nodes)."""

    name: str
    kind: str
    make: Callable[[int, np.random.Generator], Planted]


def run(
    weights: Matrix, time: int, rng: np.random.Generator, *, squash: bool = False, noise: float = 1.0, shared: float = 0.0
) -> np.ndarray:
    """x(t + 1) = f(A x(t)) + noise (time, nodes), f the identity or tanh, with one more noise that is ``shared`` by all nodes."""
    largest = np.abs(np.linalg.eigvals(weights)).max()
    weights = weights if largest < 0.97 else weights * 0.97 / largest
    x = np.zeros(len(weights))
    own = noise * rng.standard_normal((time + WARM, len(x))) + shared * rng.standard_normal((time + WARM, 1))
    rows = np.empty((time + WARM, len(x)))
    for t, kick in enumerate(own):
        x = weights @ x
        x = (np.tanh(x) if squash else x) + kick
        rows[t] = x
    return rows[WARM:]


def permuted(values: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> Planted:
    order = rng.permutation(len(place))
    return values[:, order], place[order]


def chain(time: int, rng: np.random.Generator, *, unequal: bool = False, squash: bool = False, shared: float = 0.0) -> Planted:
    """Each node passes to the next; ``unequal`` ones remember between nothing and 0.9 of themselves."""
    weights = np.diag(rng.uniform(0, 0.9, NODES) if unequal else np.full(NODES, 0.4))
    weights += np.diag(np.full(NODES - 1, 0.5 if unequal else 0.55), -1)
    if squash:
        weights[np.arange(1, NODES), np.arange(NODES - 1)] = 1.2
    values = run(weights, time, rng, squash=squash, noise=0.5 if squash else 1.0, shared=shared)
    return permuted(values, np.arange(NODES), rng)


def layers(time: int, rng: np.random.Generator, *, random: bool = False, feedback: float = 0.0) -> Planted:
    """Four layers of four tanh nodes, each fed by the one before; weights between 0.25 and 0.75, or random of any sign.

    The random ones have weights within layers too, and ``feedback`` ones back to the layer before.
    """
    place = np.arange(NODES) // 4
    rise = place[:, None] - place[None]
    if random:
        back = feedback > 0
        scales = (0.7 if back else 0.9) * (rise == 1) + 0.3 * (rise == 0) + feedback * (rise == -1)
        weights = scales * rng.standard_normal((NODES, NODES))
    else:
        weights = (rise == 1) * rng.uniform(0.25, 0.75, (NODES, NODES))
    return permuted(run(weights, time, rng, squash=True, noise=0.5), place, rng)


def symmetric(time: int, rng: np.random.Generator) -> Planted:
    """Symmetric weights and equal noise: each step has the probability of its reverse."""
    weights = rng.standard_normal((NODES, NODES))
    weights = weights + weights.T
    return run(0.8 * weights / np.abs(np.linalg.eigvalsh(weights)).max(), time, rng), np.zeros(NODES)


def alone(time: int, rng: np.random.Generator) -> Planted:
    """Independent nodes with unequal memory."""
    return run(np.diag(rng.uniform(0, 0.95, NODES)), time, rng), np.zeros(NODES)


def driven(time: int, rng: np.random.Generator, *, unequal: bool = False) -> Planted:
    """No edges: one input reaches all nodes at once. With ``unequal`` memory the slower ones seem to follow."""
    memory = rng.uniform(0, 0.9, NODES) if unequal else np.full(NODES, 0.5)
    values = run(np.diag(memory), time, rng, shared=1.0)
    return permuted(values, np.argsort(np.argsort(memory)) if unequal else np.zeros(NODES), rng)


def delayed(time: int, rng: np.random.Generator) -> Planted:
    """No edges: one input reaches the nodes one step after another."""
    source = rng.standard_normal(time + NODES)
    values = np.stack([source[NODES - i : NODES - i + time] for i in range(NODES)], 1)
    return permuted(values + rng.standard_normal(values.shape), np.arange(NODES), rng)


CASES = (
    Case("chain", "ordered", chain),
    Case("chain, unequal memory", "ordered", lambda time, rng: chain(time, rng, unequal=True)),
    Case("tanh chain", "ordered", lambda time, rng: chain(time, rng, squash=True)),
    Case("chain, common input", "ordered", lambda time, rng: chain(time, rng, shared=1.0)),
    Case("layers", "ordered", layers),
    Case("layers, random weights", "ordered", lambda time, rng: layers(time, rng, random=True)),
    Case("layers, random weights, feedback", "ordered", lambda time, rng: layers(time, rng, random=True, feedback=0.3)),
    Case("symmetric weights", "reversible", symmetric),
    Case("independent, unequal memory", "reversible", alone),
    Case("common input, equal memory", "reversible", driven),
    Case("common input, unequal memory", "driven", lambda time, rng: driven(time, rng, unequal=True)),
    Case("common input, one after another", "driven", delayed),
)
