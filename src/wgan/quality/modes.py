"""Mode collapse on stacked MNIST, whose modes are the three digits of an image's channels."""

from functools import lru_cache

import torch
from torch import Tensor
from torchmetrics import Metric

from wgan.quality.classifier import load_classifier

# How often MNIST's training images show each digit.
COUNTS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)


@lru_cache(maxsize=1)  # two figures look at the same images
def count_modes(images: Tensor) -> Tensor:
    """How many of the images, uint8 (n, 3, 28, 28), are of each mode, int64 (1000,)."""
    _, digits = load_classifier().classify(images.flatten(0, 1).unsqueeze(1))
    return torch.bincount(digits.view(-1, 3) @ torch.tensor([100, 10, 1]), minlength=1000)


class Modes(Metric):
    """How many of the 1,000 modes there are among images, uint8 (n, 3, 28, 28) (Metz et al. 2017, section 3.3.1).

    The digit classifier tells the digit of each channel. The published numbers are of 26,000 images.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: Tensor
        self.add_state("found", torch.zeros(1000, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, images: Tensor) -> None:
        """Count the modes of more images."""
        self.found += count_modes(images)

    def compute(self) -> Tensor:
        """The number of modes that were found."""
        return (self.found > 0).sum()


class ModeDivergence(Modes):
    """KL(generated || real) in nats, of the shares that the modes have: 0 is best (Srivastava et al. 2017)."""

    def compute(self) -> Tensor:
        """The divergence. That of n images of the real shares is about 999 / 2n."""
        digits = torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)
        real = torch.einsum("i,j,k->ijk", digits, digits, digits).flatten()
        share = self.found / self.found.sum()
        return (torch.xlogy(share, share) - torch.xlogy(share, real)).sum()
