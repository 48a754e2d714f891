from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from wgan.model.convolution import Conv2d, ConvTranspose2d, SingleChannelConv2d


def pair(channels: int, size: int, padding: int) -> tuple[SingleChannelConv2d, nn.Conv2d]:
    torch.manual_seed(0)
    ours = SingleChannelConv2d(channels, kernel_size=size, padding=padding)
    theirs = nn.Conv2d(channels, 1, kernel_size=size, padding=padding)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def values_and_gradients(layer: nn.Module, images: Tensor) -> list[Tensor]:
    """Of the output, then of the images and the parameters."""
    given = images.clone().requires_grad_()
    out = layer(given)
    (out * torch.linspace(0.1, 1, out.numel()).view_as(out)).mean().backward()
    gradients = [leaf.grad for leaf in (given, *layer.parameters())]
    assert all(gradient is not None for gradient in gradients)
    return [out, *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("shape", "size", "padding"),
    [
        ((2, 128, 28, 28), 7, 3),
        ((3, 5, 9, 13), 3, 1),
        ((1, 1, 6, 6), 1, 0),
        ((2, 3, 8, 7), 5, 0),
        ((2, 3, 8, 7), 5, 4),
        ((2, 3, 8, 7), 4, 1),
        ((2, 3, 1, 2), 7, 3),
    ],
)
def test_single_channel_values_and_gradients_are_those_of_conv2d(
    shape: tuple[int, ...], size: int, padding: int, layout: torch.memory_format
) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=layout)
    found = (values_and_gradients(layer, images) for layer in pair(shape[1], size, padding))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


Arguments = dict[str, int | str]


@pytest.mark.parametrize(
    ("make", "original", "arguments"),
    [
        (Conv2d, nn.Conv2d, {"kernel_size": 4, "stride": 2, "padding": 1}),
        (Conv2d, nn.Conv2d, {"kernel_size": 3, "dilation": 2, "groups": 2}),
        (Conv2d, nn.Conv2d, {"kernel_size": 3, "padding": "same"}),
        (Conv2d, nn.Conv2d, {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"}),
        (ConvTranspose2d, nn.ConvTranspose2d, {"kernel_size": 4, "stride": 2, "padding": 1}),
        (ConvTranspose2d, nn.ConvTranspose2d, {"kernel_size": 3, "stride": 2, "output_padding": 1, "groups": 2}),
    ],
)
def test_the_others_are_pytorchs_too(
    make: Callable[..., nn.Module], original: Callable[..., nn.Module], arguments: Arguments
) -> None:
    torch.manual_seed(0)
    ours, theirs = make(4, 6, **arguments), original(4, 6, **arguments)
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(3, 4, 9, 8)
    found = (values_and_gradients(layer, images) for layer in (ours, theirs))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [SingleChannelConv2d(3, kernel_size=3, padding=1), Conv2d(3, 2, 3), ConvTranspose2d(3, 2, 3, stride=2)]
)
def test_gradients_are_exact(layer: nn.Module) -> None:
    layer.double()
    images = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(layer, images)
    torch.autograd.gradgradcheck(layer, images)


def test_parameters_are_those_of_conv2d() -> None:
    ours, theirs = pair(128, 7, 3)
    assert {name: tensor.shape for name, tensor in ours.state_dict().items()} == {
        "weight": (1, 128, 7, 7),
        "bias": (1,),
    }
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())


def test_under_autocast_the_maps_are_summed_in_float32() -> None:
    ours, theirs = pair(128, 7, 3)
    images = torch.randn(2, 128, 28, 28)
    exact = theirs(images)
    with torch.autocast("cpu", torch.bfloat16):
        out = ours(images)
        rounded = theirs(images)
    assert out.dtype == torch.float32
    assert (out - exact).abs().mean() < (rounded - exact).abs().mean()


def test_gradients_under_autocast() -> None:
    ours, theirs = pair(16, 7, 3)
    images = torch.randn(4, 16, 28, 28)
    exact = values_and_gradients(theirs, images)
    with torch.autocast("cpu", torch.bfloat16):
        found = values_and_gradients(ours, images)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.01 * other.norm()  # bfloat16 keeps 8 bits: each number is off by up to 0.4 %


def test_the_gradient_for_the_images_is_in_their_layout() -> None:
    images = torch.randn(2, 8, 9, 9).contiguous(memory_format=torch.channels_last)
    _, gradient, *_ = values_and_gradients(pair(8, 7, 3)[0], images)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (SingleChannelConv2d(3, kernel_size=3, padding=1), (2, 1, 5, 4)),
        (Conv2d(3, 2, kernel_size=3), (2, 2, 3, 2)),
        (ConvTranspose2d(3, 2, kernel_size=3), (2, 2, 7, 6)),
    ],
)
def test_on_another_device_they_are_pytorchs(layer: nn.Module, shape: tuple[int, ...]) -> None:
    out = layer.to("meta")(torch.empty(2, 3, 5, 4, device="meta"))
    assert out.shape == shape


def test_too_much_padding() -> None:
    with pytest.raises(ValueError, match="padding=3: must be less than kernel_size=3"):
        SingleChannelConv2d(3, kernel_size=3, padding=3)
