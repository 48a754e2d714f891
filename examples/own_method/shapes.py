"""A data set of one's own: coloured discs and squares, drawn here."""

import numpy as np
import torch
from torch import Tensor

from wgan import ImageData


class Shapes(ImageData):
    """2,000 images to train on and 500 held out, (3, size, size) each; label 0 is a disc, 1 a square."""

    def __init__(self, *, size: int, batch_size: int, n_critic: int, seed: int) -> None:
        super().__init__(batch_size=batch_size, n_critic=n_critic, seed=seed)
        self.size = size

    def load(self, *, train: bool) -> tuple[Tensor, Tensor]:
        n, rng = (2000, np.random.default_rng(0)) if train else (500, np.random.default_rng(1))
        labels = rng.integers(2, size=n)
        y, x = np.mgrid[: self.size, : self.size]
        centres = rng.uniform(0.3, 0.7, size=(2, n, 1, 1)) * self.size
        across, down = np.abs(x - centres[0]), np.abs(y - centres[1])
        distances = np.where(labels[:, None, None] == 0, np.hypot(across, down), np.maximum(across, down))
        inside = distances < rng.uniform(0.15, 0.3, size=(n, 1, 1)) * self.size
        colours = rng.integers(128, 256, size=(n, 3, 1, 1))
        images = (inside[:, None] * colours).astype(np.uint8)
        return torch.from_numpy(images), torch.from_numpy(labels)
