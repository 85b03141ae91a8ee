"""Data sets of images as numpy arrays of bytes."""

from __future__ import annotations

import csv
import gzip
import io
import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ibmon.records import IbmonError

from .archives import damaged, members
from .store import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ARRAY_LIMIT = 256 * 2**20
"""Bytes of the array of an idx file; the largest, the training images of MNIST, have 47 million."""

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
PHOTOGRAPHS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images ``(n, height, width)``, in colour ``(n, height, width, 3)``, and their classes ``(n,)``; all uint8.

    A label is the position of its name in ``classes``.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: tuple[str, ...]


def mnist() -> Images:
    """Handwritten digits: 60 000 + 10 000 images, 28 × 28."""
    return _idx_images(fetch("mnist"), DIGITS)


def fashion_mnist() -> Images:
    """Pieces of clothing: 60 000 + 10 000 images, 28 × 28."""
    return _idx_images(fetch("fashion-mnist"), CLOTHES)


def cifar10(*, subset: Literal["png", "jpeg"] | None = None) -> Images:
    """Photographs, 32 × 32 in colour: all 50 000 + 10 000, or one of the class-balanced subsets.

    ``png`` has 1000 images, lossless, and none for testing. ``jpeg`` has 10 000 + 2000, lossy; the classes take turns in it, so
    that its beginning is balanced too.
    """
    if subset == "png":
        return _png_images(fetch("cifar10-subset") / "cifar10_train1000_png.zip")
    if subset == "jpeg":
        return _jpeg_images(fetch("cifar10-subset") / "cifar10_jpeg_10k_2k.zip")
    return _cifar_images(fetch("cifar10") / "cifar-10-binary.tar.gz")


def cifar100() -> Images:
    """Photographs, 32 × 32 in colour: 50 000 + 10 000 of 100 classes, the fine ones."""
    return _cifar100_images(fetch("cifar100") / "cifar-100-binary.tar.gz")


def digits() -> Images:
    """The 1797 handwritten digits of scikit-learn, 8 × 8, grey from 0 to 16; every fifth of a class is for testing.

    They come with scikit-learn (``pip install 'ibmon[digits]'``); nothing is downloaded.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise IbmonError("The digits come with scikit-learn, which is not installed: pip install 'ibmon[digits]'") from error
    pixels, labels = load_digits(return_X_y=True)
    x, y = np.asarray(pixels, np.uint8).reshape(-1, 8, 8), np.asarray(labels, np.uint8)
    test = np.zeros(len(y), bool)
    for label in range(len(DIGITS)):
        test[np.flatnonzero(y == label)[4::5]] = True
    return Images(x[~test], y[~test], x[test], y[test], DIGITS)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The bytes of an ``idx.gz`` file as an array: two zeros, 8 for uint8, the number of dimensions, their lengths, the data."""
    try:
        with gzip.open(path) as file:
            if file.read(4) != bytes((0, 0, 8, dimensions)):
                raise damaged(path, f"it does not begin as an idx file of bytes with {dimensions} dimensions does")
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            size = math.prod(shape)
            if size > ARRAY_LIMIT:
                raise damaged(path, f"it claims {size} bytes")
            data = file.read(size + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError, struct.error) as error:
        raise damaged(path, error) from error
    if len(data) != size:
        raise damaged(path, f"it does not hold the {size} bytes that it claims")
    return np.frombuffer(data, np.uint8).reshape(shape).copy()


def _idx_images(folder: Path, classes: tuple[str, ...]) -> Images:
    train, test = (
        (read_idx(folder / f"{part}-images-idx3-ubyte.gz", 3), read_idx(folder / f"{part}-labels-idx1-ubyte.gz", 1))
        for part in ("train", "t10k")
    )
    return _images(folder, train, test, classes)


def _cifar_images(archive: Path) -> Images:
    """Records of a byte with the label and an image; five parts of them for training."""
    parts = dict(members(archive, r"cifar-10-batches-bin/(data_batch_[1-5]|test_batch)\.bin"))
    missing = [name for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch") if _batch(name) not in parts]
    if missing:
        raise damaged(archive, f"it has no {missing[0]}.bin")
    *train, test = (_records(archive, parts[name], labels=1) for name in sorted(parts))
    x, y = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return _images(archive, (x, y), test, PHOTOGRAPHS)


def _cifar100_images(archive: Path) -> Images:
    """Records of two bytes with the coarse and the fine label and an image, and a file with the names of the fine ones."""
    parts = dict(members(archive, r"cifar-100-binary/(train\.bin|test\.bin|fine_label_names\.txt)"))
    found = {name.rpartition("/")[2]: data for name, data in parts.items()}
    missing = [name for name in ("train.bin", "test.bin", "fine_label_names.txt") if name not in found]
    if missing:
        raise damaged(archive, f"it has no {missing[0]}")
    classes = tuple(found["fine_label_names.txt"].decode("utf-8", "replace").split())
    if len(classes) != 100:
        raise damaged(archive, f"it names {len(classes)} classes")
    train, test = (_records(archive, found[name], labels=2) for name in ("train.bin", "test.bin"))
    return _images(archive, train, test, classes)


def _records(archive: Path, data: bytes, *, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and their last label of records: ``labels`` bytes, then the red, the green and the blue, row by row."""
    size = labels + 3072
    if len(data) % size:
        raise damaged(archive, f"its records are not of {size} bytes")
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    return np.ascontiguousarray(rows[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), rows[:, labels - 1].copy()


def _batch(name: str) -> str:
    return f"cifar-10-batches-bin/{name}.bin"


def _png_images(archive: Path) -> Images:
    """``train/ID.png`` and ``labels.csv``, a line of it for each image."""
    found = dict(members(archive, r"labels\.csv|train/\d+\.png"))
    rows = csv.DictReader(io.StringIO(found.pop("labels.csv", b"").decode("utf-8", "replace")))
    try:
        labels = {f"train/{row['id']}.png": PHOTOGRAPHS.index(row["label"]) for row in rows}
    except (KeyError, ValueError, csv.Error) as error:
        raise damaged(archive, "labels.csv cannot be read") from error
    if labels.keys() != found.keys():
        raise damaged(archive, "labels.csv does not fit the images")
    labelled = [(found[name], label) for name, label in labels.items()]
    return _images(archive, _decoded(archive, labelled, "PNG"), _decoded(archive, (), "PNG"), PHOTOGRAPHS)


def _jpeg_images(archive: Path) -> Images:
    """``train/CLASS/NUMBER.jpg`` and ``test/CLASS/NUMBER.jpg``."""
    found = {"train": dict[tuple[str, int], bytes](), "test": dict[tuple[str, int], bytes]()}
    for name, data in members(archive, rf"(train|test)/({'|'.join(PHOTOGRAPHS)})/\d+\.jpg"):
        part, label, file = name.split("/")
        found[part][file, PHOTOGRAPHS.index(label)] = data
    train, test = (_decoded(archive, ((data, key[1]) for key, data in sorted(found[part].items())), "JPEG") for part in found)
    return _images(archive, train, test, PHOTOGRAPHS)


def _decoded(archive: Path, labelled: Iterable[tuple[bytes, int]], format: str) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image

    x: list[np.ndarray] = []
    y: list[int] = []
    for data, label in labelled:
        try:
            with Image.open(io.BytesIO(data), formats=(format,)) as image:
                if (image.size, image.mode) != ((32, 32), "RGB"):  # known before anything is decoded
                    raise damaged(archive, f"a picture in it is {image.size[0]} × {image.size[1]} {image.mode}")
                x.append(np.asarray(image))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise damaged(archive, error) from error
        y.append(label)
    return np.array(x, np.uint8).reshape(-1, 32, 32, 3), np.array(y, np.uint8)


def _images(
    path: Path, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], classes: tuple[str, ...]
) -> Images:
    for x, y in (train, test):
        if len(x) != len(y):
            raise damaged(path, f"{len(x)} images have {len(y)} labels")
        if np.any(y >= len(classes)):
            raise damaged(path, f"a label is {y.max()}, of {len(classes)} classes")
    return Images(*train, *test, classes)
