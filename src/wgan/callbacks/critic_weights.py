"""What the clip does to the critic: how many weights sit at a bound, and how the kernels are spread."""

from pytorch_lightning import Callback, Trainer
from torch import nn

from wgan.module import WGAN
from wgan.tensorboard import events


class CriticWeights(Callback):
    """At the end of each epoch, in TensorBoard: critic/clip_saturation and histograms of the critic's kernels."""

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        board = events(trainer)
        board.add_scalar("critic/clip_saturation", module.clipping.saturation(module.critic), module.iteration)
        convolutions = (layer for layer in module.critic.modules() if isinstance(layer, nn.Conv2d))
        for number, layer in enumerate(convolutions, start=1):
            board.add_histogram(f"critic/kernel_{number}", layer.weight, module.iteration)
