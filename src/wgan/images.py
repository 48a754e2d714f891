"""Images: from the networks' [-1, 1] to bytes, and grids of them."""

import math
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor


def from_bytes(images: Tensor) -> Tensor:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return images.float() / 127.5 - 1


def to_bytes(images: Tensor) -> Tensor:
    """Float [-1, 1] to uint8 [0, 255], to the nearest."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def grid(images: Tensor, columns: int | None = None) -> Tensor:
    """n images as one, near square by default, filled row by row: uint8 (n, h, w) to (rows * h, columns * w)."""
    n, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = images.new_zeros(rows * columns, height, width)
    cells[:n] = images
    return cells.view(rows, columns, height, width).transpose(1, 2).reshape(rows * height, columns * width)


def png(image: Tensor) -> bytes:
    """A grey image, uint8 (h, w), as a PNG file."""
    data = BytesIO()
    Image.fromarray(image.numpy()).save(data, format="png")
    return data.getvalue()


def animation(images: list[Tensor]) -> bytes:
    """Grey images, uint8 (h, w), one after the other as a GIF file: half a second each, and two seconds the last."""
    data = BytesIO()
    first, *others = [Image.fromarray(image.numpy()) for image in images]
    seconds = [0.5] * len(others) + [2.0]
    first.save(data, "gif", save_all=True, append_images=others, duration=[1000 * s for s in seconds], loop=0)
    return data.getvalue()
