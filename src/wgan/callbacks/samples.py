"""Generated images, epoch by epoch."""

from pathlib import Path

from pytorch_lightning import Callback, Trainer

from wgan.files import write_whole
from wgan.images import grid, png
from wgan.module import WGAN
from wgan.tensorboard import events


class Samples(Callback):
    """At the end of each epoch, the images 0 to 99 of `seed` as a 10 x 10 grid: samples/ and TensorBoard.

    The latent points stay the same all run long, so that epochs can be compared.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        picture = grid(module.generator.sample(100, self.seed))
        name = f"epoch={trainer.current_epoch + 1:03d}.png"
        write_whole(Path(trainer.default_root_dir) / "samples" / name, png(picture))
        events(trainer).add_image("samples", picture, module.iteration, dataformats="HW")
