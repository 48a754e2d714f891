"""MNIST, filtered to the digits asked for."""

import os
import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor
from torchvision.datasets import MNIST
from torchvision.datasets.utils import check_integrity

from wgan import PROJECT
from wgan.data.images import ImageData
from wgan.errors import UserError

# torchvision checks the MD5 sums of the packed files only, and only while it unpacks them.
UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


class MNISTDigits(ImageData):
    """MNIST's images, 1 x 28 x 28, that show `digit`: one digit, several, or "all". The test images are held out.

    `root` holds MNIST/raw; a relative one starts at the project's folder.
    """

    digits: tuple[int, ...]

    def __init__(
        self, *, root: str, digit: int | str | Sequence[int], batch_size: int, n_critic: int, seed: int
    ) -> None:
        super().__init__(batch_size=batch_size, n_critic=n_critic, seed=seed)
        self.root = PROJECT / root
        self.digit = digit
        self.digits = list_digits(digit)

    def load(self, *, train: bool) -> tuple[Tensor, Tensor]:
        return load_digits(self.root, self.digits, train=train)

    def describe_number(self) -> str:
        return f"the number of images with data.digit={self.digit}"


def list_digits(digit: int | str | Sequence[int]) -> tuple[int, ...]:
    """The digits that data.digit asks for."""
    if digit == "all":
        return tuple(range(10))
    return (digit,) if isinstance(digit, int) else tuple(map(int, digit))


def load_digits(root: Path, digits: tuple[int, ...], *, train: bool = True) -> tuple[Tensor, Tensor]:
    """Load MNIST's images that show one of `digits`, uint8 (n, 1, 28, 28), and the digits, int64 (n,)."""
    mnist = load_mnist(root, train=train)
    chosen = torch.isin(mnist.targets, torch.tensor(digits))
    return mnist.data[chosen].unsqueeze(1), mnist.targets[chosen]


def load_mnist(root: Path, *, train: bool = True) -> MNIST:
    """Load MNIST's training or test images and labels. One process at a time unpacks them, at first use.

    Raises:
        UserError: if a file is damaged, or missing and not to be downloaded.
    """
    folder = root / "MNIST" / "raw"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"data.root={root}: {error.strerror}; name a folder that exists or can be made") from error
    if (folder.parent / "processed").exists():
        raise UserError(f"data.root={root}: MNIST/processed has files of a kind that nobody can check; remove it")
    # Files that exist may be unfinished: another process may be unpacking them.
    is_complete = all(check_integrity(folder / name, md5) for name, md5 in UNPACKED_MD5.items())
    with nullcontext() if is_complete or not os.access(folder, os.W_OK) else FileLock(folder / ".lock"):
        for name, md5 in (*MNIST.resources, *(() if is_complete else UNPACKED_MD5.items())):
            path = folder / name
            if path.exists() and not check_integrity(path, md5):
                committed = path.suffix == ".gz" and root == PROJECT / "data" and (PROJECT / ".git").exists()
                words = ("git", "-C", str(PROJECT), "checkout", str(path)) if committed else ("rm", str(path))
                remedy = shlex.join(words) + ("" if committed else " (it is then made anew)")
                raise UserError(f"{path}: damaged, its MD5 sum is not {md5}; restore it with: {remedy}")
        try:
            return MNIST(root, train=train, download=True)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"data.root={root}: MNIST is not there and cannot be fetched ({reason}); "
                f"copy its four .gz files to {folder}"
            ) from error
