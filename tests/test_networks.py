import math
import re

import pytest
import torch
from torch import Tensor, nn

from wgan.errors import UserError
from wgan.model.networks import Critic, Generator, ImageShape
from wgan.model.randomness import open_weights_stream
from wgan.model.sampling import sample_images

LATENT_DIM = 50


def shapes(network: nn.Sequential, inputs: Tensor) -> list[tuple[int, ...]]:
    """Of the output of every layer, without the batch."""
    found = []
    for layer in network:
        inputs = layer(inputs)
        found.append(tuple(inputs.shape[1:]))
    return found


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)], ids=str)
def test_parameter_counts_are_those_of_the_docstrings(shape: ImageShape) -> None:
    counts = {(1, 28, 28): (70_081, 851_201), (3, 32, 32): (73_089, 961_667), (3, 64, 64): (138_817, 1_224_195)}
    networks = (Critic(image_shape=shape), Generator(latent_dim=50, image_shape=shape))
    assert tuple(sum(p.numel() for p in network.parameters()) for network in networks) == counts[shape]
    words = " x ".join(map(str, shape))
    for network, count in zip(networks, counts[shape], strict=True):
        told = " ".join((network.__doc__ or "").split())
        assert re.search(f"{count:,} (parameters )?for (images of )?{words}", told)


def test_networks_fit_all_sizes_and_are_deeper_above_32() -> None:
    sizes = range(16, 65, 4)
    for channels, height, width in [(1 + 2 * (k % 2), size, 80 - size) for k, size in enumerate(sizes)]:
        shape = (channels, height, width)
        generator = Generator(latent_dim=5, image_shape=shape, channels=2)
        images = generator(torch.zeros(2, 5))
        assert images.shape == (2, *shape)
        critic = Critic(image_shape=shape, channels=2)
        assert critic(images).shape == (2, 1)
        strides = [getattr(layer, "stride", 1) == (2, 2) for network in (generator, critic) for layer in network]
        assert sum(strides) == (4 if max(shape) <= 32 else 6)
    with pytest.raises(UserError, match="images of 30 x 28: the project's networks need multiples of 4"):
        Generator(latent_dim=5, image_shape=(1, 30, 28))


def test_critic_layer_by_layer() -> None:
    assert [type(layer).__name__ for layer in Critic()] == [
        *("Conv2d", "BatchNorm2d", "LeakyReLU") * 2,
        *("Flatten", "Linear"),
    ]
    assert shapes(Critic(), torch.zeros(2, 1, 28, 28)) == [(64, 14, 14)] * 3 + [(64, 7, 7)] * 3 + [(3136,), (1,)]


def test_generator_layer_by_layer() -> None:
    assert [type(layer).__name__ for layer in Generator(latent_dim=50)] == [
        *("Linear", "LeakyReLU", "Unflatten"),
        *("ConvTranspose2d", "BatchNorm2d", "LeakyReLU") * 2,
        *("SingleChannelConv2d", "Tanh"),
    ]
    assert shapes(Generator(latent_dim=50), torch.zeros(2, 50)) == [
        *[(6272,)] * 2,
        (128, 7, 7),
        *[(128, 14, 14)] * 3,
        *[(128, 28, 28)] * 3,
        *[(1, 28, 28)] * 2,
    ]


def test_leaky_relu_slopes_and_image_range() -> None:
    for network in (Critic(), Generator(latent_dim=50)):
        assert {layer.negative_slope for layer in network if isinstance(layer, nn.LeakyReLU)} == {0.2}
    images = Generator(latent_dim=50)(100 * torch.randn(4, 50))
    assert images.min() >= -1
    assert images.max() <= 1


@pytest.mark.parametrize("network", [Critic(), Generator(latent_dim=50)], ids=["critic", "generator"])
def test_initial_weights(network: Critic | Generator) -> None:
    network.initialise(open_weights_stream(0))
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) or (
            isinstance(layer, nn.Linear) and isinstance(network, Generator)
        ):
            n = layer.weight.numel()
            assert abs(layer.weight.mean().item()) < 5 * 0.02 / math.sqrt(n)
            assert layer.weight.std().item() == pytest.approx(0.02, rel=5 / math.sqrt(2 * n))
            assert layer.bias is not None
            assert not layer.bias.any()
        elif isinstance(layer, nn.Linear):
            bound = math.sqrt(6 / (3136 + 1))  # Xavier uniform: sqrt(6 / (fan_in + fan_out))
            assert bound * 0.99 < layer.weight.abs().max().item() <= bound
            assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
            assert not layer.bias.any()


def test_initial_weights_do_not_depend_on_the_memory_format() -> None:
    plain, channels_last = Generator(latent_dim=50), Generator(latent_dim=50)
    plain.to(memory_format=torch.contiguous_format)
    for network in (plain, channels_last):
        network.initialise(open_weights_stream(0))
    for a, b in zip(plain.parameters(), channels_last.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.fixture(scope="module")
def generator() -> Generator:
    """With moving averages that tell its modes apart."""
    generator = Generator(latent_dim=50)
    generator.initialise(open_weights_stream(0))
    for _ in range(3):
        generator(torch.randn(16, 50, generator=torch.Generator().manual_seed(0)))
    return generator


def test_sampled_image_depends_on_seed_and_number_alone(generator: Generator) -> None:
    many = sample_images(generator, 130, LATENT_DIM, seed=3)
    assert many.shape == (130, 1, 28, 28)
    assert many.dtype == torch.uint8
    for n in (1, 7, 100, 101):
        assert torch.equal(sample_images(generator, n, LATENT_DIM, seed=3), many[:n])
    assert not torch.equal(many[0], many[1])
    assert not torch.equal(sample_images(generator, 1, LATENT_DIM, seed=4), many[:1])


def test_sampling_uses_moving_averages_and_leaves_the_generator_as_it_was(generator: Generator) -> None:
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    in_training = sample_images(generator.train(), 10, LATENT_DIM, seed=0)
    assert generator.training
    assert torch.equal(sample_images(generator.eval(), 10, LATENT_DIM, seed=0), in_training)
    assert not generator.training
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, state[name]), name
