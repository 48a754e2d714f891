"""Pictures to look at: images enlarged, with margins, under a title and captions."""

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from wgan.pictures import MARGIN, draw_grid, make_picture

COLUMNS = 10
LETTERS = 14  # pixels


def draw_sheet(title: str, groups: Mapping[str, Tensor]) -> Tensor:
    """A picture, uint8 (c, H, W): a title, then groups of images, uint8 (n, c, h, w), each under its caption, or ""."""
    grids = {caption: make_picture(draw_grid(images, COLUMNS)) for caption, images in groups.items()}
    font, line = ImageFont.load_default(LETTERS), LETTERS + 2 * MARGIN
    height = line + sum(line * bool(caption) + each.height for caption, each in grids.items())
    first = next(iter(grids.values()))
    sheet = Image.new(first.mode, (first.width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, "black", font)
    y = line
    for caption, each in grids.items():
        draw.text((MARGIN, y + MARGIN), caption, "black", font)
        y += line * bool(caption)
        sheet.paste(each, (0, y))
        y += each.height
    return torch.from_numpy(np.array(sheet)).view(height, first.width, -1).permute(2, 0, 1)
