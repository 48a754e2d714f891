import pytest
import torch
from torch import nn

from wgan.convolution import SingleChannelConv2d


def pair(channels: int, size: int, padding: int) -> tuple[SingleChannelConv2d, nn.Conv2d]:
    torch.manual_seed(0)
    ours = SingleChannelConv2d(channels, kernel_size=size, padding=padding)
    theirs = nn.Conv2d(channels, 1, kernel_size=size, padding=padding)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


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
    ],
)
def test_values_and_gradients_are_those_of_conv2d(
    shape: tuple[int, ...], size: int, padding: int, layout: torch.memory_format
) -> None:
    ours, theirs = pair(shape[1], size, padding)
    images = torch.randn(shape).contiguous(memory_format=layout)
    weights = torch.randn_like(theirs(images))
    found = []
    for layer in (ours, theirs):
        given = images.clone().requires_grad_()
        out = layer(given)
        (out * weights).mean().backward()
        found.append((out, given.grad, *(parameter.grad for parameter in layer.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_gradients_are_exact() -> None:
    ours, _ = pair(3, 3, 1)
    ours.double()
    images = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(ours, images)
    torch.autograd.gradgradcheck(ours, images)


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


def test_on_another_device_it_is_conv2d() -> None:
    ours, _ = pair(3, 3, 1)
    out = ours.to("meta")(torch.empty(2, 3, 5, 4, device="meta"))
    assert out.shape == (2, 1, 5, 4)


def test_too_much_padding() -> None:
    with pytest.raises(ValueError, match="padding=3: must be less than kernel_size=3"):
        SingleChannelConv2d(3, kernel_size=3, padding=3)
