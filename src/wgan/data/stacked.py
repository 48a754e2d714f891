"""Stacked MNIST, on which mode collapse is counted."""

import torch
from torch import Tensor

from wgan import PROJECT
from wgan.data.images import ImageData
from wgan.data.mnist import load_digits
from wgan.model.randomness import Purpose, open_stream


class StackedMNIST(ImageData):
    """Three random digits of MNIST as the channels of an image, 3 x 28 x 28, in 1,000 classes (Metz et al. 2017).

    There are `number` images to train on, and `held_out` others. The first of each stay the same if there are more, and
    whatever the run's seed.
    """

    def __init__(self, *, number: int, held_out: int, batch_size: int, n_critic: int, seed: int) -> None:
        super().__init__(batch_size=batch_size, n_critic=n_critic, seed=seed)
        self.number = number
        self.held_out = held_out

    def load(self, *, train: bool) -> tuple[Tensor, Tensor]:
        images, digits = load_digits(PROJECT / "data", tuple(range(10)), train=train)
        rng = open_stream(0, Purpose.STACKS, int(train))
        chosen = torch.from_numpy(rng.integers(len(digits), size=(self.number if train else self.held_out, 3)))
        return images[chosen, 0], digits[chosen] @ torch.tensor([100, 10, 1])
