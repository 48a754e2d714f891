"""Pictures: grids of images, and their files."""

import math
from io import BytesIO

from PIL import Image
from torch import Tensor


def arrange_grid(images: Tensor, columns: int | None = None) -> Tensor:
    """n images as one, near square by default, filled row by row: uint8 (n, c, h, w) to (c, rows * h, columns * w)."""
    n, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = images.new_zeros(rows * columns, channels, height, width)
    cells[:n] = images
    rows_first = cells.view(rows, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    return rows_first.reshape(channels, rows * height, columns * width)


def enlarge(image: Tensor, scale: int) -> Tensor:
    """Each pixel of an image, or of several, (..., h, w), `scale` times as wide and high, without blur."""
    return image.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)


def make_picture(image: Tensor) -> Image.Image:
    """An image of Pillow's, grey or in colour, of uint8 (1, h, w) or (3, h, w)."""
    return Image.fromarray(image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy())


def encode_png(image: Tensor) -> bytes:
    """A PNG file of an image, uint8 (1, h, w) or (3, h, w)."""
    data = BytesIO()
    make_picture(image).save(data, format="png")
    return data.getvalue()


def encode_animation(images: list[Tensor]) -> bytes:
    """A GIF file of images, uint8 (1, h, w) or (3, h, w): half a second each, and two seconds the last."""
    data = BytesIO()
    first, *others = map(make_picture, images)
    seconds = [0.5] * len(others) + [2.0]
    first.save(data, "gif", save_all=True, append_images=others, duration=[1000 * s for s in seconds], loop=0)
    return data.getvalue()
