"""What the critic is like: whether it is Lipschitz, what the method does to it, how its kernels are spread."""

from pytorch_lightning import Callback, Trainer
from torch import nn

from wgan.callbacks.board import show_histogram, show_scalars
from wgan.data.images import ImageData
from wgan.model.labels import encode_labels, give_labels, list_sample_labels
from wgan.model.lipschitz import measure_gradient_norms
from wgan.model.networks import evaluating
from wgan.model.pixels import scale_pixels
from wgan.model.wgan import WGAN

IMAGES = 100  # at which gradients are measured, real and generated ones


class CriticWeights(Callback):
    """At the end of each epoch, on the boards:

    critic/gradient_norm_real, critic/gradient_norm_generated: mean norm of the critic's gradient at images, in eval
    mode; of a 1-Lipschitz critic no norm is larger than 1. The method's own figures, as critic/clip_saturation.
    Histograms of the kernels.
    """

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
            named = {f"critic/{name}": value.item() for name, value in figures.items()}
            show_scalars(trainer, named, module.iteration)
            convolutions = (layer for layer in module.critic.modules() if isinstance(layer, nn.Conv2d))
            for number, layer in enumerate(convolutions, start=1):
                show_histogram(trainer, f"critic/kernel_{number}", layer.weight, module.iteration)
