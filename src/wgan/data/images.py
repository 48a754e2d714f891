"""Real images in memory, and the ones that each iteration takes. A subclass loads them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from wgan.errors import UserError
from wgan.model.networks import ImageShape
from wgan.model.pixels import scale_pixels
from wgan.model.randomness import Purpose, move_to_device, open_stream


class ImageData(LightningDataModule, ABC):
    """Images of one's own are a subclass with `load`.

    A batch has the real images of one iteration, (critic steps * batch_size / 2, channels, height, width) in [-1, 1],
    drawn with replacement. An epoch has floor(images / batch_size) iterations. The model that is trained says how many
    critic steps there are; without one there are `n_critic`.
    """

    digits: tuple[int, ...] | None = None  # the digits of MNIST that are shown; the classifier knows digits alone

    def __init__(self, *, batch_size: int, n_critic: int, seed: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.n_critic = n_critic
        self.seed = seed

    @abstractmethod
    def load(self, *, train: bool) -> tuple[Tensor, Tensor]:
        """Load images, uint8 (N, channels, height, width), and their labels, int64 (N,), on the CPU.

        Args:
            train: whether the images are trained on. The others are held out: their figures are the floor.
        """

    @cached_property
    def training_images(self) -> Tensor:
        """The images that are trained on, uint8 (N, channels, height, width), on the CPU.

        Raises:
            UserError: if `load` returns no images, or fewer than a batch.
        """
        images, _ = self.load(train=True)
        if images.dtype != torch.uint8 or images.ndim != 4:
            found = f"{images.dtype} of {images.ndim} dimensions"
            raise UserError(
                f"data: {type(self).__qualname__}.load must return images as uint8 (N, C, H, W), not {found}"
            )
        if self.batch_size > len(images):
            raise UserError(
                f"data.batch_size={self.batch_size}: must be at most {len(images)}, {self.describe_number()}"
            )
        return images

    @cached_property
    def digest(self) -> bytes:
        """A fingerprint of the training images."""
        return hashlib.sha256(self.training_images.numpy().tobytes()).digest()

    def share_images(self, other: "ImageData") -> None:
        """Take the images of another object with the same settings, if they are enough for a batch of this one."""
        if other is not self and self.batch_size <= len(other.training_images):
            self.training_images = other.training_images

    @property
    def image_shape(self) -> ImageShape:
        """Channels, height and width."""
        channels, height, width = self.training_images.shape[1:]
        return channels, height, width

    def describe_number(self) -> str:
        """Say in words what the number of images is, for messages."""
        return "the number of images"

    def setup(self, stage: str) -> None:
        """Put the images on the device that trains."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        self.images = scale_pixels(self.training_images).to(device)

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Load the real images of an iteration as a batch; indexing a tensor needs no workers."""
        draws = Draws(
            population=len(self.images),
            batches=len(self.images) // self.batch_size,
            size=self.batch_size // 2,
            count_steps=self.count_critic_steps,
            seed=self.seed,
            device=self.images.device,
        )
        # A loader asks for a length and for items, and a tensor has both.
        return DataLoader(self.images, batch_size=None, sampler=draws)  # type: ignore[arg-type]

    def count_critic_steps(self, epoch: int, batch: int) -> int:
        """The critic steps for which a batch has images."""
        module: Any = self.trainer and self.trainer.lightning_module
        return module.count_critic_steps(epoch, batch) if module else self.n_critic


class Draws(Sampler[Tensor]):
    """Random indices with replacement, int64 on `device`; a pure function of (seed, epoch, batch).

    A batch has `size` for each of the steps that `count_steps(epoch, batch)` gives.
    """

    def __init__(
        self,
        *,
        population: int,
        batches: int,
        size: int,
        count_steps: Callable[[int, int], int],
        seed: int,
        device: torch.device,
    ) -> None:
        self.population = population
        self.batches = batches
        self.size = size
        self.count_steps = count_steps
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
            rng = open_stream(self.seed, Purpose.REAL_IMAGES, self.epoch, batch)
            size = self.count_steps(self.epoch, batch) * self.size
            yield move_to_device(torch.from_numpy(rng.integers(self.population, size=size)), self.device)
