"""Figures of each class of a conditional generator."""

from collections.abc import Mapping

from torch import Tensor

from wgan.quality.figures import Reference, measure_frechet_distance
from wgan.quality.ranking import name_distances

Figures = dict[str, float]


def measure_classes(known: Reference, images: Tensor, labels: Tensor) -> dict[int, Figures]:
    """The Fréchet distance and class_accuracy of each digit of which there are two images at least, and their floors.

    The other figures need more images than there are of a class. A distance compares with one of as many images.

    Args:
        known: real digits with their labels; of other images nothing is measured.
        images: uint8 (n, 1, 28, 28).
        labels: the digits that they were asked to show, int64 (n,).
    """
    if not known.digits or known.held_out_labels is None:
        return {}
    floor = _measure(known, known.held_out, known.held_out_labels)
    return {
        digit: figures | {f"{name}_floor": value for name, value in floor[digit].items()}
        for digit, figures in _measure(known, images, labels).items()
        if digit in floor
    }


def tabulate_classes(by_class: Mapping[int, Figures]) -> list[list[str]]:
    """The cells of a table: a row a class, a column a figure."""
    rows = [[str(digit), *(f"{value:.6g}" for value in figures.values())] for digit, figures in by_class.items()]
    return [["class", *next(iter(by_class.values()))], *rows]


def _measure(known: Reference, images: Tensor, labels: Tensor) -> dict[int, Figures]:
    features, digits = known.look_at(images)
    frechet, _ = name_distances(known.extractor)
    found = {}
    for digit in labels.unique().tolist():
        real, asked = known.labels == digit, labels == digit
        if min(real.sum(), asked.sum()) > 1:
            distance = measure_frechet_distance(known.features[real], features[asked])
            found[digit] = {frechet: distance, "class_accuracy": (digits[asked] == digit).float().mean().item()}
    return found
