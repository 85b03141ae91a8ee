"""The fully connected network on MNIST of Saxe et al., "On the information bottleneck theory of deep learning" (2018)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

import ibmon
import ibmon.data
from ibmon_recipes import networks

WIDTHS = (784, 1024, 20, 20, 20, 10)
VARIANCE = 0.1
"""Of the noise of the kernel bounds."""
CHUNK = 8192
"""Images whose graph is in memory at once."""


def flat(images: Tensor) -> Tensor:
    """Images ``(n, 28, 28)`` of bytes as rows ``(n, 784)`` from −1 to 1."""
    return images.reshape(len(images), -1).float() / 127.5 - 1.0


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
    full_batch: bool = False,
    random_labels: bool = False,
    rescale: float = 1.0,
    noise: float = 0.0,
    protocol: Literal["epoch", "frozen"] = "epoch",
    dynamics: bool = False,
    seed: int = 0,
) -> None:
    """The network of Saxe et al. on MNIST: layers 784-1024-20-20-20-10, inputs from −1 to 1.

    T is taken over the first test images, so H(X) is the logarithm of their number; the papers take all 10 000.

    The controls of the debate. ``full_batch`` trains without gradient noise. ``random_labels`` permutes the labels of the
    training images, in the same way for every seed; T is then also taken over the first training images, where Y in I(T;Y) are
    the permuted labels, which are trained on, while on the test images Y stays the digit. ``rescale`` c: T → cT, W → W/c, which
    changes neither the function nor the training. ``noise`` s adds Z ~ N(0, s²) to the output of every hidden layer, in training
    and evaluation, drawn anew in every pass; T is taken before its own noise and measured by estimators of I(X; T + Z) with the
    variance s², exact for layer 1, and given one draw of the noise before it for a deeper layer.

    Gradients: ``epoch`` those of the training in the epoch before a snapshot; ``frozen`` also 32 minibatches at fixed weights.

    Args:
        epochs: passes over the training set; the papers show 20 and 10 000
        batch: samples in a minibatch
        lr: learning rate
        activation: nonlinearity of the hidden layers
        optimizer: plain sgd as in the papers, or adam
        train_samples: how many of the 60 000 training images are used
        eval_samples: how many images of a set the planes are measured on
        full_batch: one update an epoch, on the whole training set
        random_labels: train on permuted labels and measure those
        rescale: factor of the hidden layers' outputs, undone by the next layer
        noise: standard deviation of the noise on the hidden layers' outputs
        protocol: which minibatch gradients the signal and the noise are of
        dynamics: measure what the update after a snapshot does to the loss and the layers
        seed: of the weights and the order of the minibatches
    """
    device = monitor.device
    generator = torch.Generator().manual_seed(seed)
    controls = networks.Controls(rescale, noise)
    images = ibmon.data.mnist()
    x_train, y_train, x_test, y_test = (
        torch.from_numpy(part).to(device) for part in (images.train_x, images.train_y, images.test_x, images.test_y)
    )
    x_train, y_train = flat(x_train[:train_samples]), y_train[:train_samples].long()
    x_test, y_test = flat(x_test), y_test.long()
    evaluation = {"test": ibmon.EvaluationSet(x_test[:eval_samples], {"digit": y_test[:eval_samples]})}
    if random_labels:
        y_train = networks.shuffled(y_train)
        trained = ibmon.EvaluationSet(x_train[:eval_samples], {"shuffled": y_train[:eval_samples]})
        evaluation = {"train": trained, **evaluation}
    model = networks.fully_connected(
        WIDTHS,
        activation,
        networks.glorot_uniform,
        generator,
        controls=controls,
        noise=networks.stream("noise", seed, device),
    ).to(device)
    descent = networks.descent_of(model.parameters(), optimizer, lr)
    samples = len(x_train)
    monitor.watch(
        model,
        optimizer=descent,
        evaluation=evaluation,
        layers=networks.layers(model),
        estimators=controls.estimators(f"kde:variance={VARIANCE:g}", "binning:width=0.5"),
        batch_size=samples if full_batch and protocol == "epoch" else batch,
        **networks.beside(
            model,
            x_train,
            y_train,
            protocol=protocol,
            dynamics=dynamics,
            batch=batch,
            lr=lr,
            optimizer=optimizer,
            noise=noise,
            variance=VARIANCE,
        ),
    )
    steps, short = (1, False) if full_batch else (-(-samples // batch), samples % batch > 0)
    for _ in monitor.epochs(epochs, steps_per_epoch=steps, short_last=short):
        seen = torch.zeros(2, device=device)
        order = torch.arange(samples) if full_batch else torch.randperm(samples, generator=generator)
        for minibatch in order.to(device).split(samples if full_batch else batch):
            total = torch.zeros((), device=device)
            for rows in minibatch.split(CHUNK):
                logits = networks.logits(model, x_train[rows])
                loss = nn.functional.cross_entropy(logits, y_train[rows]) * (len(rows) / len(minibatch))
                loss.backward()
                with torch.no_grad():
                    total += loss
                    seen += torch.stack([loss * len(minibatch), (logits.argmax(1) == y_train[rows]).sum()])
            monitor.step(total)
            descent.step()
            descent.zero_grad()
        monitor.log("train", loss=seen[0] / samples, accuracy=seen[1] / samples)
        with torch.no_grad():
            logits = networks.logits(model, x_test)
            accuracy = (logits.argmax(1) == y_test).float().mean()
            monitor.log("test", loss=nn.functional.cross_entropy(logits, y_test), accuracy=accuracy)
