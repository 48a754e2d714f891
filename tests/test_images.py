import torch

from wgan.images import from_bytes, grid, to_bytes


def test_every_byte_survives_the_way_to_floats_and_back() -> None:
    every_byte = torch.arange(256, dtype=torch.uint8)
    floats = from_bytes(every_byte)
    assert floats.min().item() == -1.0
    assert floats.max().item() == 1.0
    assert torch.equal(to_bytes(floats), every_byte)


def test_to_bytes_rounds_to_the_nearest() -> None:
    assert to_bytes(torch.tensor([-1.0, 0.0, 1.0, -0.9999, 0.9999])).tolist() == [0, 128, 255, 0, 255]


def test_grid_goes_row_by_row() -> None:
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1).expand(4, 2, 3)
    assert grid(images).tolist() == [[0] * 3 + [1] * 3] * 2 + [[2] * 3 + [3] * 3] * 2


def test_grid_of_a_number_that_fills_no_square_ends_in_black() -> None:
    assert grid(torch.ones(5, 1, 1, dtype=torch.uint8)).tolist() == [[1, 1, 1], [1, 1, 0]]
    assert grid(torch.zeros(100, 28, 28, dtype=torch.uint8)).shape == (280, 280)
