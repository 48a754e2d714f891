import numpy as np
import torch

from wgan.model.randomness import Purpose, draw_latents, open_stream, open_weights_stream


def test_a_stream_depends_on_its_key_alone() -> None:
    first = open_stream(0, Purpose.REAL_IMAGES, 2, 3).integers(6265, size=160)
    np.random.seed(1)  # the global state must not matter
    torch.manual_seed(1)
    assert np.array_equal(first, open_stream(0, Purpose.REAL_IMAGES, 2, 3).integers(6265, size=160))


def test_streams_of_different_keys_differ() -> None:
    keys = [(0, p, *index) for p in Purpose for index in ((), (0,), (1,), (0, 0), (0, 1), (1, 0), (96, 9))]
    keys += [(seed, Purpose.REAL_IMAGES, 0, 0) for seed in (1, 2, 2**32, 2**32 + 1, 2**64)]
    assert len({open_stream(*key).bytes(16) for key in keys}) == len(keys)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    a, b, c = (torch.randn(8, generator=open_weights_stream(seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_latent_points_are_standard_normal() -> None:
    points = draw_latents(open_stream(0, Purpose.TRAINING_LATENTS, 0, 0), 20_000, 50)
    assert points.shape == (20_000, 50)
    assert points.dtype == torch.float32
    # A million draws: the mean is within 5 standard errors of 0, the variance of 1.
    assert abs(points.mean().item()) < 5 / 1000
    assert abs(points.var().item() - 1) < 5 * 2**0.5 / 1000
