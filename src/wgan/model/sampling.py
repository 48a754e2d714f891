"""Images from a generator; each depends on its own latent point alone."""

import torch
from torch import Tensor, nn

from wgan.model.labels import encode_labels, find_classes, list_sample_labels
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
def generate_images(generator: nn.Module, latents: Tensor, labels: Tensor | None = None) -> Tensor:
    """Generate images from latent points (n, latent_dim) in eval mode: uint8 (n, channels, height, width), on the CPU.

    A conditional generator gets the labels, int64 (n,), or else those of `list_sample_labels`.
    All batches have the same size, since the rounding of a convolution may depend on it; the last one is filled up.
    """
    device = next(generator.parameters()).device
    inputs = [latents]
    if classes := find_classes(generator):
        asked = list_sample_labels(len(latents), classes) if labels is None else labels
        inputs.append(encode_labels(asked, classes))
    filled_up = [torch.cat([each, each.new_zeros(-len(each) % BATCH_SIZE, each.shape[1])]) for each in inputs]
    n = len(filled_up[0])
    images = torch.empty(0)
    with evaluating(generator):
        for start in range(0, n, BATCH_SIZE):
            # Not generator(...), which may be compiled: it would be compiled anew for this, and round otherwise.
            batch = [each[start : start + BATCH_SIZE].to(device) for each in filled_up]
            made = quantise_pixels(generator.forward(*batch))
            if start == 0:
                # In one piece: pieces kept from each batch would lie between the memory that the next one needs.
                images = torch.empty(n, *made.shape[1:], dtype=torch.uint8)
            images[start : start + BATCH_SIZE] = made
    return images[: len(latents)]
