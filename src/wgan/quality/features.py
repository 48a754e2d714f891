"""The features of images on which figures rest where those of the digit classifier do not serve."""

from collections.abc import Callable
from functools import cache

import torch
from hydra.utils import get_object
from torch import Tensor, nn

from wgan.errors import UserError
from wgan.model.randomness import seed_globally
from wgan.quality.ranking import INCEPTION

KEY = "callbacks.quality.features"

BATCH_SIZE = 100

# A door: a function of images, uint8 (n, channels, height, width), to features (n, d), or a class whose objects are.
Extract = Callable[[Tensor], Tensor]


@cache
def load_extractor(name: str) -> Extract:
    """Make the extractor that callbacks.quality.features names; PyTorch's global random state stays as it is.

    Raises:
        UserError: if Inception's weights are damaged, or neither there nor to be fetched.
    """
    if name == INCEPTION:
        from wgan.quality.inception import load_inception  # a network that few runs need

        return load_inception()
    found = get_object(name)
    with seed_globally(0):
        extract: Extract = found() if isinstance(found, type) else found
    return extract.eval() if isinstance(extract, nn.Module) else extract


@torch.no_grad()
def extract_features(name: str, images: Tensor) -> Tensor:
    """Features, float32 (n, d) on the CPU, of images, uint8 (n, channels, height, width).

    Raises:
        UserError: if an extractor of the user's own makes something else.
    """
    extract, parts = load_extractor(name), []
    for batch in images.split(BATCH_SIZE):
        features = extract(batch)
        if features.ndim != 2 or len(features) != len(batch):
            shape = tuple(features.shape)
            raise UserError(f"{KEY}={name}: must make features (n, d) of n images, not {shape} of {len(batch)}")
        parts.append(features.float().cpu())
    return torch.cat(parts)
