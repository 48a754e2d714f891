"""Pixels: bytes, and the [-1, 1] of the networks."""

import torch
from torch import Tensor


def scale_pixels(images: Tensor) -> Tensor:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return images.float().div_(127.5).sub_(1)  # in place: a data set may be large


def quantise_pixels(images: Tensor) -> Tensor:
    """Float [-1, 1] to uint8 [0, 255], to the nearest."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
