"""The figures of a run, and the one by which runs are ranked."""

from collections.abc import Mapping, Sequence

FIGURES_OF_IMAGES = (
    *("fid_mnist", "kid_mnist", "precision", "recall", "density", "coverage", "digit_share"),
    "nearest_distance",
)
LOSSES = ("wasserstein", "c1", "c2", "g")
CLASS_ACCURACY = "class_accuracy"  # of conditional runs
FIGURES = (*FIGURES_OF_IMAGES, CLASS_ACCURACY, *LOSSES)

# The features on which figures can rest: of the digit classifier, of Inception, or of a class of the user's own. The
# distances have other names on others, for their values do not compare.
DIGITS, INCEPTION = "digits", "inception"
DISTANCES = {DIGITS: ("fid_mnist", "kid_mnist"), INCEPTION: ("fid", "kid")}
OWN_DISTANCES = ("fid_own", "kid_own")
FRECHET = tuple(frechet for frechet, _ in (*DISTANCES.values(), OWN_DISTANCES))

FINAL = "quality_final/"  # how the names of a run's final figures begin on the boards: behind "quality/"
FINALS = (FINAL, "final/")  # in earlier versions, too


def list_figures(digits: Sequence[int] | None, *, features: str | None = None, conditional: bool = False) -> list[str]:
    """The figures of images that show these of MNIST's digits; None: other images.

    `features` names those on which figures rest; by default the classifier's, of digits, and none, of other images.
    """
    features = features or (DIGITS if digits else None)
    of_features = [*name_distances(features), "precision", "recall", "density", "coverage"] if features else []
    digit_share = ["digit_share"] if digits and len(set(digits)) < 10 else []  # of all ten digits it is always 1
    return [*of_features, *digit_share, "nearest_distance", *([CLASS_ACCURACY] if digits and conditional else [])]


def name_distances(features: str | None) -> tuple[str, str]:
    """The names of the Fréchet and the kernel distance on these features; None: on the classifier's."""
    return DISTANCES.get(features or DIGITS, OWN_DISTANCES)


def name_figure(objective: str) -> str:
    """The figure that an objective names: "recall" of "-recall"."""
    return objective.removeprefix("-")


def compute_objective(objective: str, figures: Mapping[str, float]) -> float:
    """The figure, or its negative where the objective begins with "-": the smaller, the better."""
    value = figures[name_figure(objective)]
    return -value if objective.startswith("-") else value
