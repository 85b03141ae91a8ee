"""The 12-bit task of Shwartz-Ziv & Tishby, "Opening the black box of deep neural networks via information" (2017)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

import ibmon
from ibmon_recipes import networks, tishby_replicas

WIDTHS = (12, 10, 7, 5, 4, 3, 2)
VARIANCE = 0.001
"""Of the noise of the kernel bounds."""

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


@dataclass(frozen=True, slots=True)
class Start:
    """A network before its first update. ``train`` and ``test`` are rows of the patterns; ``generator`` goes on to give the
    order of the minibatches, and ``noise`` the noise inside the network."""

    model: nn.Sequential
    train: Tensor
    test: Tensor
    generator: torch.Generator
    noise: torch.Generator


def start(
    seed: int,
    activation: str = "tanh",
    train_fraction: float = 0.8,
    controls: networks.Controls | None = None,
    device: str | torch.device = "cpu",
) -> Start:
    """12-10-7-5-4-3-2 with softmax, weights truncated normal with std 1/√fan_in, and the split of the patterns."""
    generator, noise = torch.Generator().manual_seed(seed), networks.stream("noise", seed, device)
    order = torch.randperm(4096, generator=generator)
    split = round(train_fraction * len(order))
    model = networks.fully_connected(WIDTHS, activation, networks.truncated_normal, generator, controls=controls, noise=noise)
    return Start(model.to(device), order[:split].to(device), order[split:].to(device), generator, noise)


def one_each(begun: Start, batch: int, seed: int) -> list[Start]:
    """Starts with the same weights, each with one whole minibatch of the first epoch alone to train on. Raises IbmonError."""
    device = begun.train.device
    order = begun.train[torch.randperm(len(begun.train), generator=begun.generator).to(device)]
    whole = [rows for rows in order.split(batch) if len(rows) == batch]
    if len(whole) < 2:
        raise ibmon.IbmonError(f"The protocol parallel needs two minibatches of {batch}, and there are {len(order)} samples.")
    return [replace(begun, train=rows, noise=networks.stream("noise", seed + k, device)) for k, rows in enumerate(whole)]


def check(replicas: int, full_batch: bool, protocol: str, dynamics: bool) -> None:
    """Raises IbmonError for options that exclude one another."""
    if replicas < 1:
        raise ibmon.IbmonError(f"replicas is 1 or more, not {replicas}.")
    if protocol == "parallel" and (replicas > 1 or full_batch):
        raise ibmon.IbmonError("The protocol parallel trains one network a minibatch: leave out replicas and full-batch.")
    if replicas > 1 and protocol == "frozen":
        raise ibmon.IbmonError("The protocol frozen is that of one network: leave out replicas, or run a sweep over seeds.")
    if dynamics and (replicas > 1 or protocol == "parallel"):
        raise ibmon.IbmonError("dynamics is that of one network: leave out replicas and the protocol parallel.")


def train(
    monitor: ibmon.Monitor,
    *,
    epochs: int = 8000,
    batch: int = 512,
    lr: float = 4e-4,
    activation: Literal["tanh", "relu"] = "tanh",
    optimizer: Literal["adam", "sgd"] = "adam",
    train_fraction: float = 0.8,
    replicas: int = 1,
    full_batch: bool = False,
    random_labels: bool = False,
    rescale: float = 1.0,
    noise: float = 0.0,
    protocol: Literal["epoch", "frozen", "parallel"] = "epoch",
    dynamics: bool = False,
    seed: int = 0,
) -> None:
    """Shwartz-Ziv & Tishby's network on their 12-bit task: the information plane that started the debate.

    T is taken over all 4096 patterns, so H(X) = 12 bits. Replica r is what a single run with the seed ``seed`` + r is. Networks
    trained as one are measured by binning alone, unless other estimators are asked for: kernels take seconds a snapshot.

    The controls of the debate. ``full_batch`` trains without gradient noise. ``random_labels`` permutes the labels of all
    patterns before the split, in the same way for every seed: Y in I(T;Y) are then the permuted labels, which are trained on,
    and the test accuracy is that of guessing. ``rescale`` c: T → cT, W → W/c, which changes neither the function nor the
    training. ``noise`` s adds Z ~ N(0, s²) to the output of every hidden layer, in training and evaluation, drawn anew in every
    pass; T is taken before its own noise and measured by estimators of I(X; T + Z) with the variance s², exact for layer 1, and
    given one draw of the noise before it for a deeper layer.

    Gradients: ``epoch`` those of the training in the epoch before a snapshot; ``frozen`` also 32 minibatches at fixed weights;
    ``parallel`` one network for each whole minibatch of the first epoch, all with the same initial weights and each trained on
    that minibatch alone (mean and standard deviation are then over networks that diverge).

    Args:
        epochs: passes over the training set
        batch: samples in a minibatch
        lr: learning rate
        activation: nonlinearity of the hidden layers
        optimizer: adam as in the paper's code, or plain sgd
        train_fraction: share of the 4096 patterns that is trained on
        replicas: how many networks are trained as one, with the seeds from seed on
        full_batch: one update an epoch, on the whole training set
        random_labels: train on permuted labels and measure those
        rescale: factor of the hidden layers' outputs, undone by the next layer
        noise: standard deviation of the noise on the hidden layers' outputs
        protocol: which minibatch gradients the signal and the noise are of
        dynamics: measure what the update after a snapshot does to the loss and the layers
        seed: of the split, the weights and the order of the minibatches
    """
    device = monitor.device
    if device.type == "cpu":
        torch.set_num_threads(1)  # the matrices are tiny: a second thread only waits
    check(replicas, full_batch, protocol, dynamics)
    controls = networks.Controls(rescale, noise)
    x, y = patterns().to(device), labels().to(device)
    task = "shuffled" if random_labels else "y"
    y = networks.shuffled(y) if random_labels else y
    evaluation = {"all": ibmon.EvaluationSet(x, {task: y})}
    starts = [start(seed + r, activation, train_fraction, controls, device) for r in range(replicas)]
    if protocol == "parallel":
        starts = one_each(starts[0], batch, seed)
    if len(starts) > 1:
        whole = full_batch or protocol == "parallel"
        tishby_replicas.train(
            monitor,
            starts,
            x,
            y,
            activation=activation,
            controls=controls,
            optimizer=optimizer,
            lr=lr,
            epochs=epochs,
            batch=None if whole else batch,
            parallel=protocol == "parallel",
            evaluation=evaluation,
            estimators=controls.estimators("binning:width=0.07")[:1],
        )
        return
    (begun,) = starts
    model, generator = begun.model, begun.generator
    x_train, y_train, x_test, y_test = x[begun.train], y[begun.train], x[begun.test], y[begun.test]
    split = len(x_train)
    descent = networks.descent_of(model.parameters(), optimizer, lr)
    monitor.watch(
        model,
        optimizer=descent,
        evaluation=evaluation,
        layers=networks.layers(model),
        estimators=controls.estimators("binning:width=0.07", f"kde:variance={VARIANCE:g}"),
        batch_size=split if full_batch and protocol == "epoch" else batch,
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
    often = max(1, epochs // 200)
    steps, short = (1, False) if full_batch else (-(-split // batch), split % batch > 0)
    for epoch in monitor.epochs(epochs, steps_per_epoch=steps, short_last=short):
        for rows in [slice(None)] if full_batch else torch.randperm(split, generator=generator).to(device).split(batch):
            loss = networks.cross_entropy(model, x_train[rows], y_train[rows])
            loss.backward()
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
        if epoch % often == 0 or epoch == epochs - 1:
            with torch.no_grad():
                for name, inputs, targets in (("train", x_train, y_train), ("test", x_test, y_test)):
                    logits = networks.logits(model, inputs)
                    accuracy = (logits.argmax(1) == targets).float().mean()
                    monitor.log(name, loss=nn.functional.cross_entropy(logits, targets), accuracy=accuracy)
