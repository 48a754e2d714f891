"""What keeps the critic Lipschitz."""

import torch
from torch import Tensor, nn


class WeightClipping:
    """Weights of the critic held within [-clip_value, clip_value] (Arjovsky et al. 2017, Algorithm 1, line 7).

    `clip_scope` says which: "kernels", those of the convolutions; "all", every parameter, as in the paper.
    """

    def __init__(self, clip_value: float, clip_scope: str) -> None:
        self.clip_value = clip_value
        self.clip_scope = clip_scope

    def weights(self, critic: nn.Module) -> list[Tensor]:
        """The parameters that are clipped."""
        if self.clip_scope == "all":
            return list(critic.parameters())
        return [layer.weight for layer in critic.modules() if isinstance(layer, nn.Conv2d)]

    @torch.no_grad()
    def clip(self, critic: nn.Module) -> None:
        """To be called after each update of the critic."""
        for weight in self.weights(critic):
            weight.clamp_(-self.clip_value, self.clip_value)

    @torch.no_grad()
    def saturation(self, critic: nn.Module) -> Tensor:
        """Share of the clipped weights that sit at a bound, a scalar in [0, 1]."""
        weights = torch.cat([weight.flatten() for weight in self.weights(critic)])
        return (weights.abs() >= self.clip_value).float().mean()
