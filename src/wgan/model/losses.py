"""Losses of the Wasserstein GAN (Arjovsky et al. 2017, equation 3 and Algorithm 1)."""

from typing import TypeVar

from torch import Tensor

REAL, GENERATED = -1, +1

Number = TypeVar("Number", float, Tensor)


def wasserstein_loss(scores: Tensor, label: int) -> Tensor:
    """mean(label * C(x)), a scalar: c1 of real images (REAL), c2 of generated ones (GENERATED).

    The generator wants its images taken for real: g is the loss of their scores with label REAL.
    """
    return label * scores.float().mean()


def wasserstein_estimate(c1: Number, c2: Number) -> Number:
    """mean C(real) - mean C(generated): the critic's estimate of the distance, up to its Lipschitz constant."""
    return -(c1 + c2)
