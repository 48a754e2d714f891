from io import BytesIO

import numpy as np
import torch
from PIL import Image

from wgan.model.pixels import quantise_pixels, scale_pixels
from wgan.pictures import arrange_grid, draw_grid, encode_animation, encode_png


def test_every_byte_survives_the_way_to_floats_and_back() -> None:
    every_byte = torch.arange(256, dtype=torch.uint8)
    floats = scale_pixels(every_byte)
    assert floats.min().item() == -1.0
    assert floats.max().item() == 1.0
    assert torch.equal(quantise_pixels(floats), every_byte)


def test_quantising_rounds_to_the_nearest() -> None:
    assert quantise_pixels(torch.tensor([-1.0, 0.0, 1.0, -0.9999, 0.9999])).tolist() == [0, 128, 255, 0, 255]


def test_grid_goes_row_by_row() -> None:
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 2, 3)
    assert arrange_grid(images)[0].tolist() == [[0] * 3 + [1] * 3] * 2 + [[2] * 3 + [3] * 3] * 2


def test_grid_of_a_number_that_fills_no_square_ends_in_black() -> None:
    assert arrange_grid(torch.ones(5, 1, 1, 1, dtype=torch.uint8))[0].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert arrange_grid(torch.zeros(100, 3, 28, 28, dtype=torch.uint8)).shape == (3, 280, 280)


def test_grid_with_a_number_of_columns() -> None:
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1)
    assert arrange_grid(images, columns=3)[0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_grid_to_look_at_has_margins() -> None:
    grid = draw_grid(torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1, 1), columns=2)[0]
    assert grid.shape == (2 * 6 + 4, 2 * 6 + 4)
    expected = torch.full((16, 16), 255)
    for number, (top, left) in enumerate([(4, 4), (4, 10), (10, 4)], 1):
        expected[top : top + 2, left : left + 2] = number
    assert torch.equal(grid.long(), expected)


def test_animation_keeps_every_grey() -> None:
    greys = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    with Image.open(BytesIO(encode_animation([greys, greys.mT, greys]))) as picture:
        assert picture.n_frames == 3
        picture.seek(1)
        assert np.array_equal(np.asarray(picture.convert("L")), greys.mT[0].numpy())


def test_animation_of_one_image() -> None:
    with Image.open(BytesIO(encode_animation([torch.zeros(1, 2, 2, dtype=torch.uint8)]))) as picture:
        assert picture.size == (2, 2)


def test_colours_survive_in_files() -> None:
    image = torch.arange(2 * 3 * 3, dtype=torch.uint8).view(3, 2, 3)
    with Image.open(BytesIO(encode_png(image))) as picture:
        assert (picture.mode, picture.size) == ("RGB", (3, 2))
        assert np.array_equal(np.asarray(picture), image.permute(1, 2, 0).numpy())
    assert torch.equal(arrange_grid(torch.stack([image, image + 50]), columns=2), torch.cat([image, image + 50], dim=2))
