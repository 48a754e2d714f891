import gzip
import hashlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import EMNIST, KMNIST, FashionMNIST

from wgan.data import like_mnist
from wgan.data.like_mnist import LikeMNIST
from wgan.errors import UserError


def write_idx(path: Path, values: np.ndarray) -> None:
    """A packed file in MNIST's format."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


def images_of(n: int) -> np.ndarray:
    """Images whose pixels tell their number, row and column."""
    k, row, column = np.ogrid[:n, :28, :28]
    return np.asarray((100 * k + 3 * row + column) % 256)


def data_of(dataset: str, label: object = "all") -> LikeMNIST:
    return LikeMNIST(dataset=dataset, label=label, batch_size=2, n_critic=1, seed=0)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for data sets, without a network."""
    monkeypatch.setattr(like_mnist, "ROOT", tmp_path)
    for known in (FashionMNIST, KMNIST):
        monkeypatch.setattr(known, "mirrors", ["http://localhost:9/"])
    monkeypatch.setattr(EMNIST, "url", "http://localhost:9/gzip.zip")
    return tmp_path


@pytest.mark.parametrize("known", [FashionMNIST, KMNIST])
def test_sets_in_mnists_form(root: Path, monkeypatch: pytest.MonkeyPatch, known: type[FashionMNIST]) -> None:
    folder = root / known.__name__ / "raw"
    folder.mkdir(parents=True)
    sums = []
    for part, n in (("train", 6), ("t10k", 3)):
        for name, values in (("images-idx3", images_of(n)), ("labels-idx1", np.arange(n) % 3)):
            path = folder / f"{part}-{name}-ubyte.gz"
            write_idx(path, values)
            sums.append((path.name, hashlib.md5(path.read_bytes()).hexdigest()))
    monkeypatch.setattr(known, "resources", sums)
    images, labels = data_of(known.__name__).load(train=True)
    assert np.array_equal(images[:, 0].numpy(), images_of(6))
    assert labels.tolist() == [0, 1, 2, 0, 1, 2]
    few, labels = data_of(known.__name__, [0, 2]).load(train=True)
    assert np.array_equal(few[:, 0].numpy(), images_of(6)[[0, 2, 3, 5]])
    assert labels.tolist() == [0, 2, 0, 2]
    assert data_of(known.__name__, 1).load(train=False)[0].shape == (1, 1, 28, 28)
    with pytest.raises(UserError, match=r"data.label=7: must be among 0, 1, 2, or all"):
        data_of(known.__name__, 7).load(train=True)


def test_letters_are_upright(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for split in EMNIST.splits:
            for part, n in (("train", 5), ("test", 2)):
                for name, values in (("images-idx3", images_of(n).swapaxes(1, 2)), ("labels-idx1", np.arange(n) + 1)):
                    write_idx(root / "part.gz", values)
                    archive.write(root / "part.gz", f"gzip/emnist-{split}-{part}-{name}-ubyte.gz")
    monkeypatch.setattr(EMNIST, "md5", hashlib.md5((folder / "gzip.zip").read_bytes()).hexdigest())
    images, labels = data_of("EMNIST").load(train=True)
    assert np.array_equal(images[:, 0].numpy(), images_of(5))
    assert labels.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "files"),
    [("FashionMNIST", "its four .gz files"), ("KMNIST", "its four .gz files"), ("EMNIST", "its gzip.zip")],
)
def test_without_a_network_a_line_tells_what_to_copy(root: Path, name: str, files: str) -> None:
    with pytest.raises(UserError) as told:
        data_of(name).load(train=True)
    line = str(told.value)
    assert line.startswith(f"data.dataset={name}: is not there, or damaged, and cannot be fetched (")
    assert line.endswith(f"; copy {files} to {root}/{name}/raw")
    assert "\n" not in line


def test_a_set_that_there_is_not_is_refused() -> None:
    with pytest.raises(UserError, match=r"data.dataset=CIFAR: must be one of FashionMNIST, KMNIST, EMNIST"):
        data_of("CIFAR")
