"""Generator and critic for images in [-1, 1] whose height and width are multiples of 4, from 16 to 64.

Above 32 both are a layer deeper: a layer of stride 2 more in the critic, and one in the generator that doubles.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from wgan.errors import UserError
from wgan.model.convolution import Conv2d, ConvTranspose2d, SingleChannelConv2d

MakeNetwork = Callable[..., nn.Module]
ImageShape = tuple[int, int, int]  # channels, height, width

GREY_28: ImageShape = (1, 28, 28)

LARGEST_SHALLOW = 32  # pixels: of larger images the layers before the linear one would see too little


class Critic(nn.Sequential):
    """Images (n, *image_shape) to scores (n, 1), unbounded, higher for real images.

    It has 70,081 parameters for images of 1 x 28 x 28, 73,089 for 3 x 32 x 32, 138,817 for 3 x 64 x 64.

    `norm` is batch, layer (of all values of an image, with a scale and an offset a channel) or none.

    Labels are projected (Miyato & Koyama 2018, equation 3): with the last layer's features f(x) the score is
    w f(x) + b + y (V f(x) + c), for labels y, one-hot (n, label_dim). Nothing before that layer knows of them, so that
    each method which keeps the critic Lipschitz is what it is without them.
    """

    def __init__(
        self, *, image_shape: ImageShape = GREY_28, label_dim: int = 0, channels: int = 64, norm: str = "batch"
    ) -> None:
        colours, height, width = image_shape
        layers: list[nn.Module] = []
        for inputs in [colours, channels, channels][: (depth := _find_depth(image_shape))]:
            layers += [
                Conv2d(inputs, channels, kernel_size=4, stride=2, padding=1),
                _make_norm(norm, channels),
                nn.LeakyReLU(negative_slope=0.2, inplace=True),
            ]
        features = channels * (height >> depth) * (width >> depth)
        super().__init__(*layers, nn.Flatten(), nn.Linear(features, 1 + label_dim))
        self.to(memory_format=torch.channels_last)  # the layout in which convolutions are faster

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images, with their labels where there are some, to scores."""
        scores: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
        if labels is None:
            return scores
        return scores[:, :1] + (scores[:, 1:] * labels).sum(dim=1, keepdim=True)

    def initialise(self, torch_rng: torch.Generator) -> None:
        """Draw the weights anew: kernels from N(0, 0.02), biases 0, and then the linear layer Xavier uniform."""
        _draw_weights(self, torch_rng)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=torch_rng)


class Generator(nn.Sequential):
    """Latent points (n, latent_dim) to images (n, *image_shape) in [-1, 1].

    With latent_dim 50 it has 851,201 parameters for images of 1 x 28 x 28, 961,667 for 3 x 32 x 32, 1,224,195 for
    3 x 64 x 64.

    Labels, one-hot (n, label_dim), are joined to the latent points, as long as these are on average: so the class has a
    say from the beginning.
    """

    def __init__(
        self, *, latent_dim: int, label_dim: int = 0, image_shape: ImageShape = GREY_28, channels: int = 128
    ) -> None:
        colours, height, width = image_shape
        depth = _find_depth(image_shape)
        first = (channels, height >> depth, width >> depth)
        layers: list[nn.Module] = []
        for halvings in reversed(range(depth)):
            odd = ((height >> halvings) % 2, (width >> halvings) % 2)  # the sides, after as many halvings
            layers += [
                ConvTranspose2d(channels, channels, kernel_size=4, stride=2, padding=1, output_padding=odd),
                nn.BatchNorm2d(channels),
                nn.LeakyReLU(negative_slope=0.2, inplace=True),
            ]
        super().__init__(
            nn.Linear(latent_dim + label_dim, math.prod(first)),
            nn.LeakyReLU(negative_slope=0.2, inplace=True),
            nn.Unflatten(1, first),
            *layers,
            SingleChannelConv2d(channels, kernel_size=7, padding=3)
            if colours == 1
            else Conv2d(channels, colours, kernel_size=7, padding=3),
            nn.Tanh(),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latent points, with the labels asked for where there are some, to images."""
        if labels is not None:
            latents = torch.cat([latents, math.sqrt(latents.shape[1]) * labels], dim=1)
        images: Tensor = super().forward(latents)  # type: ignore[no-untyped-call]
        return images

    def initialise(self, torch_rng: torch.Generator) -> None:
        """Draw the weights anew: kernels and the linear layer from N(0, 0.02), biases 0."""
        _draw_weights(self, torch_rng)


def _make_norm(norm: str, channels: int) -> nn.Module:
    layers = {"batch": nn.BatchNorm2d(channels), "layer": nn.GroupNorm(1, channels), "none": nn.Identity()}
    return layers[norm]


@torch.no_grad()
def _draw_weights(network: nn.Module, torch_rng: torch.Generator) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            # Drawn apart from the weight, whose layout in memory would change the order of the numbers.
            layer.weight.copy_(torch.normal(0.0, 0.02, layer.weight.shape, generator=torch_rng))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _find_depth(image_shape: ImageShape) -> int:
    """How often the critic halves an image, and the generator doubles one."""
    _, height, width = image_shape
    if height % 4 or width % 4:
        raise UserError(f"images of {height} x {width}: the project's networks need multiples of 4; bring your own")
    return 2 if max(height, width) <= LARGEST_SHALLOW else 3


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """The network in eval mode, in which a look at it changes nothing: the norms' averages stay as they are."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def build_network(make: MakeNetwork, torch_rng: torch.Generator | None, **sizes: Any) -> nn.Module:
    """Build a network of the project's or of the user's own.

    Args:
        make: a class or function, which gets the `sizes` that it takes.
        torch_rng: a network with a method `initialise` draws its weights anew with it. None: weights do not matter.
        sizes: latent_dim, label_dim (0: there are no labels), image_shape (channels, height, width), a critic's norm.

    Raises:
        UserError: if it makes no network, or one that takes no labels where there are some.
    """
    parameters = inspect.signature(make).parameters.values()
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    taken = {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL}
    typed = make.keywords if isinstance(make, partial) else {}
    if sizes.get("label_dim") and not (takes_all or "label_dim" in taken):
        name = getattr(make, "func", make).__qualname__
        raise UserError(f"model.conditional=true: {name} takes no label_dim; let it take labels, or set false")
    network = make(**{name: sizes[name] for name in sizes if (takes_all or name in taken) and name not in typed})
    if not isinstance(network, nn.Module):
        raise UserError(f"model: {make} must make an nn.Module, and makes a {type(network).__name__}")
    if torch_rng and callable(initialise := getattr(network, "initialise", None)):
        initialise(torch_rng)
    return network
