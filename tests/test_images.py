from io import BytesIO

import numpy as np
import torch
from PIL import Image

from wgan.images import animation, from_bytes, grid, to_bytes


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


def test_grid_with_a_number_of_columns() -> None:
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1)
    assert grid(images, columns=3).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_animation_keeps_every_grey() -> None:
    greys = torch.arange(256, dtype=torch.uint8).view(16, 16)
    with Image.open(BytesIO(animation([greys, greys.T, greys]))) as picture:
        assert picture.n_frames == 3
        picture.seek(1)
        assert np.array_equal(np.asarray(picture.convert("L")), greys.T.numpy())


def test_animation_of_one_image() -> None:
    with Image.open(BytesIO(animation([torch.zeros(2, 2, dtype=torch.uint8)]))) as picture:
        assert picture.size == (2, 2)
