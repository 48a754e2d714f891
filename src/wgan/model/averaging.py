"""A moving average of the generator."""

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]


def average_generator(generator: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a generator, to be updated after each iteration (Yazici et al. 2019).

    Of its weights, and of its norms' running averages: those of another network would not fit. What is counted is
    taken as it is.
    """
    move = get_ema_multi_avg_fn(decay)

    def average(averaged: Tensors, current: Tensors, number: Tensor | int) -> None:
        if averaged[0].is_floating_point():
            move(averaged, current, number)
        else:  # labels and counts, which would be rounded down
            for each, value in zip(averaged, current, strict=True):
                each.copy_(value)

    made = AveragedModel(generator, multi_avg_fn=average, use_buffers=True)
    return made.requires_grad_(requires_grad=False)
