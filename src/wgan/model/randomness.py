"""Randomness as a pure function of the seed and of what is drawn.

Nothing reads a global random state, so logging, evaluation and resuming cannot disturb training.
All draws are made on the CPU: a run on a GPU sees the same images and latent points.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Purpose(IntEnum):
    """What a stream of random numbers is for; streams of different purposes are independent."""

    INITIAL_WEIGHTS = 0
    REAL_IMAGES = 1
    TRAINING_LATENTS = 2
    SAMPLE_LATENTS = 3
    PENALTY = 4


def stream(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """The stream of `purpose` under `seed`; `index` numbers several of them, such as (epoch, batch)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *index)))


def initial_weights(seed: int) -> torch.Generator:
    """The same for `torch.nn.init`."""
    return torch.Generator().manual_seed(int(stream(seed, Purpose.INITIAL_WEIGHTS).integers(2**63)))


@contextmanager
def seeded_globally(seed: int) -> Iterator[None]:
    """PyTorch's global random state seeded, for code that reads it; what it was comes back."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def latent_points(rng: np.random.Generator, n: int, latent_dim: int) -> Tensor:
    """The next `n` points of N(0, 1)^latent_dim in the stream, (n, latent_dim), float32."""
    return torch.from_numpy(rng.standard_normal((n, latent_dim), dtype=np.float32))


def sample_latents(n: int, latent_dim: int, seed: int) -> Tensor:
    """The latent points of the images 0 to n-1 of `seed`, (n, latent_dim); point k depends on `seed` and k alone."""
    return torch.cat([latent_points(stream(seed, Purpose.SAMPLE_LATENTS, k), 1, latent_dim) for k in range(n)])


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on `device`; for a GPU it is made from pinned memory, while the host goes on."""
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)
