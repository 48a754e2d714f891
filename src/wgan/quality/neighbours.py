"""Figures that rest on nearest neighbours: in the space of pixels, and of features."""

import torch
from torch import Tensor

BATCH_SIZE = 500  # points whose distances to all others are in memory at a time


def find_nearest(images: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Indices (n,) into `real` of the nearest real image, and Euclidean distances (n,) to it, pixels in [0, 1].

    Both are uint8, (n, c, h, w) and (N, c, h, w). The distance tells whether the generator repeats what it was shown.
    """
    points, real_points = images.flatten(1) / 255, real.flatten(1) / 255
    indices = torch.cat([torch.cdist(batch, real_points).argmin(dim=1) for batch in points.split(BATCH_SIZE)])
    # Once more, without the rounding of many distances at once: a copy is at 0.
    return indices, (points - real_points[indices]).norm(dim=1)


def measure_radii(points: Tensor, k: int) -> Tensor:
    """Distance (N,) from each of the points (N, d) to its k-th nearest neighbour among the others; N > k."""
    # The nearest of all is the point itself.
    return torch.cat([torch.cdist(batch, points).kthvalue(k + 1).values for batch in points.split(BATCH_SIZE)])


def measure_density(generated: Tensor, real: Tensor, k: int) -> float:
    """In how many balls around real points a generated point lies, in units of k (Naeem et al. 2020, equation 4).

    A ball reaches to the k-th nearest real neighbour. Points (n, d) with the distribution of the real ones (N, d) give
    about 1; more is possible. An outlier among the real points has a large ball, but one ball alone counts 1 / k.
    """
    radii = measure_radii(real, k)
    balls = [(torch.cdist(batch, real) <= radii).sum(dim=1) for batch in generated.split(BATCH_SIZE)]
    return torch.cat(balls).double().mean().item() / k


def measure_coverage(generated: Tensor, real: Tensor, k: int) -> float:
    """Share in [0, 1] of the balls around real points that hold a generated point (Naeem et al. 2020, equation 5).

    Of as many points (n, d) as real ones, with their distribution, about 1 - 2^-k.
    """
    radii = measure_radii(real, k)
    nearest_distances = [torch.cdist(batch, generated).amin(dim=1) for batch in real.split(BATCH_SIZE)]
    return (torch.cat(nearest_distances) <= radii).double().mean().item()
