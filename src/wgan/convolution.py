"""A convolution to a single channel, faster on the CPU than PyTorch's."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class SingleChannelConv2d(nn.Conv2d):
    """`nn.Conv2d` with one output channel and stride 1: the same parameters, values and gradients.

    One output channel leaves PyTorch's kernels on the CPU with too little to do at once. In

        y[h, w] = bias + sum over i, j of ( sum over c of weight[c, i, j] * x[c, h + i - padding, w + j - padding] )

    the sum over c is one product of matrices for all i, j, which gives kernel_size^2 maps, and the sum over i, j adds
    these maps, each shifted by (padding - i, padding - j): `fold` (col2im), with the kernel mirrored. Under autocast
    the product is in lower precision, the sum of the maps in float32. On other devices it is `nn.Conv2d` itself.

    Images (n, in_channels, height, width) to (n, 1, height + 2 * padding - kernel_size + 1, width likewise).
    """

    def __init__(self, in_channels: int, *, kernel_size: int, padding: int) -> None:
        if padding >= kernel_size:
            raise ValueError(f"padding={padding}: must be less than kernel_size={kernel_size}")
        super().__init__(in_channels, 1, kernel_size=kernel_size, padding=padding)

    def forward(self, images: Tensor) -> Tensor:
        """Images to their single-channel convolution."""
        if images.device.type != "cpu":
            return super().forward(images)
        size, margin = self.kernel_size[0], self.kernel_size[0] - 1 - int(self.padding[0])
        height, width = (length - 2 * margin + size - 1 for length in images.shape[2:])
        maps = torch.matmul(self.weight.flip(2, 3).flatten(2)[0].t(), images.flatten(2))
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        shifted = functional.fold(maps, (height, width), kernel_size=size, padding=margin)
        return shifted + cast(Tensor, self.bias)
