"""What the critic is like: whether it is Lipschitz, what the method does to it, how its kernels are spread."""

import math
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import nn

from wgan.callbacks.board import show_histogram, show_scalars
from wgan.callbacks.table import Table
from wgan.data.images import ImageData
from wgan.files import CRITIC
from wgan.model.labels import encode_labels, give_labels, list_sample_labels
from wgan.model.lipschitz import measure_gradient_norms
from wgan.model.networks import evaluating
from wgan.model.pixels import scale_pixels
from wgan.model.wgan import WGAN

IMAGES = 100  # at which gradients are measured, real and generated ones


class CriticWeights(Callback):
    """At the end of each epoch, in critic.csv and on the boards:

    lipschitz/gradient_norm_real, lipschitz/gradient_norm_generated: mean norm of the critic's gradient at images, in
    eval mode; of a 1-Lipschitz critic no norm is larger than 1. The method's own figures, as lipschitz/clip_saturation.
    These names come after those of the losses, with which TensorBoard opens.
    Histograms of the kernels, on the boards alone.
    """

    def setup(self, trainer: Trainer, module: WGAN, stage: str) -> None:
        with evaluating(module.critic):  # a look at a normalised weight is a step of its power iteration, otherwise
            own = module.lipschitz.figures(module.critic)
        self.table = Table(CRITIC, ("iteration", "epoch", "gradient_norm_real", "gradient_norm_generated", *own))

    def on_load_checkpoint(self, trainer: Trainer, module: WGAN, checkpoint: dict[str, Any]) -> None:
        self.table.load(checkpoint, Path(trainer.default_root_dir))

    def on_fit_start(self, trainer: Trainer, module: WGAN) -> None:
        self.table.write(Path(trainer.default_root_dir))

    def on_save_checkpoint(self, trainer: Trainer, module: WGAN, checkpoint: dict[str, Any]) -> None:
        self.table.save(checkpoint)

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        data: ImageData = trainer.datamodule  # type: ignore[attr-defined]
        generated = scale_pixels(module.sample(IMAGES, module.seed)).to(module.device)
        asked = encode_labels(list_sample_labels(IMAGES, module.classes), module.classes).to(module.device)
        pairs = {"real": (data.images[:IMAGES], data.labels[:IMAGES]), "generated": (generated, asked)}
        with evaluating(module.critic):
            figures = {
                f"gradient_norm_{name}": measure_gradient_norms(give_labels(module.critic, labels), images).mean()
                for name, (images, labels) in pairs.items()
            }
            figures |= module.lipschitz.figures(module.critic)
            named = {name: value.item() for name, value in figures.items()}
            show_scalars(trainer, {f"lipschitz/{name}": value for name, value in named.items()}, module.iteration)
            convolutions = (layer for layer in module.critic.modules() if isinstance(layer, nn.Conv2d))
            for number, layer in enumerate(convolutions, start=1):
                show_histogram(trainer, f"weights/kernel_{number}", layer.weight, module.iteration)
        named |= {"iteration": module.iteration, "epoch": trainer.current_epoch + 1}
        row = [named.get(name, math.nan) for name in self.table.columns]
        self.table.append(torch.tensor([row], dtype=torch.float64))
        self.table.write(Path(trainer.default_root_dir))
