"""MNIST, filtered to the digits asked for, and the real images of each iteration."""

import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from filelock import FileLock
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torchvision.datasets import MNIST
from torchvision.datasets.utils import check_integrity

from wgan import PROJECT
from wgan.checks import UserError
from wgan.images import from_bytes
from wgan.randomness import Purpose, stream
from wgan.transfer import to_device

# torchvision checks the MD5 sums of the packed files only, and only while it unpacks them.
UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


class MNISTDigits(LightningDataModule):
    """Real images for the critic: a batch is one iteration's, (n_critic * batch_size / 2, 1, 28, 28) in [-1, 1].

    They are drawn with replacement from MNIST's training images of `digit`: one digit, several, or "all". An epoch
    has floor(images / batch_size) iterations. `root` holds MNIST/raw; a relative one starts at the project's folder.
    """

    def __init__(
        self, *, root: str, digit: int | str | Sequence[int], batch_size: int, n_critic: int, seed: int
    ) -> None:
        super().__init__()
        self.root = PROJECT / root
        self.digit = digit
        self.digits = digits_of(digit)
        self.batch_size = batch_size
        self.n_critic = n_critic
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Load the images into memory, on the device that trains.

        Raises:
            UserError: if a file is damaged or missing, or batch_size is larger than the data set.
        """
        images = load_digits(self.root, self.digits)
        if self.batch_size > len(images):
            raise UserError(
                f"data.batch_size={self.batch_size}: must be at most {len(images)}, "
                f"the number of images with data.digit={self.digit}"
            )
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        self.images = from_bytes(images.unsqueeze(1)).to(device)

    def train_dataloader(self) -> DataLoader[Tensor]:
        """An iteration's real images a batch, without workers: indexing a tensor is all there is to do."""
        draws = Draws(
            population=len(self.images),
            batches=len(self.images) // self.batch_size,
            size=self.n_critic * self.batch_size // 2,
            seed=self.seed,
            device=self.images.device,
        )
        # A tensor has a length and takes indices, which is all that a loader asks of a data set.
        return DataLoader(self.images, batch_size=None, sampler=draws)  # type: ignore[arg-type]


class Draws(Sampler[Tensor]):
    """Random indices with replacement, `size` a batch, int64 on `device`; a pure function of (seed, epoch, batch)."""

    def __init__(self, *, population: int, batches: int, size: int, seed: int, device: torch.device) -> None:
        self.population = population
        self.batches = batches
        self.size = size
        self.seed = seed
        self.device = device
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning when an epoch starts."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Tensor]:
        for batch in range(self.batches):
            rng = stream(self.seed, Purpose.REAL_IMAGES, self.epoch, batch)
            yield to_device(torch.from_numpy(rng.integers(self.population, size=self.size)), self.device)


def digits_of(digit: int | str | Sequence[int]) -> tuple[int, ...]:
    """The digits that data.digit asks for."""
    if digit == "all":
        return tuple(range(10))
    return (digit,) if isinstance(digit, int) else tuple(map(int, digit))


def load_digits(root: Path, digits: tuple[int, ...], *, train: bool = True) -> Tensor:
    """The training or test images of MNIST that show one of `digits`: uint8 (n, 28, 28)."""
    mnist = load_mnist(root, train=train)
    images: Tensor = mnist.data[torch.isin(mnist.targets, torch.tensor(digits))]
    return images


def load_mnist(root: Path, *, train: bool = True) -> MNIST:
    """MNIST's training or test images and labels, unpacked at first use, by one process at a time.

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
    # Not whether they exist: another process may be unpacking them.
    is_complete = all(check_integrity(folder / name, md5) for name, md5 in UNPACKED_MD5.items())
    with nullcontext() if is_complete or not os.access(folder, os.W_OK) else FileLock(folder / ".lock"):
        for name, md5 in (*MNIST.resources, *(() if is_complete else UNPACKED_MD5.items())):
            path = folder / name
            if path.exists() and not check_integrity(path, md5):
                committed = path.suffix == ".gz" and path.is_relative_to(PROJECT)
                remedy = f"git -C {PROJECT} checkout {path}" if committed else f"rm {path} (it is then made anew)"
                raise UserError(f"{path}: damaged, its MD5 sum is not {md5}; restore it with: {remedy}")
        try:
            return MNIST(root, train=train, download=True)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"data.root={root}: MNIST is not there and cannot be fetched ({reason}); "
                f"copy its four .gz files to {folder}"
            ) from error
