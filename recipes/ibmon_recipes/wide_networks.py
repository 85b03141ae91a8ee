"""Wide residual networks (Zagoruyko & Komodakis 2016, arXiv:1605.07146), and the images that they are trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

import ibmon

SHIFT = 4
"""Pixels that a training image is moved by at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What a network makes of images: the outputs of its three groups ``(n, channels, height, width)``, and the features φ
    ``(n, units)`` that its logits ``(n, classes)`` are read from, both in single precision whatever the groups are in.
    """

    groups: tuple[Tensor, ...]
    features: Tensor
    logits: Tensor


class Block(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv beside a shortcut, the block B(3,3) of the paper.

    Where the shape changes the shortcut is a convolution of 1 × 1, after the first BN-ReLU as in the authors' own code.
    """

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.before = nn.BatchNorm2d(inputs)
        self.first = _convolution(inputs, channels, stride)
        self.between = nn.BatchNorm2d(channels)
        self.second = _convolution(channels, channels)
        changes = inputs != channels or stride != 1
        self.shortcut = nn.Conv2d(inputs, channels, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        active = relu(self.before(x))
        added = self.second(relu(self.between(self.first(active))))
        return added + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """WRN-``depth``-``width``: a convolution, three groups of (depth − 4)/6 blocks with 16, 32 and 64 times ``width`` channels,
    BN-ReLU, the mean over places, a linear map. No dropout.

    Takes images ``(n, 3, height, width)``, of 32 × 32 in the paper, and gives logits ``(n, classes)``. Weights are those of
    torch; ``initialise`` draws the paper's. Raises IbmonError unless ``depth`` is 6n + 4 with n ≥ 1 and ``width`` at least 1.
    """

    def __init__(self, depth: int, width: int, classes: int) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 4, 6)
        if blocks < 1 or rest:
            raise ibmon.IbmonError(f"depth is 6n + 4, that is 10, 16, 22, 28 and so on, not {depth}.")
        if width < 1:
            raise ibmon.IbmonError(f"width is 1 or more, not {width}.")
        self.units = 64 * width
        self.first = _convolution(3, 16)
        channels = (16, 16 * width, 32 * width, self.units)
        self.groups = nn.ModuleList(
            nn.Sequential(
                *(Block(channels[g + (b > 0)], channels[g + 1], 2 if g and not b else 1) for b in range(blocks)),
            )
            for g in range(3)
        )
        self.last = nn.BatchNorm2d(self.units)
        self.readout = nn.Linear(self.units, classes)

    def read(self, x: Tensor) -> Read:
        """Groups, features and logits; φ is the mean over places after the last BN-ReLU."""
        x = self.first(x)
        groups: list[Tensor] = []
        for group in self.groups:
            x = group(x)
            groups.append(x)
        features = pooled(relu(self.last(x)))
        return Read(tuple(groups), features, self.readout(features).float())

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x).logits


def _convolution(inputs: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=False)


def pooled(x: Tensor) -> Tensor:
    """The mean over places of ``(n, channels, height, width)``, ``(n, channels)``, in single precision at least."""
    return (x if x.dtype == torch.float64 else x.float()).mean((2, 3))


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Convolutions of k × k normal with variance 2 / (k² · channels put out), as in the authors' code (He et al. 2015,
    arXiv:1502.01852); the linear map uniform within 1/√inputs, its bias zero.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            nn.init.zeros_(module.bias)


@dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """Mean and standard deviation of each colour of some images, both ``(3, 1, 1)``."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, images: Tensor) -> Standard:
        """Those of bytes ``(n, 3, height, width)``, from how often each value occurs: a sum over all pixels would round."""
        values = torch.arange(256, dtype=torch.float64)
        counts = torch.stack([torch.bincount(colour.flatten(), minlength=256) for colour in images.unbind(1)]).double().cpu()
        shares = counts / counts.sum(1, keepdim=True)
        mean = shares @ values
        variance = (shares * (values - mean[:, None]).square()).sum(1)
        std = variance.sqrt().clamp(min=1)  # one grey level: images of a single colour stay finite
        return cls(*(part.float()[:, None, None].to(images.device) for part in (mean, std)))

    def __call__(self, images: Tensor) -> Tensor:
        """Bytes ``(n, 3, height, width)`` in these units; channels innermost, as convolutions are fastest."""
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each of the images ``(n, channels, height, width)`` moved by up to ``SHIFT`` pixels in both directions, uniformly, and
    mirrored with probability 1/2.

    What comes in at an edge is the reflection of the image there, as in the paper; others fill with zeros. On the device of the
    images, which is that of ``generator``.
    """
    n, _, height, width = images.shape
    device = images.device

    def places(size: int) -> Tensor:
        moved = torch.randint(-SHIFT, SHIFT + 1, (n, 1), generator=generator, device=device) + torch.arange(size, device=device)
        return size - 1 - (size - 1 - moved.abs()).abs()

    rows, columns = places(height), places(width)
    mirrored = torch.randint(2, (n, 1), generator=generator, device=device).bool()
    columns = torch.where(mirrored, columns.flip(1), columns)
    number = torch.arange(n, device=device)[:, None, None]
    # Indexed in front of and behind a slice, places come first and channels last.
    return images[number, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
