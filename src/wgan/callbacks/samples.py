"""Generated images, epoch by epoch, and how they came about."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_lightning import Callback, Trainer

from wgan.files import write_whole
from wgan.images import animation, grid, png
from wgan.module import WGAN
from wgan.tensorboard import events


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
        names = sorted((folder / "samples").glob("epoch=*.png"), key=lambda path: int(path.stem.partition("=")[2]))
        pictures = [torch.from_numpy(np.array(Image.open(name))) for name in names]
        if pictures:  # they may have been deleted
            write_whole(folder / "progress.gif", animation(pictures))
