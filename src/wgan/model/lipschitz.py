"""What keeps the critic Lipschitz: the door for methods, each of which has a file of its own."""

import numpy as np
import torch
from torch import Tensor, nn

from wgan.errors import UserError


class LipschitzMethod:
    """A method of one's own overrides what it needs. By default each step does nothing."""

    def prepare(self, critic: nn.Module) -> None:
        """Called once, before training: may change the critic's layers.

        Raises:
            UserError: if the method does not suit this critic.
        """

    def penalty(self, critic: nn.Module, real: Tensor, generated: Tensor, rng: np.random.Generator) -> Tensor | float:
        """Added to the critic's loss c1 + c2, a scalar.

        Args:
            real, generated: images (n, channels, height, width) in [-1, 1], as many of each.
            rng: to draw from; a pure function of seed, epoch and batch, so that runs can be repeated and resumed.
        """
        return 0.0

    def project(self, critic: nn.Module) -> None:
        """Called after each update of the critic."""

    def figures(self, critic: nn.Module) -> dict[str, Tensor]:
        """Scalars by name, before the first step, too: for critic.csv and the boards at the end of each epoch."""
        return {}


def measure_gradient_norms(critic: nn.Module, images: Tensor) -> Tensor:
    """Norms (n,) of the critic's gradients at images (n, channels, height, width); they can be differentiated."""
    images = images.detach().requires_grad_()
    (gradients,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    norms: Tensor = gradients.flatten(1).norm(dim=1)
    return norms


def refuse_batch_norm(critic: nn.Module, method: str) -> None:
    """Raises UserError if the critic has batch norm, with which a score depends on the other images of the batch."""
    if any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) for layer in critic.modules()):
        raise UserError(
            f"model/lipschitz={method}: does not go with batch norm in the critic, which mixes the images of a batch; "
            "set model.critic_norm=layer or none"
        )
