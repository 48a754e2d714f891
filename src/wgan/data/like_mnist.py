"""Data sets in MNIST's form: Fashion-MNIST, Kuzushiji-MNIST and EMNIST's letters."""

from collections.abc import Sequence

import torch
from filelock import FileLock
from torch import Tensor
from torchvision.datasets import EMNIST, KMNIST, MNIST, FashionMNIST

from wgan import PROJECT
from wgan.data.images import ImageData
from wgan.errors import UserError

ROOT = PROJECT / "data"  # a run of somebody else's can name no other place

# Each with its own arguments, and the files to copy where there is no network.
SETS = {
    "FashionMNIST": (FashionMNIST, {}, "its four .gz files"),
    "KMNIST": (KMNIST, {}, "its four .gz files"),
    "EMNIST": (EMNIST, {"split": "letters"}, "its gzip.zip"),
}


class LikeMNIST(ImageData):
    """The images of a `dataset`, 1 x 28 x 28, that have the `label`: one, several, or "all". Test images are held out.

    `dataset` is FashionMNIST (Xiao et al. 2017), KMNIST (Clanuwat et al. 2018) or EMNIST, its letters, 1 to 26 (Cohen
    et al. 2017). The project's folder `data` gets it at first use.
    """

    def __init__(
        self, *, dataset: str, label: int | str | Sequence[int], batch_size: int, n_critic: int, seed: int
    ) -> None:
        super().__init__(batch_size=batch_size, n_critic=n_critic, seed=seed)
        if dataset not in SETS:
            raise UserError(f"data.dataset={dataset}: must be one of {', '.join(SETS)}")
        self.dataset = dataset
        self.label = label

    def load(self, *, train: bool) -> tuple[Tensor, Tensor]:
        """See `ImageData.load`.

        Raises:
            UserError: if a file is damaged, or missing and not to be downloaded; if no image has the label.
        """
        known = load_set(self.dataset, train=train)
        images = known.data.unsqueeze(1)
        if self.dataset == "EMNIST":
            images = images.mT  # whose files have columns for rows
        if self.label == "all":
            return images, known.targets
        chosen = torch.isin(known.targets, torch.tensor(self.label))
        if not chosen.any():
            there = ", ".join(map(str, known.targets.unique().tolist()))
            raise UserError(f"data.label={self.label}: must be among {there}, or all")
        return images[chosen], known.targets[chosen]

    def describe_number(self) -> str:
        return f"the number of images with data.label={self.label}"


def load_set(name: str, *, train: bool) -> MNIST:
    """Load training or test images and labels of one of SETS. One process at a time unpacks them, at first use.

    Raises:
        UserError: if a file is damaged, or missing and not to be downloaded.
    """
    make, options, files = SETS[name]
    folder = ROOT / name / "raw"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            return make(ROOT, train=train, download=True, **options)
    except Exception as error:  # of the network, of archives, of what is in them
        reason = " ".join(str(error).split())
        raise UserError(
            f"data.dataset={name}: is not there, or damaged, and cannot be fetched ({reason}); copy {files} to {folder}"
        ) from error
