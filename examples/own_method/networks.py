"""Networks of one's own. Each takes the sizes that it needs, and gets them from the model and the images."""

import math

from torch import Tensor, nn


class Critic(nn.Module):
    """Images (n, *image_shape) to scores (n, 1)."""

    def __init__(self, *, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(math.prod(image_shape), width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images.flatten(1))
        return scores


def make_generator(*, latent_dim: int, image_shape: tuple[int, int, int], width: int) -> nn.Sequential:
    """Latent points (n, latent_dim) to images (n, *image_shape) in [-1, 1]: a function is as good as a class."""
    return nn.Sequential(
        nn.Linear(latent_dim, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, math.prod(image_shape)),
        nn.Tanh(),
        nn.Unflatten(1, image_shape),
    )
