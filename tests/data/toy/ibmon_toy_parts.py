from dataclasses import dataclass

import torch

from ibmon import Estimate, Measurement


@dataclass(frozen=True)
class Toy:
    bits: float = 1.0

    def __call__(self, x, ys, *, rng):
        return tuple(Estimate(torch.full(x.values.shape[:-2], self.bits, dtype=torch.float64)) for _ in ys)


@dataclass(frozen=True)
class Spread:
    def measure(self, snapshot, estimators):
        for name, layer in snapshot.layers.items():
            yield Measurement(quantity="spread", unit="", value=float(layer.values.std()), subject={"layer": name})


@dataclass(frozen=True)
class Explodes:
    def measure(self, snapshot, estimators):
        raise RuntimeError("boom")
