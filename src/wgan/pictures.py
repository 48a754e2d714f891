"""Pictures: grids of images, and their files."""

import math
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALE = 2  # pixels of a picture to look at for one of an image
MARGIN = 4  # of its pixels, around each image
WHITE = 255


def arrange_grid(images: Tensor, columns: int | None = None, blank: int = 0) -> Tensor:
    """n images as one, near square by default, filled row by row: uint8 (n, c, h, w) to (c, rows * h, columns * w).

    Cells of the last row that have no image are `blank`, in [0, 255].
    """
    n, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = images.new_full((rows * columns, channels, height, width), blank)
    cells[:n] = images
    rows_first = cells.view(rows, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    return rows_first.reshape(channels, rows * height, columns * width)


def enlarge(image: Tensor, scale: int) -> Tensor:
    """Each pixel of an image, or of several, (..., h, w), `scale` times as wide and high, without blur."""
    return image.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)


def draw_grid(images: Tensor, columns: int | None = None) -> Tensor:
    """As `arrange_grid`, to look at: enlarged, with white margins. uint8 (n, c, h, w) to (c, H, W)."""
    spaced = pad(enlarge(images, SCALE), (0, MARGIN, 0, MARGIN), value=WHITE)
    return pad(arrange_grid(spaced, columns, WHITE), (MARGIN, 0, MARGIN, 0), value=WHITE)


def make_picture(image: Tensor) -> Image.Image:
    """An image of Pillow's, grey or in colour, of uint8 (1, h, w) or (3, h, w)."""
    return Image.fromarray(image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy())


def encode_png(image: Tensor) -> bytes:
    """A PNG file of an image, uint8 (1, h, w) or (3, h, w)."""
    data = BytesIO()
    make_picture(image).save(data, format="png")
    return data.getvalue()


def encode_plot(figure: "Figure") -> bytes:
    """A PNG file of a plot. Its layout is found once: Matplotlib would find the same twice, in a fifth of the time."""
    if layout := figure.get_layout_engine():
        layout.execute(figure)
    figure.set_layout_engine(None)
    data = BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def encode_animation(images: list[Tensor]) -> bytes:
    """A GIF file of images, uint8 (1, h, w) or (3, h, w): half a second each, and two seconds the last."""
    data = BytesIO()
    first, *others = map(make_picture, images)
    seconds = [0.5] * len(others) + [2.0]
    first.save(data, "gif", save_all=True, append_images=others, duration=[1000 * s for s in seconds], loop=0)
    return data.getvalue()
