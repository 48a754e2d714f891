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
from wgan.callbacks.sheets import draw_sheet, enlarge_grid
from wgan.files import read_regular, write_whole
from wgan.model.networks import ImageShape
from wgan.model.wgan import WGAN
from wgan.pictures import arrange_grid, encode_animation, encode_png

SIDE = 10  # images of a row and of a column
EPOCH = re.compile(r"epoch=(\d+)\.png")

log = logging.getLogger(__name__)


class Samples(Callback):
    """At the end of each epoch, the images 0 to 99 of `seed` as a 10 x 10 grid: samples/ and the loggers.

    The latent points stay the same all run long, so that epochs can be compared. samples/ has a pixel for each pixel of
    an image. The loggers, and progress.gif at the end of the run, show them larger.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        images = module.sample(SIDE * SIDE, self.seed)
        name = f"epoch={trainer.current_epoch + 1:03d}.png"
        write_whole(Path(trainer.default_root_dir) / "samples" / name, encode_png(arrange_grid(images)))
        show_image(trainer, "samples", enlarge_grid(images), module.iteration)

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
    channels, *sides = shape
    height, width = (SIDE * side for side in sides)
    try:
        with Image.open(BytesIO(read_regular(path))) as image:
            if (image.format, image.mode, image.size) == ("PNG", "L" if channels == 1 else "RGB", (width, height)):
                cells = torch.from_numpy(np.array(image)).view(SIDE, sides[0], SIDE, sides[1], channels)
                return cells.permute(0, 2, 4, 1, 3).flatten(0, 1)
            reason = f"a {image.format} of {image.width} x {image.height}, {image.mode}"
    except Exception as error:  # an image can be damaged in many ways
        reason = str(error)
    log.warning("%s is no grid of samples and left out (%s)", path, reason)
    return None
