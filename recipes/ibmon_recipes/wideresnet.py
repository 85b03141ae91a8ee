"""Wide residual nets on CIFAR, as in table 4 of "From Information Bottleneck to Activation Norm Penalty"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log
from typing import Any, Literal

import torch
from torch import Tensor, nn

import ibmon
from ibmon import data as sets
from ibmon import penalties
from ibmon.data import Images
from ibmon_recipes.networks import stream
from ibmon_recipes.wide_networks import Standard, WideResNet, augmented, initialise, pooled

ESTIMATORS = ("kde:variance=1", "kde:relative=true,variance=0.1")
"""With the variance 0.1 of the other recipes φ tells 1000 images apart after one epoch, and all that follows is saturated."""
DROPS, EPOCHS, FALL = (60, 120, 160), 200, 0.2
"""The epochs, of so many, after which the learning rate is this part of what it was, as the paper has them."""
CHUNK = 250
"""Images of a forward pass outside the training."""
PER_DECADE = 8
"""Snapshots between 10 and 100 epochs."""


@dataclass(frozen=True, slots=True)
class Size:
    """What ``--size`` stands for unless an option says otherwise; ``paper`` is WRN-28-10 as Zagoruyko & Komodakis train it."""

    depth: int
    width: int
    data: Literal["cifar10", "cifar100", "subset"]
    epochs: int
    batch: int
    eta: float
    train_samples: int = 0


SIZES = {
    "small": Size(depth=10, width=1, data="subset", epochs=12, batch=64, eta=1e-3, train_samples=5000),
    "paper": Size(depth=28, width=10, data="cifar10", epochs=200, batch=128, eta=1e-6),
}


def images_of(data: str) -> Images:
    """CIFAR-10, CIFAR-100, or the 10 000 + 2000 images of CIFAR-10 that are at hand as JPEG."""
    if data == "subset":
        return sets.cifar10(subset="jpeg")
    return sets.cifar100() if data == "cifar100" else sets.cifar10()


def rate(lr: float, epoch: int, epochs: int) -> float:
    """The learning rate in an epoch, counted from 0, of so many: the drops lie where they do in ``EPOCHS``."""
    return lr * FALL ** sum(epoch * EPOCHS >= drop * epochs for drop in DROPS)


def evaluation_set(x: Tensor, y: Tensor, classes: tuple[str, ...]) -> ibmon.EvaluationSet:
    """Images as the network takes them ``(n, 3, height, width)`` with their labels ``(n,)``.

    The layers are the channels of the three groups as means over places, as φ is of what follows them; φ; and the logits. A
    whole group would be a hundred thousand units an image. The next group is computed from places, not from their means, so the
    groups are no chain: one that says more than another before it (flag ``order``) contradicts nothing. φ and the logits are.
    """

    def forward(model: nn.Module, images: Any) -> Tensor:
        assert isinstance(model, WideResNet)
        logits: list[Tensor] = []
        for part in images.split(CHUNK):
            read = model.read(part)
            for number, group in enumerate(read.groups, start=1):
                ibmon.tap(f"group{number}", pooled(group))
            ibmon.tap("features", read.features)
            logits.append(ibmon.tap("logits", read.logits))
        return torch.cat(logits)

    return ibmon.EvaluationSet(x, {"class": y}, forward=forward, classes={"class": classes})


@dataclass(frozen=True, slots=True)
class Judged:
    """How a network does on images: means over them.

    ``loss`` is the cross-entropy in nats, ``norm`` ‖φ‖₂ of the features, ``entropy`` that of the prediction in bits, and
    ``information`` the bound I(T;Y) ≥ H(Y) − cross-entropy in bits (Barber & Agakov 2003), with H(Y) of the same labels.
    """

    loss: float
    accuracy: float
    norm: float
    entropy: float
    information: float

    def logged(self) -> dict[str, float]:
        """What ``Monitor.log`` takes."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "feature norm": self.norm,
            "prediction entropy [bits]": self.entropy,
            "H(Y) − cross-entropy [bits]": self.information,
        }


@torch.no_grad()
def judged(network: WideResNet, x: Tensor, y: Tensor, standard: Standard, *, mixed: bool) -> Judged:
    """Bytes ``(n, 3, height, width)`` as they are and their labels ``(n,)``. The network is left in the mode it was in."""
    trained = network.training
    network.eval()
    totals = torch.zeros(4, dtype=torch.float64, device=x.device)
    for part, labels in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=mixed):
            read = network.read(standard(part))
        logs = read.logits.log_softmax(1)
        sums = (
            nn.functional.nll_loss(logs, labels, reduction="sum"),
            (logs.argmax(1) == labels).sum(),
            read.features.norm(dim=1).sum(),
            -(logs.exp() * logs).sum(),
        )
        totals += torch.stack([value.double() for value in sums])
    network.train(trained)
    loss, accuracy, norm, uncertainty = (totals / len(x)).tolist()
    shares = torch.bincount(y).double() / len(y)
    bits = 1 / log(2)
    return Judged(loss, accuracy, norm, uncertainty * bits, float(torch.special.entr(shares).sum() - loss) * bits)


def train(
    monitor: ibmon.Monitor,
    *,
    size: Literal["small", "paper"] = "small",
    data: Literal["cifar10", "cifar100", "subset"] | None = None,
    depth: int | None = None,
    width: int | None = None,
    penalty: Literal["none", "anp"] = "none",
    eta: float | None = None,
    eta_convention: Literal["sum", "n_over_k", "one_over_k"] = "sum",
    norm: Literal["l1", "l2", "linf"] = "l2",
    epochs: int | None = None,
    batch: int | None = None,
    lr: float = 0.1,
    weight_decay: float = 5e-4,
    augment: bool = True,
    mixed: bool | None = None,
    train_samples: int | None = None,
    eval_samples: int = 1000,
    seed: int = 0,
) -> None:
    """A wide residual net on CIFAR-10, CIFAR-100 or a part of CIFAR-10, with an activation norm penalty on its last features.

    φ is the mean over places after the last BN-ReLU; the penalty is λ times the mean over images of its norm, of the L2 norm its
    square. Sgd with Nesterov's momentum 0.9 descends; the learning rate falls to a fifth at 0.3, 0.6 and 0.8 of the epochs. T is
    taken over the first test images: the channels of the three groups as means over places, φ and the logits. Of the test images
    and of as many training images, as they are, are logged: loss, accuracy and their gaps, norm of φ, entropy of the
    prediction, and the bound H(Y) − cross-entropy on I(T;Y).

    Args:
        size: small is quick: WRN-10-1, 5000 images of the subset, 12 epochs; paper is WRN-28-10 on CIFAR-10, 200 epochs
        data: cifar10, cifar100, or subset, 10 000 + 2000 images of CIFAR-10; subset for small, else cifar10
        depth: layers, 6n + 4; 10 or 28
        width: how many times 16, 32 and 64 channels the groups have; 1 or 10
        penalty: anp is the activation norm penalty
        eta: strength of the penalty; 0.001 for small, 0.000001 for paper
        eta_convention: whether λ is eta, eta N/K or eta/K, of N images in a minibatch and K units
        norm: of φ; l2 is squared
        epochs: passes over the training set; 12 or 200
        batch: images in a minibatch; 64 or 128
        lr: learning rate at the beginning
        weight_decay: of all parameters
        augment: move each image by up to 4 pixels and mirror half of them, anew in every epoch
        mixed: train and evaluate in bfloat16 where autocast does; unless given on a GPU alone
        train_samples: first training images that are trained on, 0 for all; 5000 for small, else all
        eval_samples: test images that the layers are recorded of
        seed: of the weights, the order of the minibatches and the augmentation
    """
    asked = {
        "data": data,
        "depth": depth,
        "width": width,
        "epochs": epochs,
        "batch": batch,
        "eta": eta,
        "train_samples": train_samples,
    }
    chosen = replace(SIZES[size], **{name: value for name, value in asked.items() if value is not None})
    if min(chosen.batch, eval_samples) < 1:
        raise ibmon.IbmonError("batch and eval-samples are 1 or more.")
    if min(chosen.epochs, chosen.train_samples) < 0 or not (0 < lr < inf and 0 <= weight_decay < inf):
        raise ibmon.IbmonError("epochs, train-samples and weight-decay are 0 or more, and lr above 0.")
    if not 0 <= chosen.eta < inf:
        raise ibmon.IbmonError("eta is a number from 0 on.")
    device = monitor.device
    mixed = device.type == "cuda" if mixed is None else mixed
    images = images_of(chosen.data)
    network = WideResNet(chosen.depth, chosen.width, len(images.classes))
    initialise(network, stream("weights", seed))
    network = network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    x, y, x_test, y_test = (
        torch.from_numpy(part).to(device) for part in (images.train_x, images.train_y, images.test_x, images.test_y)
    )
    x, y = x.permute(0, 3, 1, 2)[: chosen.train_samples or None], y.long()[: chosen.train_samples or None]
    x_test, y_test = x_test.permute(0, 3, 1, 2), y_test.long()
    standard = Standard.of(x)
    weight = penalties.eta(chosen.eta, eta_convention, n=chosen.batch, k=network.units) if penalty == "anp" else 0.0
    descent = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=weight_decay, fused=True)
    monitor.watch(
        network,
        optimizer=descent,
        evaluation={"test": evaluation_set(standard(x_test[:eval_samples]), y_test[:eval_samples], images.classes)},
        layers=[],
        estimators=ESTIMATORS,
        analyses=("generalisation:layer=features",),
        schedule=ibmon.log_spaced(PER_DECADE, "epochs"),
        autocast=torch.bfloat16 if mixed else None,
        batch_size=chosen.batch,
    )
    monitor.log("penalty", weight=weight)
    order, moves = stream("order", seed), stream("augmentation", seed, device)
    steps, left = -(-len(x) // chosen.batch), len(x) % chosen.batch
    for epoch in monitor.epochs(chosen.epochs, steps_per_epoch=steps, short_last=0 < left < len(x)):
        for group in descent.param_groups:
            group["lr"] = rate(lr, epoch, chosen.epochs)
        for rows in torch.randperm(len(x), generator=order).to(device).split(chosen.batch):
            shown = augmented(x[rows], moves) if augment else x[rows]
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
                read = network.read(standard(shown))
            loss = total = nn.functional.cross_entropy(read.logits, y[rows])
            if weight:
                total = loss + weight * penalties.activation_norm(read.features, norm=norm)
            total.backward()
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
        before = judged(network, x[: len(x_test)], y[: len(x_test)], standard, mixed=mixed)
        now = judged(network, x_test, y_test, standard, mixed=mixed)
        monitor.log("train", **before.logged())
        gaps = {"loss gap": now.loss - before.loss, "accuracy gap": before.accuracy - now.accuracy}
        monitor.log("test", **now.logged(), **gaps)
