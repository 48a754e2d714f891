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

from wgan.files import write_whole
from wgan.images import animation, grid, png
from wgan.module import WGAN
from wgan.strangers import read_regular
from wgan.tensorboard import events

SIZE = (280, 280)  # of a grid, width and height
EPOCH = re.compile(r"epoch=(\d+)\.png")

log = logging.getLogger(__name__)


class Samples(Callback):
    """At the end of each epoch, the images 0 to 99 of `seed` as a 10 x 10 grid: samples/ and TensorBoard.

    The latent points stay the same all run long, so that epochs can be compared. At the end of the run, progress.gif
    shows the grids one after the other.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        picture = grid(module.generator.sample(100, self.seed))
        name = f"epoch={trainer.current_epoch + 1:03d}.png"
        write_whole(Path(trainer.default_root_dir) / "samples" / name, png(picture))
        events(trainer).add_image("samples", picture, module.iteration, dataformats="HW")

    def on_fit_end(self, trainer: Trainer, module: WGAN) -> None:
        folder = Path(trainer.default_root_dir)
        grids = {int(found[1]): path for path in folder.glob("samples/*.png") if (found := EPOCH.fullmatch(path.name))}
        pictures = [picture for _, path in sorted(grids.items()) if (picture := read_grid(path)) is not None]
        if pictures:  # they may have been deleted
            write_whole(folder / "progress.gif", animation(pictures))


def read_grid(path: Path) -> Tensor | None:
    """A grid of an epoch, uint8 (280, 280); None, and a warning, of a file that is none."""
    try:
        with Image.open(BytesIO(read_regular(path))) as image:
            if (image.format, image.mode, image.size) == ("PNG", "L", SIZE):
                return torch.from_numpy(np.array(image))
            reason = f"a {image.format} of {image.width} x {image.height}, {image.mode}"
    except Exception as error:  # an image can be damaged in many ways
        reason = str(error)
    log.warning("%s is no grid of samples and left out (%s)", path, reason)
    return None
