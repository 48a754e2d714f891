"""Real images in memory, and the ones that each iteration takes. A subclass loads them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from wgan.errors import UserError
from wgan.model.labels import encode_labels
from wgan.model.networks import ImageShape
from wgan.model.pixels import scale_pixels
from wgan.model.randomness import Purpose, move_to_device, open_stream


class ImageData(LightningDataModule, ABC):
    """Images of one's own are a subclass with `load`.

    A batch has the real images of one iteration, (critic steps * batch_size / 2, channels, height, width) in [-1, 1],
    drawn with replacement, and labels, one-hot ((critic steps + 2) * batch_size / 2, label_dim): first those of the
    images; then those that the generator's step asks for, drawn likewise, so that each class is as frequent as among
    the images. An epoch has floor(images / batch_size) iterations. The model that is trained says how many critic steps
    there are, and whether it has labels; without one there are `n_critic`, and labels of width 0.
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
    def training_set(self) -> tuple[Tensor, Tensor]:
        """What is trained on, as `load` returns it.

        Raises:
            UserError: if `load` returns no images, or fewer than a batch.
        """
        images, labels = self.load(train=True)
        if images.dtype != torch.uint8 or images.ndim != 4:
            found = f"{images.dtype} of {images.ndim} dimensions"
            raise UserError(
                f"data: {type(self).__qualname__}.load must return images as uint8 (N, C, H, W), not {found}"
            )
        if self.batch_size > len(images):
            raise UserError(
                f"data.batch_size={self.batch_size}: must be at most {len(images)}, {self.describe_number()}"
            )
        return images, labels

    @property
    def training_images(self) -> Tensor:
        """The images that are trained on, uint8 (N, channels, height, width), on the CPU."""
        return self.training_set[0]

    @property
    def classes(self) -> tuple[int, ...]:
        """The labels that the training images have, in ascending order.

        Raises:
            UserError: if `load` does not return a label for each image.
        """
        images, labels = self.training_set
        if labels.dtype != torch.int64 or labels.shape != (len(images),):
            found = f"{labels.dtype} {tuple(labels.shape)}"
            raise UserError(
                f"model.conditional=true: {type(self).__qualname__}.load must return labels as int64 "
                f"({len(images)},), not {found}"
            )
        return tuple(labels.unique().tolist())

    @cached_property
    def digest(self) -> bytes:
        """A fingerprint of the training images."""
        return hashlib.sha256(self.training_images.numpy().tobytes()).digest()

    def share_images(self, other: "ImageData") -> None:
        """Take the images of another object with the same settings, if they are enough for a batch of this one."""
        if other is not self and self.batch_size <= len(other.training_images):
            self.training_set = other.training_set

    @property
    def image_shape(self) -> ImageShape:
        """Channels, height and width."""
        channels, height, width = self.training_images.shape[1:]
        return channels, height, width

    def describe_number(self) -> str:
        """Say in words what the number of images is, for messages."""
        return "the number of images"

    def setup(self, stage: str) -> None:
        """Put the images and their labels on the device that trains."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        self.images = scale_pixels(self.training_images).to(device)
        module: Any = self.trainer and self.trainer.lightning_module
        classes = module.classes if module else ()
        labels = encode_labels(self.training_set[1], classes) if classes else torch.empty(len(self.images), 0)
        self.labels = labels.to(device)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Load images and labels of an iteration as a batch; indexing tensors needs no workers."""
        draws = Draws(
            population=len(self.images),
            batches=len(self.images) // self.batch_size,
            size=self.batch_size // 2,
            count_steps=self.count_critic_steps,
            seed=self.seed,
            device=self.images.device,
        )
        return DataLoader(TrainingSet(self.images, self.labels, self.batch_size), batch_size=None, sampler=draws)

    def count_critic_steps(self, epoch: int, batch: int) -> int:
        """The critic steps for which a batch has images."""
        module: Any = self.trainer and self.trainer.lightning_module
        return module.count_critic_steps(epoch, batch) if module else self.n_critic


class TrainingSet(Dataset[tuple[Tensor, Tensor]]):
    """Images and one-hot labels by indices; of the last `asked` indices the labels alone."""

    def __init__(self, images: Tensor, labels: Tensor, asked: int) -> None:
        self.images = images
        self.labels = labels
        self.asked = asked

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return self.images[indices[: -self.asked]], self.labels[indices]

    def __len__(self) -> int:
        return len(self.images)


class Draws(Sampler[Tensor]):
    """Random indices with replacement, int64 on `device`; a pure function of (seed, epoch, batch).

    A batch has `size` for each of the steps that `count_steps(epoch, batch)` gives, and twice as many, from a stream of
    their own, for the labels of the generator's step.
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
            of_images, of_labels = (
                open_stream(self.seed, purpose, self.epoch, batch) for purpose in (Purpose.REAL_IMAGES, Purpose.LABELS)
            )
            real = of_images.integers(self.population, size=self.count_steps(self.epoch, batch) * self.size)
            asked = of_labels.integers(self.population, size=2 * self.size)
            yield move_to_device(torch.from_numpy(np.concatenate([real, asked])), self.device)
