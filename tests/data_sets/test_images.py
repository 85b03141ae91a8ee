"""Images from their files: the real ones as they are known, hostile ones refused."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ibmon.data import cifar10, cifar100, digits, fashion_mnist, mnist
from ibmon.data.images import read_idx
from ibmon.records import IbmonError

DIGIT_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def idx(array):
    return gzip.compress(bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def images_of(n, *, classes=10):
    random = np.random.default_rng(n)
    return random.integers(0, 256, (n, 28, 28), np.uint8), (np.arange(n) % classes).astype(np.uint8)


@pytest.fixture
def given_files(net, offered, folder):
    """Put files under the names and in the folder of a data set, as if they were the published ones."""

    def give(name, place, **contents):
        toy = offered(*(net.by_hand(file, content) for file, content in contents.items()), name=name, folder=place)
        (folder / place).mkdir()
        for file, content in contents.items():
            (folder / place / file).write_bytes(content)
        return toy

    return give


def test_mnist_is_what_everybody_knows(real):
    images = mnist()
    assert (images.train_x.shape, images.test_x.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert {x.dtype for x in (images.train_x, images.train_y, images.test_x, images.test_y)} == {np.dtype(np.uint8)}
    assert images.train_y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert images.test_y[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(images.test_y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert images.train_x.mean() == pytest.approx(33.318, abs=1e-3)
    assert images.classes[5] == "5"


@pytest.mark.parametrize(("subset", "train", "test"), [("png", 1000, 0), ("jpeg", 10000, 2000)])
def test_the_subsets_of_cifar_are_balanced(real, subset, train, test):
    images = cifar10(subset=subset)
    assert (images.train_x.shape, images.test_x.shape) == ((train, 32, 32, 3), (test, 32, 32, 3))
    assert images.train_x.dtype == images.test_y.dtype == np.uint8
    assert np.bincount(images.train_y, minlength=10).tolist() == [train // 10] * 10
    assert np.bincount(images.test_y, minlength=10).tolist() == [test // 10] * 10


def test_labels_and_pixels_of_cifar_belong_together(real):
    """Aeroplanes and ships are seen before blue, frogs and deer before green and brown."""
    for subset in ("png", "jpeg"):
        images = cifar10(subset=subset)
        red, _, blue = (images.train_x[..., c].mean((1, 2)) for c in range(3))
        excess = {name: (blue - red)[images.train_y == k].mean() for k, name in enumerate(images.classes)}
        assert min(excess["airplane"], excess["ship"]) > 5
        assert max(excess["frog"], excess["deer"]) < -5
    assert images.train_y[:20].tolist() == [*range(10)] * 2


def test_digits_are_those_of_scikit_learn_split_by_class():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    images = digits()
    assert (images.train_x.shape[1:], len(images.train_x) + len(images.test_x)) == ((8, 8), 1797)
    assert images.train_x.max() == 16
    assert images.train_y[:5].tolist() == [0, 1, 2, 3, 4]
    counts = np.bincount(images.test_y)
    assert (counts.min(), counts.max()) == (34, 36)


def test_without_scikit_learn_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(IbmonError, match=r"pip install 'ibmon\[digits\]'"):
        digits()


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9)))
def test_an_idx_file_gives_back_the_array(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "any.gz"
    path.write_bytes(idx(array))
    read = read_idx(path, array.ndim)
    assert (read.shape, read.dtype) == (array.shape, np.uint8)
    assert np.array_equal(read, array)
    assert read.flags.writeable


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not gzip at all", id="not gzip"),
        pytest.param(gzip.compress(b""), id="gzip of nothing"),
        pytest.param(gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 3) + b"abc"), id="one dimension, two were asked for"),
        pytest.param(gzip.compress(b"\0\0\x0d\x02" + struct.pack(">2I", 1, 1) + b"abcd"), id="floats"),
        pytest.param(gzip.compress(b"\0\0\x08\x02" + b"\0\0\0"), id="header cut short"),
        pytest.param(gzip.compress(b"\0\0\x08\x02" + struct.pack(">2I", 2, 2) + b"abc"), id="a byte too few"),
        pytest.param(gzip.compress(b"\0\0\x08\x02" + struct.pack(">2I", 2, 2) + b"abcde"), id="a byte too many"),
        pytest.param(gzip.compress(b"\0\0\x08\x02" + struct.pack(">2I", 2**32 - 1, 2**32 - 1)), id="sizes beyond any memory"),
        pytest.param(idx(np.zeros((9, 9), np.uint8))[:-9], id="gzip cut short"),
    ],
)
def test_what_is_no_idx_file_of_that_form_is_damaged(tmp_path, content):
    path = tmp_path / "any.gz"
    path.write_bytes(content)
    with pytest.raises(IbmonError, match=r"any\.gz is damaged \(.+\); delete it and get it anew"):
        read_idx(path, 2)


def test_fashion_mnist_has_its_own_classes(given_files):
    (train_x, train_y), (test_x, test_y) = images_of(20), images_of(10)
    contents = dict(zip(DIGIT_FILES, map(idx, (train_x, train_y, test_x, test_y)), strict=True))
    given_files("fashion-mnist", "fashion_mnist", **contents)
    images = fashion_mnist()
    assert np.array_equal(images.train_x, train_x)
    assert np.array_equal(images.test_y, test_y)
    assert images.classes[9] == "ankle boot"


@pytest.mark.parametrize(("labels", "why"), [(np.arange(10), "20 images have 10 labels"), (np.full(20, 10), "a label is 10")])
def test_labels_that_do_not_fit_are_damage(given_files, labels, why):
    (x, y) = images_of(20)
    given_files("mnist", "mnist", **dict(zip(DIGIT_FILES, map(idx, (x, labels.astype(np.uint8), x, y)), strict=True)))
    with pytest.raises(IbmonError, match=why):
        mnist()


def tarred(folder, contents):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def cifar_archive(batches):
    return tarred("cifar-10-batches-bin", {f"{name}.bin": records for name, records in batches.items()})


def batches():
    """Two images a batch; pixel (row, column) of batch b is (row, column, 10 b + place)."""
    row, column = np.mgrid[:32, :32].astype(np.uint8)
    names = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
    return {
        name: b"".join(bytes([b]) + row.tobytes() + column.tobytes() + bytes([10 * b + place]) * 1024 for place in range(2))
        for b, name in enumerate(names)
    }


def test_the_binary_archive_of_cifar_is_read_plane_by_plane(given_files):
    given_files("cifar10", "cifar10", **{"cifar-10-binary.tar.gz": cifar_archive(batches())})
    images = cifar10()
    assert images.train_y.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert images.test_y.tolist() == [5, 5]
    assert images.train_x.shape == (10, 32, 32, 3)
    assert images.train_x[3, 7, 20].tolist() == [7, 20, 11]
    assert images.test_x[1, 31, 0].tolist() == [31, 0, 51]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"data_batch_3": None}, r"no data_batch_3\.bin"),
        ({"test_batch": b"x" * 3072}, "not of 3073 bytes"),
        ({"data_batch_1": b"\0" * 3072, "data_batch_2": b"\0" * 3074}, "not of 3073 bytes"),
        ({"data_batch_1": bytes([10]) * 3073}, "a label is 10"),
    ],
)
def test_an_archive_of_cifar_that_lacks_something_is_damaged(given_files, change, why):
    changed = {name: records for name, records in (batches() | change).items() if records is not None}
    given_files("cifar10", "cifar10", **{"cifar-10-binary.tar.gz": cifar_archive(changed)})
    with pytest.raises(IbmonError, match=why):
        cifar10()


def cifar100_files():
    """Three images to train on and two for testing: coarse label 9, fine label and blue their place, counted from 90."""
    row, column = np.mgrid[:32, :32].astype(np.uint8)
    records = [bytes([9, 90 + i]) + row.tobytes() + column.tobytes() + bytes([90 + i]) * 1024 for i in range(5)]
    names = "".join(f"class_{i}\n" for i in range(100)).encode()
    return {"fine_label_names.txt": names, "train.bin": b"".join(records[:3]), "test.bin": b"".join(records[3:])}


def test_cifar_100_has_its_fine_classes(given_files):
    given_files("cifar100", "cifar100", **{"cifar-100-binary.tar.gz": tarred("cifar-100-binary", cifar100_files())})
    images = cifar100()
    assert (images.train_y.tolist(), images.test_y.tolist()) == ([90, 91, 92], [93, 94])
    assert images.classes[93] == "class_93" and len(images.classes) == 100
    assert images.train_x.shape == (3, 32, 32, 3)
    assert images.train_x[2, 7, 20].tolist() == [7, 20, 92]
    assert images.test_x[1, 31, 0].tolist() == [31, 0, 94]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"test.bin": None}, r"no test\.bin"),
        ({"train.bin": b"x" * 3073}, "not of 3074 bytes"),
        ({"train.bin": bytes([0, 100]) * 1537}, "a label is 100"),
        ({"fine_label_names.txt": b"apple\nbear\n"}, "it names 2 classes"),
    ],
)
def test_an_archive_of_cifar_100_that_lacks_something_is_damaged(given_files, change, why):
    changed = {name: content for name, content in (cifar100_files() | change).items() if content is not None}
    given_files("cifar100", "cifar100", **{"cifar-100-binary.tar.gz": tarred("cifar-100-binary", changed)})
    with pytest.raises(IbmonError, match=why):
        cifar100()


def picture(size=(32, 32), mode="RGB", format="PNG"):
    out = io.BytesIO()
    Image.new(mode, size).save(out, format)
    return out.getvalue()


def zipped(contents):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return out.getvalue()


LABELS = b"id,label\n1,frog\n"


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ({"labels.csv": LABELS}, "labels.csv does not fit"),
        ({"labels.csv": b"id,label\n1,unicorn\n", "train/1.png": picture()}, "labels.csv cannot be read"),
        ({"labels.csv": b"\xff\xfe\0", "train/1.png": picture()}, "labels.csv does not fit"),
        ({"labels.csv": LABELS, "train/1.png": b"no picture"}, "cannot identify"),
        ({"labels.csv": LABELS, "train/1.png": picture()[:-30]}, "."),
        ({"labels.csv": LABELS, "train/1.png": picture((33, 32))}, "33 × 32 RGB"),
        ({"labels.csv": LABELS, "train/1.png": picture(mode="L")}, "32 × 32 L"),
        ({"labels.csv": LABELS, "train/1.png": picture(format="GIF")}, "cannot identify"),
        ({"labels.csv": LABELS, "train/1.png": picture().replace(struct.pack(">I", 32), struct.pack(">I", 60000), 2)}, "."),
    ],
)
def test_pictures_that_are_not_what_they_should_be_are_damage(given_files, contents, why):
    archives = {"cifar10_train1000_png.zip": zipped(contents), "cifar10_jpeg_10k_2k.zip": b""}
    given_files("cifar10-subset", "cifar10_subset", **archives)
    with pytest.raises(IbmonError, match=rf"png\.zip is damaged \(.*{why}"):
        cifar10(subset="png")


@given(st.data())
def test_an_image_of_the_subset_keeps_its_label(tmp_path_factory, data):
    """Whatever the order of the archive is."""
    from ibmon.data.images import _png_images

    labels = data.draw(st.lists(st.sampled_from(["frog", "ship", "cat"]), min_size=1, max_size=5))
    order = data.draw(st.permutations(range(len(labels))))
    out = {"labels.csv": "id,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels))}
    for i in order:
        file = io.BytesIO()
        Image.new("RGB", (32, 32), (i, 0, len(labels[i]))).save(file, "PNG")
        out[f"train/{i}.png"] = file.getvalue()
    path = tmp_path_factory.getbasetemp() / "any.zip"
    path.write_bytes(zipped(out))
    images = _png_images(path)
    assert [images.classes[y] for y in images.train_y] == labels
    assert images.train_x[:, 0, 0, 0].tolist() == list(range(len(labels)))
