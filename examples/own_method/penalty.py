"""A Lipschitz method of one's own."""

import numpy as np
import torch
from torch import Tensor, nn

from wgan import LipschitzMethod


class RealGradients(LipschitzMethod):
    """R1 (Mescheder et al. 2018, equation 9): penalty_weight / 2 times the mean of |grad C(x)|^2 at real images x."""

    def __init__(self, *, penalty_weight: float) -> None:
        self.penalty_weight = penalty_weight

    def penalty(self, critic: nn.Module, real: Tensor, generated: Tensor, rng: np.random.Generator) -> Tensor:
        images = real.detach().requires_grad_()
        (gradients,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
        return self.penalty_weight / 2 * gradients.square().flatten(1).sum(1).mean()

    @torch.no_grad()
    def figures(self, critic: nn.Module) -> dict[str, Tensor]:
        return {"largest_weight": torch.stack([weight.abs().max() for weight in critic.parameters()]).max()}
