"""What the Lipschitz method does to the critic, and how its kernels are spread."""

from pytorch_lightning import Callback, Trainer
from torch import nn

from wgan.callbacks.board import show_histogram, show_scalars
from wgan.model.wgan import WGAN


class CriticWeights(Callback):
    """At the end of each epoch: the method's own figures, as critic/clip_saturation; histograms of the kernels."""

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        figures = {f"critic/{name}": value.item() for name, value in module.lipschitz.figures(module.critic).items()}
        show_scalars(trainer, figures, module.iteration)
        convolutions = (layer for layer in module.critic.modules() if isinstance(layer, nn.Conv2d))
        for number, layer in enumerate(convolutions, start=1):
            show_histogram(trainer, f"critic/kernel_{number}", layer.weight, module.iteration)
