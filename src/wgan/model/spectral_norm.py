"""Spectral normalisation."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from wgan.model.lipschitz import LipschitzMethod, refuse_batch_norm

LAYERS = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


class SpectralNorm(LipschitzMethod):
    """Each layer's weight divided by its largest singular value (Miyato et al. 2018, equation 8 and Algorithm 1).

    Kernels count as matrices with a row for each output channel. A step of the power iteration goes with each forward
    pass in training mode, the generator's too.
    """

    def prepare(self, critic: nn.Module) -> None:
        refuse_batch_norm(critic, "spectral_norm")
        for layer in self.find_layers(critic):
            parametrizations.spectral_norm(layer)

    def find_layers(self, critic: nn.Module) -> list[nn.Module]:
        """The layers that are normalised."""
        return [layer for layer in critic.modules() if isinstance(layer, LAYERS)]

    @torch.no_grad()
    def figures(self, critic: nn.Module) -> dict[str, Tensor]:
        """singular_value_1 and so on: the largest singular value of each layer's weight, about 1."""
        weights = [cast(Tensor, layer.weight).flatten(1) for layer in self.find_layers(critic)]
        return {f"singular_value_{k}": torch.linalg.matrix_norm(weight, 2) for k, weight in enumerate(weights, start=1)}
