"""Weight clipping."""

import torch
from torch import Tensor, nn

from wgan.errors import UserError
from wgan.model.lipschitz import LipschitzMethod


class WeightClipping(LipschitzMethod):
    """Weights of the critic held within [-clip_value, clip_value] (Arjovsky et al. 2017, Algorithm 1, line 7).

    `clip_scope` says which: "kernels", those of the convolutions; "all", every parameter, as in the paper.
    """

    def __init__(self, *, clip_value: float, clip_scope: str) -> None:
        self.clip_value = clip_value
        self.clip_scope = clip_scope

    def prepare(self, critic: nn.Module) -> None:
        if not self.weights(critic):
            name = f"{type(critic).__module__}.{type(critic).__qualname__}"
            raise UserError(
                f"model.clip_scope={self.clip_scope}: would clip nothing of {name}, which has no such weights; "
                "set model.clip_scope=all, or another model/lipschitz"
            )

    def weights(self, critic: nn.Module) -> list[Tensor]:
        """The parameters that are clipped."""
        if self.clip_scope == "all":
            return list(critic.parameters())
        convolutions = nn.Conv1d | nn.Conv2d | nn.Conv3d
        return [layer.weight for layer in critic.modules() if isinstance(layer, convolutions)]

    @torch.no_grad()
    def project(self, critic: nn.Module) -> None:
        for weight in self.weights(critic):
            weight.clamp_(-self.clip_value, self.clip_value)

    @torch.no_grad()
    def figures(self, critic: nn.Module) -> dict[str, Tensor]:
        """clip_saturation: the share, in [0, 1], of the clipped weights that sit at a bound."""
        weights = torch.cat([weight.flatten() for weight in self.weights(critic)])
        return {"clip_saturation": (weights.abs() >= self.clip_value).float().mean()}
