"""The nearest real image of a generated one, in pixel space: does the generator repeat what it was shown?"""

import torch
from torch import Tensor


def nearest(images: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Indices (n,) into `real` of the nearest real image, and Euclidean distances (n,) to it, pixels in [0, 1].

    Both are uint8, (n, c, h, w) and (N, c, h, w).
    """
    points, real_points = images.flatten(1) / 255, real.flatten(1) / 255
    indices = torch.cat([torch.cdist(batch, real_points).argmin(dim=1) for batch in points.split(500)])
    # Once more, without the rounding of many distances at once: a copy is at 0.
    return indices, (points - real_points[indices]).norm(dim=1)
