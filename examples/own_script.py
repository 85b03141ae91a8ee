"""Your own training, monitored: two evaluation sets, named layers, a probe. Run it as ever, or with ``ibmon watch``.

python examples/own_script.py
ibmon watch examples/own_script.py -- --epochs 200
"""

import argparse

import torch
from torch import nn

import ibmon


def spirals(n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Two arms of a spiral ``(n, 2)`` and which one a point is on ``(n,)``."""
    y = torch.arange(n) % 2
    radius = torch.rand(n, generator=generator) * 3 + 0.3
    angle = 2.5 * radius + torch.pi * y
    x = torch.stack([radius * angle.cos(), radius * angle.sin()], 1)
    return x + 0.05 * torch.randn(n, 2, generator=generator), y


def saliency(model: nn.Module, data: ibmon.EvaluationSet, *, rng: torch.Generator) -> torch.Tensor:
    """How much each input moves the loss: a probe may use gradients, its model is a copy."""
    x = data.inputs.clone().requires_grad_()
    nn.functional.cross_entropy(model(x), data.targets["arm"]).backward()
    return x.grad.abs()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=100)
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    (x, y), (x_test, y_test) = spirals(2000, generator), spirals(1000, generator)
    model = nn.Sequential(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    sets = {"train": ibmon.EvaluationSet(x, {"arm": y}), "test": ibmon.EvaluationSet(x_test, {"arm": y_test})}
    with ibmon.Monitor(
        model, optimizer=optimizer, evaluation=sets, layers={"first": "1", "second": "3"}, probes={"saliency": saliency}
    ) as monitor:
        for _ in monitor.epochs(arguments.epochs):
            if monitor.should_stop:
                break
            for rows in torch.randperm(len(x), generator=generator).split(100):
                loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
                loss.backward()
                monitor.step(loss)
                optimizer.step()
                optimizer.zero_grad()
            with torch.no_grad():
                monitor.log("test", accuracy=(model(x_test).argmax(1) == y_test).float().mean())


if __name__ == "__main__":
    main()
