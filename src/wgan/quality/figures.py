"""Figures of generated images, measured against the real ones.

By default all but nearest_distance are the known metrics on the features of the digit classifier in place of
Inception's. Their values can be compared with each other, not with published ones.
"""

import warnings
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn
from torch_fidelity.metric_prc import calculate_precision_recall_part
from torchmetrics.image import FrechetInceptionDistance, KernelInceptionDistance

from wgan.data.images import ImageData
from wgan.errors import UserError
from wgan.model.networks import GREY_28
from wgan.quality.classifier import load_classifier
from wgan.quality.features import KEY, extract_features
from wgan.quality.neighbours import find_nearest, measure_coverage, measure_density
from wgan.quality.ranking import CLASS_ACCURACY, DIGITS, list_figures, name_distances

# The neighbours that make a neighbourhood: k of Kynkäänniemi et al. 2019, and of Naeem et al. 2020.
PRECISION_K, DENSITY_K = 3, 5


class Given(nn.Identity):
    """An extractor for torchmetrics that is given features instead of images."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


class Reference:
    """Real images, uint8 (N, channels, height, width), to measure others against; all on the CPU.

    `held_out` are real images that are not trained on: their figures are the floor. `digits` are the digits of MNIST
    that the images show; the classifier knows no others. `extractor` names the features on which figures rest (see
    `load_extractor`); None: those of the classifier, and of images that are no digits only nearest_distance is
    measured. Labels, int64 (N,), of a conditional run's images are the digits that they show.
    """

    def __init__(
        self,
        images: Tensor,
        held_out: Tensor,
        digits: tuple[int, ...] | None,
        labels: Tensor | None = None,
        held_out_labels: Tensor | None = None,
        extractor: str | None = None,
    ) -> None:
        self.images = images
        self.held_out = held_out
        self.digits = digits
        self.labels = labels
        self.held_out_labels = held_out_labels
        self.extractor = extractor or (DIGITS if digits else None)
        if self.extractor == DIGITS and images.shape[1:] != GREY_28:
            sizes = " x ".join(map(str, images.shape[1:]))
            raise UserError(f"{KEY}={DIGITS}: needs images of 1 x 28 x 28, not {sizes}; set {KEY}=inception")
        if digits or self.extractor == DIGITS:
            self.classifier = load_classifier()
        if self.extractor:
            self.features, _ = self.look_at(images)

    def measure(self, images: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        """Measure images, uint8 (n, channels, height, width), n >= 4; the same images have the same figures.

        Args:
            labels: the digits that they were asked to show, int64 (n,), of a conditional generator.

        Returns:
            fid_mnist, kid_mnist: distances to the real images, smaller is better (Heusel et al. 2017; Binkowski et al.
                2018, estimated, so that it can be less than 0). On Inception's features they are fid and kid, on those
                of the user's own extractor fid_own and kid_own.
            precision, recall: shares in [0, 1] of the images that look real, and of the real ones that are covered
                (Kynkäänniemi et al. 2019). They depend on the numbers of images: as many are taken of each kind, and
                not more than are held out, so that they compare with the floor. Few images or outliers fool them.
            density, coverage: the same two questions, with neighbourhoods of real images alone (Naeem et al. 2020): in
                how many of them an image lies, 1 of real ones, and the share in [0, 1] with an image in it. As many
                real images are taken as are held out; for coverage, as many as there are images, at most.
            digit_share: share in [0, 1] that the classifier takes for a wanted digit; not of all ten, where it is 1.
            nearest_distance: mean Euclidean distance to the nearest real image, pixels in [0, 1]; 0 of copies.
            class_accuracy: share in [0, 1] that the classifier takes for the digit asked for; with labels only.
        """
        figures = self._measure_features(images, labels) if self.extractor else {}
        figures["nearest_distance"] = find_nearest(images, self.images)[1].mean().item()
        names = list_figures(self.digits, features=self.extractor, conditional=labels is not None)
        return {name: figures[name] for name in names}

    def look_at(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, d), and the digits (n,) for which the classifier takes the images, where they are digits."""
        if self.extractor in (None, DIGITS):
            return self.classifier.classify(images)
        digits = self.classifier.classify(images)[1] if self.digits else torch.empty(0)
        return extract_features(self.extractor, images), digits

    def _measure_features(self, images: Tensor, labels: Tensor | None) -> dict[str, float]:
        features, digits = self.look_at(images)
        real = _thin(self.features, len(self.held_out))
        n = min(len(features), len(real))
        few, few_real = _thin(features, n), _thin(self.features, n)
        precision, recall = calculate_precision_recall_part(few, few_real, PRECISION_K, 1000)
        frechet, kernel = name_distances(self.extractor)
        found = {
            frechet: measure_frechet_distance(self.features, features),
            kernel: measure_kernel_distance(self.features, features),
            "precision": precision,
            "recall": recall,
            "density": measure_density(features, real, min(DENSITY_K, len(real) - 1)),
            "coverage": measure_coverage(few, few_real, min(DENSITY_K, n - 1)),
        }
        if self.digits:
            found["digit_share"] = torch.isin(digits, torch.tensor(self.digits)).float().mean().item()
        if self.digits and labels is not None:
            found[CLASS_ACCURACY] = (digits == labels).float().mean().item()
        return found

    @cached_property
    def floor(self) -> dict[str, float]:
        """The figures of the held-out images."""
        return self.measure(self.held_out, self.held_out_labels)


_latest: dict[object, Reference] = {}  # at most one: the jobs of a sweep mostly have the same images


def find_reference(data: ImageData, classes: Sequence[int] = (), extractor: str | None = None) -> Reference:
    """Find the reference that a data set's images are; with labels for a conditional run, which has classes."""
    images, labels = data.training_set
    key = (data.digits, images.shape, data.digest, tuple(classes), extractor)
    if key not in _latest:
        _latest.clear()
        held_out, held_out_labels = data.load(train=False)
        of_classes = {"labels": labels, "held_out_labels": held_out_labels} if classes else {}
        _latest[key] = Reference(images, held_out, data.digits, extractor=extractor, **of_classes)
    return _latest[key]


def forget_reference() -> None:
    """Let the next look at a data set measure it anew."""
    _latest.clear()


def _thin(points: Tensor, n: int) -> Tensor:
    """At most n of the points (N, d), evenly spread."""
    n = min(n, len(points))
    return points[torch.arange(n) * len(points) // n]


def measure_frechet_distance(real: Tensor, generated: Tensor) -> float:
    """Distance of the Gaussians with the means and covariances of two sets of features, (N, d) and (n, d)."""
    metric = FrechetInceptionDistance(Given(real.shape[1]))
    metric.update(real.double(), real=True)
    metric.update(generated.double(), real=False)
    distance: float = metric.compute().item()
    return distance


def measure_kernel_distance(real: Tensor, generated: Tensor) -> float:
    """Squared maximum mean discrepancy of two sets of features, (N, d) and (n, d), cubic polynomial kernel.

    The mean over 50 pairs of subsets of 1,000, or of as many as there are; always the same ones.
    """
    size = min(1000, len(real), len(generated))
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all extracted features")
        torch.default_generator.manual_seed(0)
        metric = KernelInceptionDistance(Given(real.shape[1]), subsets=50, subset_size=size)
        metric.update(real, real=True)
        metric.update(generated, real=False)
        mean: Tensor = metric.compute()[0]
    return mean.item()
