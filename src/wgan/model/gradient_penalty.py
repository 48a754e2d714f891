"""Gradient penalty."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from wgan.errors import UserError
from wgan.model.lipschitz import LipschitzMethod, measure_gradient_norms, refuse_batch_norm


class GradientPenalty(LipschitzMethod):
    """A penalty for gradients of the critic whose norm is not 1 (Gulrajani et al. 2017, equation 3 and Algorithm 1).

        penalty_weight * mean (||grad C(x)|| - 1)^2,   x = share * real + (1 - share) * generated

    The share is drawn from U[0, 1] for each pair of images: the points lie on the segments between them.
    """

    def __init__(self, *, penalty_weight: float) -> None:
        if not 0 <= penalty_weight < math.inf:
            raise UserError(f"model.penalty_weight={penalty_weight}: must be a number, 0 or more")
        self.penalty_weight = penalty_weight
        self.latest = dict.fromkeys(("penalty", "gradient_norm"), torch.tensor(math.nan))

    def prepare(self, critic: nn.Module) -> None:
        refuse_batch_norm(critic, "gradient_penalty")

    def penalty(self, critic: nn.Module, real: Tensor, generated: Tensor, rng: np.random.Generator) -> Tensor:
        share = torch.from_numpy(rng.random((len(real), 1, 1, 1), dtype=np.float32)).to(real)
        norms = measure_gradient_norms(critic, torch.lerp(generated, real, share))
        penalty = self.penalty_weight * (norms - 1).square().mean()
        self.latest = {"penalty": penalty.detach(), "gradient_norm": norms.detach().mean()}
        return penalty

    def figures(self, critic: nn.Module) -> dict[str, Tensor]:
        """penalty and gradient_norm, the mean norm at its points, of the last critic step; NaN before the first."""
        return self.latest
