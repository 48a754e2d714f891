import pytest
import torch
from torch import Tensor

from wgan.quality.neighbours import find_nearest, measure_coverage, measure_density, measure_radii


def test_copies_are_their_own_neighbours_at_distance_0() -> None:
    real = torch.randint(0, 256, (700, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(700, generator=torch.Generator().manual_seed(1))
    indices, distances = find_nearest(real[order], real)
    assert torch.equal(indices, order)
    assert distances.max() == 0


def test_distance_worked_out_by_hand() -> None:
    black, white = torch.zeros(1, 28, 28, dtype=torch.uint8), torch.full((1, 28, 28), 255, dtype=torch.uint8)
    dot = black.clone()
    dot[0, 3, 4] = 255
    indices, distances = find_nearest(torch.cat([dot, white, black]), torch.cat([white, black]))
    assert indices.tolist() == [1, 0, 1]
    assert distances.tolist() == [1, 0, 0]  # white and black are 28 apart
    assert find_nearest(black, white)[1].item() == 28


def line(*points: float) -> Tensor:
    """Points (n, 1)."""
    return torch.tensor(points, dtype=torch.float32).unsqueeze(1)


def test_density_and_coverage_by_hand() -> None:
    real = line(0, 10, 20, 30)
    assert measure_radii(real, 1).tolist() == [10, 10, 10, 10]
    assert measure_radii(real, 2).tolist() == [20, 10, 10, 20]
    # 0 and 5 are each in two balls of radius 10, and 100 in none.
    generated = line(0, 5, 100)
    assert measure_density(generated, real, 1) == pytest.approx((2 + 2 + 0) / 3)
    assert measure_coverage(generated, real, 1) == 2 / 4  # of the balls around 0 and 10
    # With k = 2 the balls reach from -20 to 20, 0 to 20, 10 to 30 and 10 to 50.
    assert measure_density(generated, real, 2) == pytest.approx((2 + 2 + 0) / 3 / 2)
    assert measure_coverage(generated, real, 2) == 2 / 4


@pytest.mark.parametrize("n", [600, 1700], ids="{} points".format)
def test_density_and_coverage_of_points_from_one_distribution(n: int) -> None:
    real, generated = torch.randn(2, n, 64, generator=torch.Generator().manual_seed(0))
    assert measure_density(generated, real, 5) == pytest.approx(1, abs=0.1)
    assert measure_coverage(generated, real, 5) == pytest.approx(1 - 2**-5, abs=0.03)


def test_an_outlier_among_the_real_points_makes_nothing_dense() -> None:
    rng = torch.Generator().manual_seed(0)
    real, generated = torch.randn(200, 2, generator=rng), 20 + torch.randn(200, 2, generator=rng)
    real[0] = 40  # its ball reaches as far as the others are, over all that was generated
    assert measure_density(generated, real, 5) == pytest.approx(1 / 5)
    assert measure_coverage(generated, real, 5) == 1 / 200
