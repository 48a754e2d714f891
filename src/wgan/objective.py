"""What a sweeper minimises: one figure of a run."""

from collections.abc import Mapping

FIGURES_OF_IMAGES = ("fid_mnist", "kid_mnist", "precision", "recall", "digit_share", "nearest_distance")
FIGURES = (*FIGURES_OF_IMAGES, "wasserstein", "c1", "c2", "g")


def figure_of(objective: str) -> str:
    """The figure that an objective names: "recall" of "-recall"."""
    return objective.removeprefix("-")


def value_of(objective: str, figures: Mapping[str, float]) -> float:
    """The figure, or its negative where the objective begins with "-": the smaller, the better."""
    value = figures[figure_of(objective)]
    return -value if objective.startswith("-") else value
