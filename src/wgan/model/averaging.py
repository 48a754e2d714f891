"""A moving average of the generator."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from wgan.model.labels import encode_labels, give_labels
from wgan.model.randomness import Purpose, draw_latents, move_to_device, open_stream

LATENTS, BATCH = 512, 64  # of which the norms are measured


def average_generator(generator: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a generator's weights, a step an iteration (Yazici et al. 2019)."""
    averaged = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(decay))
    averaged.requires_grad_(requires_grad=False)
    return averaged


def measure_norms(generator: nn.Module, latent_dim: int, classes: Sequence[int], seed: int, epoch: int) -> None:
    """Give the batch norms of an averaged generator the means and variances of its own activations.

    Those of the generator that is trained are of other weights, and averages of them lag behind.
    """
    device = next(generator.parameters()).device
    latents = draw_latents(open_stream(seed, Purpose.NORM_LATENTS, epoch), LATENTS, latent_dim)
    labels = torch.tensor([*classes] or [0]).repeat(BATCH)[:BATCH]  # all classes alike
    network = give_labels(generator, encode_labels(labels, classes).to(device))
    update_bn(move_to_device(latents, device).split(BATCH), network)
