"""Labels: of which class an image is. Without classes they have width 0, so that few have to ask."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

ROW = 10  # images in turn that have the same class: a row of a grid

CLASSES = "class_of_label"


class GivenLabels(nn.Module):
    """A network(x, labels) with its labels given: a function of x alone."""

    def __init__(self, network: nn.Module, labels: Tensor) -> None:
        super().__init__()
        self.network = network
        self.labels = labels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x, self.labels)
        return out


def give_labels(network: nn.Module, labels: Tensor) -> nn.Module:
    """The network as a function of images, or of latent points, alone; labels of width 0 are not given."""
    return GivenLabels(network, labels) if labels.shape[1] else network


def encode_labels(labels: Tensor, classes: Sequence[int]) -> Tensor:
    """One-hot, float32 (n, len(classes)), of labels, int64 (n,)."""
    return (labels[:, None] == torch.tensor([*classes], dtype=torch.int64)).float()


def list_sample_labels(n: int, classes: Sequence[int]) -> Tensor:
    """The labels of the images 0 to n-1 of any seed, int64 (n,): ten of a class, ten of the next, again and again.

    That of an image is a function of its number alone; without classes it is 0.
    """
    return torch.tensor([*classes] or [0])[torch.arange(n) // ROW % max(1, len(classes))]


def register_classes(generator: nn.Module, classes: Sequence[int]) -> None:
    """Let a generator know what its labels stand for, wherever its weights go."""
    if classes:
        generator.register_buffer(CLASSES, torch.tensor(classes, dtype=torch.int64))


def find_classes(generator: nn.Module) -> tuple[int, ...]:
    """The classes of a conditional generator, in the order of its labels; none of another."""
    return tuple(getattr(generator, CLASSES, torch.empty(0)).tolist())
