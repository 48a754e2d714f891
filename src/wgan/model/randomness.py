"""Random numbers as a pure function of the seed and of their purpose.

Nothing reads a global random state, so that logging, evaluation and resuming cannot disturb training. The CPU draws
all numbers: a run on a GPU sees the same images and latent points.
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
    LABELS = 5
    NORM_LATENTS = 6
    STACKS = 7


def open_stream(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """The stream of `purpose` under `seed`; `index` numbers several of them, such as (epoch, batch)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *index)))


def open_weights_stream(seed: int) -> torch.Generator:
    """The stream for initial weights, as `torch.nn.init` takes it."""
    return torch.Generator().manual_seed(int(open_stream(seed, Purpose.INITIAL_WEIGHTS).integers(2**63)))


@contextmanager
def seed_globally(seed: int) -> Iterator[None]:
    """Seed PyTorch's global random state for code that reads it, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def draw_latents(rng: np.random.Generator, n: int, latent_dim: int) -> Tensor:
    """Draw the next `n` points of N(0, 1)^latent_dim from the stream, (n, latent_dim), float32."""
    return torch.from_numpy(rng.standard_normal((n, latent_dim), dtype=np.float32))


def sample_latents(n: int, latent_dim: int, seed: int) -> Tensor:
    """Draw the latent points of images 0 to n-1, (n, latent_dim); point k depends on `seed` and k alone."""
    return torch.cat([draw_latents(open_stream(seed, Purpose.SAMPLE_LATENTS, k), 1, latent_dim) for k in range(n)])


def move_to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to `device`; to a GPU from pinned memory, so that the host goes on meanwhile."""
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)
