"""The figures of a run, and the one by which runs are ranked."""

from collections.abc import Mapping, Sequence

FIGURES_OF_IMAGES = (
    *("fid_mnist", "kid_mnist", "precision", "recall", "density", "coverage", "digit_share"),
    "nearest_distance",
)
LOSSES = ("wasserstein", "c1", "c2", "g")
CLASS_ACCURACY = "class_accuracy"  # of conditional runs
FIGURES = (*FIGURES_OF_IMAGES, CLASS_ACCURACY, *LOSSES)

FINAL = "quality_final/"  # how the names of a run's final figures begin on the boards: behind "quality/"
FINALS = (FINAL, "final/")  # in earlier versions, too


def list_figures(digits: Sequence[int] | None, *, conditional: bool = False) -> list[str]:
    """The figures of images that show these of MNIST's digits; None: other images."""
    if digits is None:
        return ["nearest_distance"]
    left_out = "digit_share" if len(set(digits)) == 10 else ""  # of all ten digits it is always 1
    return [name for name in FIGURES_OF_IMAGES if name != left_out] + [CLASS_ACCURACY] * conditional


def name_figure(objective: str) -> str:
    """The figure that an objective names: "recall" of "-recall"."""
    return objective.removeprefix("-")


def compute_objective(objective: str, figures: Mapping[str, float]) -> float:
    """The figure, or its negative where the objective begins with "-": the smaller, the better."""
    value = figures[name_figure(objective)]
    return -value if objective.startswith("-") else value
