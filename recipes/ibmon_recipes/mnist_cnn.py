"""The convolutional network on MNIST of "Information bottleneck theory: extensions to convolutional neural networks and the
stochastic gradient hypothesis" (2019), Listing 1.

It is an example of Keras: weights uniform as of Glorot and Bengio, biases zero, Adadelta with a learning rate of 1.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

import ibmon
import ibmon.data

RATES = {"adadelta": 1.0, "adam": 1e-3, "sgd": 0.1}
"""Learning rates where none is asked for; the first is the paper's."""
CHUNK = 128
"""Images of a forward pass outside the training: what larger ones put out leaves the caches (measured: up to twice as slow)."""


def pictures(images: Tensor) -> Tensor:
    """Images ``(n, 28, 28)`` of bytes as ``(n, 1, 28, 28)`` from 0 to 1."""
    return images[:, None].float() / 255.0


def network(activation: str, generator: torch.Generator, *, dropout: bool = False) -> nn.Sequential:
    """Listing 1, its layers counted as in the paper: modules ``0`` to ``5`` are conv, conv, pool, flatten, dense, softmax.

    Weights uniform as of Glorot and Bengio, biases zero. ``dropout`` is that of Keras' example, 1/4 after the pooling and 1/2
    after the hidden dense layer; each stands at the head of the layer that follows, so that ``2`` and ``4`` are the layers
    themselves.
    """
    nonlinearity = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
    layers: list[list[nn.Module]] = [
        [nn.Conv2d(1, 32, 3), nonlinearity()],
        [nn.Conv2d(32, 64, 3), nonlinearity()],
        [nn.MaxPool2d(2)],
        [*([nn.Dropout(0.25)] if dropout else []), nn.Flatten()],
        [nn.Linear(9216, 128), nonlinearity()],
        [*([nn.Dropout(0.5)] if dropout else []), nn.Linear(128, 10), nn.Softmax(dim=1)],
    ]
    model = nn.Sequential(OrderedDict((str(k), nn.Sequential(*parts)) for k, parts in enumerate(layers)))
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return model


def descent_of(model: nn.Module, optimizer: str, lr: float | None) -> torch.optim.Optimizer:
    """The optimizer by its name, with its own learning rate where none is given; Adadelta's constants are those of Keras."""
    lr = RATES[optimizer] if lr is None else lr
    if optimizer == "adadelta":
        return torch.optim.Adadelta(model.parameters(), lr=lr, rho=0.95, eps=1e-7)
    if optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    return torch.optim.SGD(model.parameters(), lr=lr, fused=True)


def train(
    monitor: ibmon.Monitor,
    *,
    epochs: int = 12,
    batch: int = 128,
    lr: float | None = None,
    dropout: bool = False,
    optimizer: Literal["adadelta", "adam", "sgd"] = "adadelta",
    activation: Literal["relu", "tanh"] = "relu",
    train_samples: int = 60_000,
    eval_samples: int = 1000,
    seed: int = 0,
) -> None:
    """A convolutional network on MNIST: two convolutions, pooling, a dense layer of 128 and softmax, inputs from 0 to 1.

    T is taken over the first test images, so H(X) is the logarithm of their number. A snapshot takes 0.3 MB an image.

    Args:
        epochs: passes over the training set; the paper takes 12
        batch: samples in a minibatch
        lr: learning rate; unless given 1 for adadelta, 0.001 for adam and 0.1 for sgd
        dropout: 1/4 after the pooling and 1/2 after the dense layer, in the training alone
        optimizer: adadelta as in the paper, adam or plain sgd
        activation: nonlinearity of the convolutions and of the dense layer
        train_samples: how many of the 60 000 training images are used
        eval_samples: how many of the 10 000 test images the planes are measured on
        seed: of the weights, the order of the minibatches and the dropout
    """
    device = monitor.device
    torch.manual_seed(seed)  # what nn.Dropout draws from
    generator = torch.Generator().manual_seed(seed)
    images = ibmon.data.mnist()
    x_train, y_train, x_test, y_test = (
        torch.from_numpy(part).to(device) for part in (images.train_x, images.train_y, images.test_x, images.test_y)
    )
    x_train, y_train = pictures(x_train[:train_samples]), y_train[:train_samples].long()
    x_test, y_test = pictures(x_test), y_test.long()
    # On a CPU convolutions are faster with the channels innermost.
    layout = torch.channels_last if device.type == "cpu" else torch.contiguous_format
    model = network(activation, generator, dropout=dropout).to(device, memory_format=layout)  # pyright: ignore[reportCallIssue]
    logits_of = nn.Sequential(*[part for layer in model for part in layer.children()][:-1])  # all but the softmax
    descent = descent_of(model, optimizer, lr)
    monitor.watch(
        model,
        optimizer=descent,
        evaluation={"test": ibmon.EvaluationSet(x_test[:eval_samples], {"digit": y_test[:eval_samples]})},
        layers=[name for name, _ in model.named_children()],
        estimators=("kde:variance=0.0735",),
        analyses=("information-plane:channels=mean", "activations"),
        batch_size=batch,
    )
    left = len(x_train) % batch
    for _ in monitor.epochs(epochs, steps_per_epoch=-(-len(x_train) // batch), short_last=0 < left < len(x_train)):
        seen = torch.zeros(2, device=device)
        for rows in torch.randperm(len(x_train), generator=generator).to(device).split(batch):
            logits = logits_of(x_train[rows])
            loss = nn.functional.cross_entropy(logits, y_train[rows])
            loss.backward()
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
            with torch.no_grad():
                seen += torch.stack([loss * len(rows), (logits.argmax(1) == y_train[rows]).sum()])
        monitor.log("train", loss=seen[0] / len(x_train), accuracy=seen[1] / len(x_train))
        loss, accuracy = tested(logits_of, x_test, y_test)
        monitor.log("test", loss=loss, accuracy=accuracy)


@torch.no_grad()
def tested(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy in nats and accuracy of logits ``(n, classes)``, without dropout, in chunks."""
    model.eval()
    logits = torch.cat([model(part) for part in x.split(CHUNK)])
    model.train()
    return nn.functional.cross_entropy(logits, y), (logits.argmax(1) == y).float().mean()
