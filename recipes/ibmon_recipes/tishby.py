"""The 12-bit task of Shwartz-Ziv & Tishby, "Opening the black box of deep neural networks via information" (2017)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

import ibmon

WIDTHS = (12, 10, 7, 5, 4, 3, 2)

# The twelve inputs are the vertices of an icosahedron; what matters is how many active ones there are, how many of them are
# opposite to one another, and how many pairs of them are of this class (every vertex is in five of its pairs).
ANTIPODES = ((0, 9), (1, 7), (2, 5), (3, 6), (4, 10), (8, 11))
CLASS = (
    *((0, 2), (0, 4), (0, 6), (0, 7), (0, 8), (1, 5), (1, 6), (1, 8), (1, 9), (1, 10)),
    *((2, 6), (2, 7), (2, 10), (2, 11), (3, 4), (3, 5), (3, 7), (3, 9), (3, 11), (4, 5)),
    *((4, 7), (4, 8), (5, 8), (5, 9), (6, 8), (6, 10), (7, 11), (9, 10), (9, 11), (10, 11)),
)


def patterns() -> Tensor:
    """All 4096 inputs ``(4096, 12)``; row i holds the bits of i, the highest first."""
    rows = torch.arange(4096)
    return ((rows[:, None] >> torch.arange(11, -1, -1)) & 1).float()


def labels() -> Tensor:
    """The standard labels ``(4096,)``: deterministic and invariant under the symmetry; 2118 are one, H(Y) = 0.99916 bit."""
    active = patterns().long()
    n = active.sum(1)
    p = sum((active[:, i] * active[:, j] for i, j in ANTIPODES), torch.zeros(4096, dtype=torch.long))
    a = sum((active[:, i] * active[:, j] for i, j in CLASS), torch.zeros(4096, dtype=torch.long))
    y = n >= 7
    y |= (n == 5) & (a == 3) & (p == 0)
    y |= (n == 6) & ((a <= 5) | ((a == 6) & (p <= 2)) | ((a == 7) & (p == 1)) | ((a == 9) & (p == 0)))
    y &= ~((n == 7) & (a == 11))
    return y.long()


def network(activation: str, generator: torch.Generator) -> nn.Sequential:
    """12-10-7-5-4-3-2 with softmax; weights truncated normal with std 1/√fan_in, biases zero. Layer k is module ``k``."""
    nonlinearity = {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]
    model = nn.Sequential()
    for number, (fan_in, fan_out) in enumerate(pairwise(WIDTHS), start=1):
        linear = nn.Linear(fan_in, fan_out)
        std = fan_in**-0.5
        nn.init.trunc_normal_(linear.weight, std=std, a=-2 * std, b=2 * std, generator=generator)
        nn.init.zeros_(linear.bias)
        last = number == len(WIDTHS) - 1
        model.add_module(str(number), nn.Sequential(linear, nn.Softmax(dim=1) if last else nonlinearity()))
    return model


def train(
    monitor: ibmon.Monitor,
    *,
    epochs: int = 8000,
    batch: int = 512,
    lr: float = 4e-4,
    activation: Literal["tanh", "relu"] = "tanh",
    optimizer: Literal["adam", "sgd"] = "adam",
    train_fraction: float = 0.8,
    seed: int = 0,
) -> None:
    """Shwartz-Ziv & Tishby's network on their 12-bit task: the information plane that started the debate.

    T is taken over all 4096 patterns, so H(X) = 12 bits.

    Args:
        epochs: passes over the training set
        batch: samples in a minibatch
        lr: learning rate
        activation: nonlinearity of the hidden layers
        optimizer: adam as in the paper's code, or plain sgd
        train_fraction: share of the 4096 patterns that is trained on
        seed: of the split, the weights and the order of the minibatches
    """
    device = monitor.device
    if device.type == "cpu":
        torch.set_num_threads(1)  # the matrices are tiny: a second thread only waits
    generator = torch.Generator().manual_seed(seed)
    x, y = patterns(), labels()
    order = torch.randperm(len(x), generator=generator)
    split = round(train_fraction * len(x))
    model = network(activation, generator).to(device)
    body, head = model[:-1], model.get_submodule(f"{len(model)}.0")
    x, y, order = x.to(device), y.to(device), order.to(device)
    x_train, y_train, x_test, y_test = x[order[:split]], y[order[:split]], x[order[split:]], y[order[split:]]
    descent = (
        torch.optim.Adam(model.parameters(), lr=lr, fused=True)
        if optimizer == "adam"
        else torch.optim.SGD(model.parameters(), lr=lr, fused=True)
    )
    monitor.watch(
        model,
        optimizer=descent,
        evaluation={"all": ibmon.EvaluationSet(x, {"y": y})},
        layers=[name for name, _ in model.named_children()],
        estimators=("binning:width=0.07", "kde:variance=0.001"),
        batch_size=batch,
    )
    often = max(1, epochs // 200)
    for epoch in monitor.epochs(epochs, steps_per_epoch=-(-split // batch)):
        for rows in torch.randperm(split, generator=generator).to(device).split(batch):
            loss = nn.functional.cross_entropy(head(body(x_train[rows])), y_train[rows])
            loss.backward()
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
        if epoch % often == 0 or epoch == epochs - 1:
            with torch.no_grad():
                for name, inputs, targets in (("train", x_train, y_train), ("test", x_test, y_test)):
                    logits = head(body(inputs))
                    accuracy = (logits.argmax(1) == targets).float().mean()
                    monitor.log(name, loss=nn.functional.cross_entropy(logits, targets), accuracy=accuracy)
