"""Generator and critic for images of 28 x 28 pixels, one channel, in [-1, 1]."""

import torch
from torch import Tensor, nn

from wgan.convolution import Conv2d, ConvTranspose2d, SingleChannelConv2d
from wgan.images import to_bytes
from wgan.randomness import sample_latents


class Critic(nn.Sequential):
    """Images (n, 1, 28, 28) to scores (n, 1), unbounded, higher for real images. 70,081 parameters."""

    def __init__(self) -> None:
        super().__init__(
            Conv2d(1, 64, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.LeakyReLU(negative_slope=0.2, inplace=True),
            Conv2d(64, 64, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.LeakyReLU(negative_slope=0.2, inplace=True),
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, 1),
        )
        self.to(memory_format=torch.channels_last)  # the layout in which convolutions are faster

    def initialise(self, torch_rng: torch.Generator) -> None:
        """Draw the weights anew: kernels from N(0, 0.02), biases 0, and then the linear layer Xavier uniform."""
        _draw_weights(self, torch_rng)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=torch_rng)


class Generator(nn.Sequential):
    """Latent points (n, latent_dim) to images (n, 1, 28, 28) in [-1, 1]. 851,201 parameters for latent_dim 50."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__(
            nn.Linear(latent_dim, 128 * 7 * 7),
            nn.LeakyReLU(negative_slope=0.2, inplace=True),
            nn.Unflatten(1, (128, 7, 7)),
            ConvTranspose2d(128, 128, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(negative_slope=0.2, inplace=True),
            ConvTranspose2d(128, 128, kernel_size=4, stride=2, padding=1),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(negative_slope=0.2, inplace=True),
            SingleChannelConv2d(128, kernel_size=7, padding=3),
            nn.Tanh(),
        )
        self.to(memory_format=torch.channels_last)
        self.latent_dim = latent_dim

    def initialise(self, torch_rng: torch.Generator) -> None:
        """Draw the weights anew: kernels and the linear layer from N(0, 0.02), biases 0."""
        _draw_weights(self, torch_rng)

    def sample(self, n: int, seed: int) -> Tensor:
        """Images 0 to n-1 of `seed`, uint8 (n, 28, 28), on the CPU: image k depends on weights, seed and k alone."""
        return self.images(sample_latents(n, self.latent_dim, seed))

    @torch.no_grad()
    def images(self, latents: Tensor) -> Tensor:
        """Latent points (n, latent_dim) to images, uint8 (n, 28, 28), on the CPU, in eval mode.

        No image depends on the other points. Batches therefore always have the same size: the last one is filled up,
        since the rounding of a convolution may depend on the size.
        """
        batch_size = 100
        device = next(self.parameters()).device
        filled_up = torch.cat([latents, latents.new_zeros(-len(latents) % batch_size, self.latent_dim)])
        # In one piece, made first: pieces kept from each batch would lie between the memory that the next one needs.
        images = torch.empty(len(filled_up), 1, 28, 28, dtype=torch.uint8)
        training = self.training
        self.eval()
        for batch, made in zip(filled_up.split(batch_size), images.split(batch_size), strict=True):
            # Not self(...), which may be compiled: it would be compiled anew for this, and round otherwise.
            made.copy_(to_bytes(self.forward(batch.to(device))))  # type: ignore[no-untyped-call]
        self.train(training)
        return images[: len(latents)].squeeze(1)


@torch.no_grad()
def _draw_weights(network: nn.Module, torch_rng: torch.Generator) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            # Drawn apart from the weight, whose layout in memory would change the order of the numbers.
            layer.weight.copy_(torch.normal(0.0, 0.02, layer.weight.shape, generator=torch_rng))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
