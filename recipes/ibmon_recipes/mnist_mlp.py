"""The fully connected network on MNIST of Saxe et al., "On the information bottleneck theory of deep learning" (2018)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

import ibmon
import ibmon.data

WIDTHS = (784, 1024, 20, 20, 20, 10)


def flat(images: Tensor) -> Tensor:
    """Images ``(n, 28, 28)`` of bytes as rows ``(n, 784)`` from −1 to 1."""
    return images.reshape(len(images), -1).float() / 127.5 - 1.0


def network(activation: str, generator: torch.Generator) -> nn.Sequential:
    """784-1024-20-20-20-10 with softmax; weights uniform as of Glorot and Bengio, biases zero. Layer k is module ``k``."""
    nonlinearity = {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]
    model = nn.Sequential()
    for number, (fan_in, fan_out) in enumerate(pairwise(WIDTHS), start=1):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.xavier_uniform_(linear.weight, generator=generator)
        nn.init.zeros_(linear.bias)
        last = number == len(WIDTHS) - 1
        model.add_module(str(number), nn.Sequential(linear, nn.Softmax(dim=1) if last else nonlinearity()))
    return model


def train(
    monitor: ibmon.Monitor,
    *,
    epochs: int = 20,
    batch: int = 128,
    lr: float = 1e-3,
    activation: Literal["tanh", "relu"] = "tanh",
    optimizer: Literal["sgd", "adam"] = "sgd",
    train_samples: int = 60_000,
    eval_samples: int = 1000,
    seed: int = 0,
) -> None:
    """The network of Saxe et al. on MNIST: layers 784-1024-20-20-20-10, inputs from −1 to 1.

    T is taken over the first test images, so H(X) is the logarithm of their number; the papers take all 10 000.

    Args:
        epochs: passes over the training set; the papers show 20 and 10 000
        batch: samples in a minibatch
        lr: learning rate
        activation: nonlinearity of the hidden layers
        optimizer: plain sgd as in the papers, or adam
        train_samples: how many of the 60 000 training images are used
        eval_samples: how many of the 10 000 test images the planes are measured on
        seed: of the weights and the order of the minibatches
    """
    device = monitor.device
    generator = torch.Generator().manual_seed(seed)
    images = ibmon.data.mnist()
    x_train, y_train, x_test, y_test = (
        torch.from_numpy(part).to(device) for part in (images.train_x, images.train_y, images.test_x, images.test_y)
    )
    x_train, y_train = flat(x_train[:train_samples]), y_train[:train_samples].long()
    x_test, y_test = flat(x_test), y_test.long()
    model = network(activation, generator).to(device)
    body, head = model[:-1], model.get_submodule(f"{len(model)}.0")
    descent = (
        torch.optim.SGD(model.parameters(), lr=lr, fused=True)
        if optimizer == "sgd"
        else torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    )
    monitor.watch(
        model,
        optimizer=descent,
        evaluation={"test": ibmon.EvaluationSet(x_test[:eval_samples], {"digit": y_test[:eval_samples]})},
        layers=[name for name, _ in model.named_children()],
        estimators=("kde:variance=0.1", "binning:width=0.5"),
        batch_size=batch,
    )
    for _ in monitor.epochs(epochs, steps_per_epoch=-(-len(x_train) // batch)):
        seen = torch.zeros(2, device=device)
        for rows in torch.randperm(len(x_train), generator=generator).to(device).split(batch):
            logits = head(body(x_train[rows]))
            loss = nn.functional.cross_entropy(logits, y_train[rows])
            loss.backward()
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
            with torch.no_grad():
                seen += torch.stack([loss * len(rows), (logits.argmax(1) == y_train[rows]).sum()])
        monitor.log("train", loss=seen[0] / len(x_train), accuracy=seen[1] / len(x_train))
        with torch.no_grad():
            logits = head(body(x_test))
            accuracy = (logits.argmax(1) == y_test).float().mean()
            monitor.log("test", loss=nn.functional.cross_entropy(logits, y_test), accuracy=accuracy)
