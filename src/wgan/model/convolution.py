"""Convolutions that take less time on the CPU. Parameters, values and gradients are those of PyTorch's layers.

On other devices they are PyTorch's layers.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` that adds its bias after the convolution.

    The gradient of the bias is a sum, which PyTorch does in a twentieth of the time that oneDNN, which makes the
    convolution's gradients, takes for it.
    """

    def forward(self, images: Tensor) -> Tensor:
        """As `nn.Conv2d`."""
        if images.device.type != "cpu" or self.bias is None or self.padding_mode != "zeros":
            return super().forward(images)
        padding = cast(tuple[int, ...], self.padding)
        return _plus(
            self.bias, functional.conv2d(images, self.weight, None, self.stride, padding, self.dilation, self.groups)
        )


class ConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d`, likewise."""

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As `nn.ConvTranspose2d`."""
        if images.device.type != "cpu" or self.bias is None or output_size is not None:
            return super().forward(images, output_size)
        padding, others = cast(tuple[int, ...], self.padding), (self.output_padding, self.groups, self.dilation)
        return _plus(self.bias, functional.conv_transpose2d(images, self.weight, None, self.stride, padding, *others))


def _plus(bias: Tensor, images: Tensor) -> Tensor:
    return images.add_(bias.to(images.dtype).view(-1, 1, 1))


class SingleChannelConv2d(nn.Conv2d):
    """`nn.Conv2d` with one output channel and stride 1.

    One output channel leaves PyTorch's kernels with too little to do at once. In

        y[h, w] = bias + sum over i, j of ( sum over c of weight[c, i, j] * x[c, h + i - padding, w + j - padding] )

    the sum over c is one product of matrices for all i, j, which gives kernel_size^2 maps, and the sum over i, j adds
    these maps, each shifted by (padding - i, padding - j): first those of a row of the kernel, then the rows. The
    gradient for x is a convolution with one *input* channel, which PyTorch does well; that for the weight is a product
    of matrices with the windows of y's gradient (im2col). Under autocast products are in lower precision, sums in
    float32.

    Images (n, in_channels, height, width) to (n, 1, height + 2 * padding - kernel_size + 1, width likewise), float32.
    """

    def __init__(self, in_channels: int, *, kernel_size: int, padding: int) -> None:
        if padding >= kernel_size:
            raise ValueError(f"padding={padding}: must be less than kernel_size={kernel_size}")
        super().__init__(in_channels, 1, kernel_size=kernel_size, padding=padding)

    def forward(self, images: Tensor) -> Tensor:
        """Images to their single-channel convolution."""
        if images.device.type != "cpu" or self.bias is None:
            return super().forward(images)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
        out: Tensor = _SumOfMaps.apply(images.to(dtype), self.weight.to(dtype), int(self.padding[0]))
        return out + self.bias


class _SumOfMaps(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.padding = padding
        n, _, height, width = images.shape
        size = weight.shape[-1]
        maps = torch.bmm(weight[0].flatten(1).t().expand(n, -1, -1), images.flatten(2))
        columns = maps.view(n, size, size, height, width).unbind(2)
        rows = _shifted_sum(columns, padding, dim=-1).unbind(1)
        return _shifted_sum(rows, padding, dim=-2).unsqueeze(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        images, weight = ctx.saved_tensors
        size = weight.shape[-1]
        margin = size - 1 - ctx.padding
        mirrored = weight.flip(2, 3)
        # The layout in which the layers before this one are faster, too.
        kernel = mirrored.transpose(0, 1).contiguous(memory_format=torch.channels_last)
        for_images = functional.conv2d(gradient.to(images.dtype), kernel, padding=margin)
        windows = functional.unfold(gradient, size, padding=margin).to(images.dtype)
        products = torch.bmm(windows, images.flatten(2).transpose(1, 2)).sum(0)
        return for_images, products.t().view_as(weight[0]).flip(1, 2).unsqueeze(0), None


def _shifted_sum(maps: Sequence[Tensor], padding: int, dim: int) -> Tensor:
    """sum over k of maps[k], shifted by padding - k along `dim`, where it is 2 * padding - len(maps) + 1 longer."""
    length = maps[0].shape[dim]
    shape = list(maps[0].shape)
    shape[dim] += 2 * padding - len(maps) + 1
    total = maps[0].new_zeros(shape, dtype=torch.promote_types(maps[0].dtype, torch.float32))
    for k, part in enumerate(maps):
        first, end = max(0, padding - k), min(shape[dim], length + padding - k)
        if first < end:
            total.narrow(dim, first, end - first).add_(part.narrow(dim, first + k - padding, end - first))
    return total
