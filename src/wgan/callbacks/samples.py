"""Generated images, epoch by epoch, and how they came about."""

import logging
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from wgan.callbacks.board import show_image
from wgan.callbacks.sheets import draw_sheet
from wgan.files import read_regular, write_whole
from wgan.model.networks import ImageShape
from wgan.model.wgan import WGAN
from wgan.pictures import MARGIN, SCALE, draw_grid, encode_animation, encode_png

SIDE = 10  # images of a row and of a column
LAYOUTS = ((SCALE, MARGIN), (1, 0))  # of grids; earlier versions had the second
EPOCH = re.compile(r"epoch=(\d+)\.png")

log = logging.getLogger(__name__)


class Samples(Callback):
    """At the end of each epoch, the images 0 to 99 of `seed` as a 10 x 10 grid: samples/ and the loggers.

    The latent points stay the same all run long, so that epochs can be compared. At the end of the run progress.gif
    shows the grids one after the other.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        grid = draw_grid(module.sample(SIDE * SIDE, self.seed), SIDE)
        name = f"epoch={trainer.current_epoch + 1:03d}.png"
        write_whole(Path(trainer.default_root_dir) / "samples" / name, encode_png(grid))
        show_image(trainer, "samples", grid, module.iteration)

    def on_fit_end(self, trainer: Trainer, module: WGAN) -> None:
        folder = Path(trainer.default_root_dir)
        grids = {int(found[1]): path for path in folder.glob("samples/*.png") if (found := EPOCH.fullmatch(path.name))}
        frames = [
            draw_sheet(f"{folder.name}: epoch {epoch}", {"": images})
            for epoch, path in sorted(grids.items())
            if (images := read_grid(path, module.image_shape)) is not None
        ]
        if frames:  # they may have been deleted
            write_whole(folder / "progress.gif", encode_animation(frames))


def read_grid(path: Path, shape: ImageShape) -> Tensor | None:
    """The images of an epoch's grid, uint8 (100, *shape); None, and a warning, of a file that is none."""
    channels, height, width = shape
    try:
        with Image.open(BytesIO(read_regular(path))) as image:
            for scale, margin in LAYOUTS:
                high, wide = (scale * side + margin for side in (height, width))
                size = (SIDE * wide + margin, SIDE * high + margin)
                if (image.format, image.mode, image.size) == ("PNG", "L" if channels == 1 else "RGB", size):
                    pixels = torch.from_numpy(np.array(image)).view(*size[::-1], channels)[margin:, margin:]
                    cells = pixels.reshape(SIDE, high, SIDE, wide, channels).permute(0, 2, 4, 1, 3).flatten(0, 1)
                    return cells[..., : scale * height : scale, : scale * width : scale]
            reason = f"a {image.format} of {image.width} x {image.height}, {image.mode}"
    except Exception as error:  # an image can be damaged in many ways
        reason = str(error)
    log.warning("%s is no grid of samples and left out (%s)", path, reason)
    return None
