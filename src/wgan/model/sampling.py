"""Images from a generator; each depends on its own latent point alone."""

import torch
from torch import Tensor, nn

from wgan.model.networks import evaluating
from wgan.model.pixels import quantise_pixels
from wgan.model.randomness import sample_latents

BATCH_SIZE = 100


def sample_images(generator: nn.Module, n: int, latent_dim: int, seed: int) -> Tensor:
    """Generate the images 0 to n-1 of `seed`, uint8 (n, channels, height, width), on the CPU.

    Image k depends on weights, seed and k alone.
    """
    return generate_images(generator, sample_latents(n, latent_dim, seed))


@torch.no_grad()
def generate_images(generator: nn.Module, latents: Tensor) -> Tensor:
    """Generate images from latent points (n, latent_dim) in eval mode: uint8 (n, channels, height, width), on the CPU.

    All batches have the same size, since the rounding of a convolution may depend on it; the last one is filled up.
    """
    device = next(generator.parameters()).device
    filled_up = torch.cat([latents, latents.new_zeros(-len(latents) % BATCH_SIZE, latents.shape[1])])
    images = torch.empty(0)
    with evaluating(generator):
        for start in range(0, len(filled_up), BATCH_SIZE):
            # Not generator(...), which may be compiled: it would be compiled anew for this, and round otherwise.
            made = quantise_pixels(generator.forward(filled_up[start : start + BATCH_SIZE].to(device)))
            if start == 0:
                # In one piece: pieces kept from each batch would lie between the memory that the next one needs.
                images = torch.empty(len(filled_up), *made.shape[1:], dtype=torch.uint8)
            images[start : start + BATCH_SIZE] = made
    return images[: len(latents)]
