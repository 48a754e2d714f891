"""Pictures to look at: images enlarged, with margins, under a title and captions."""

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from wgan.pictures import arrange_grid, enlarge, make_picture

SCALE = 2  # pixels of a picture for one of an image
MARGIN = 4
COLUMNS = 10
LETTERS = 14  # pixels


def enlarge_grid(images: Tensor) -> Tensor:
    """Images in rows of ten, twice as large, with margins: uint8 (n, c, h, w) to (c, H, W)."""
    spaced = torch.nn.functional.pad(enlarge(images, SCALE), (0, MARGIN, 0, MARGIN), value=255)
    return torch.nn.functional.pad(arrange_grid(spaced, columns=COLUMNS), (MARGIN, 0, MARGIN, 0), value=255)


def draw_sheet(title: str, groups: Mapping[str, Tensor]) -> Tensor:
    """A picture, uint8 (c, H, W): a title, then groups of images, uint8 (n, c, h, w), each under its caption, or ""."""
    grids = {caption: make_picture(enlarge_grid(images)) for caption, images in groups.items()}
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
