"""Networks so small that the framework's own cost shows."""

from torch import nn


class ToyGenerator(nn.Sequential):
    """Latent points to images of 28 x 28."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__(nn.Linear(latent_dim, 28 * 28), nn.Unflatten(1, (1, 28, 28)))


class ToyCritic(nn.Sequential):
    """Images of 28 x 28 to scores."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 1, kernel_size=28), nn.Flatten())
