"""The figures of a run, and the one that a sweeper minimises."""

from collections.abc import Mapping

FIGURES_OF_DIGITS = ("fid_mnist", "kid_mnist", "precision", "recall", "digit_share")
FIGURES_OF_IMAGES = (*FIGURES_OF_DIGITS, "nearest_distance")
LOSSES = ("wasserstein", "c1", "c2", "g")
FIGURES = (*FIGURES_OF_IMAGES, *LOSSES)

FINAL = "final/"  # how the names of a run's final figures begin on the boards


def figure_of(objective: str) -> str:
    """The figure that an objective names: "recall" of "-recall"."""
    return objective.removeprefix("-")


def value_of(objective: str, figures: Mapping[str, float]) -> float:
    """The figure, or its negative where the objective begins with "-": the smaller, the better."""
    value = figures[figure_of(objective)]
    return -value if objective.startswith("-") else value
