import torch

from wgan.quality.neighbours import nearest


def test_copies_are_their_own_neighbours_at_distance_0() -> None:
    real = torch.randint(0, 256, (700, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(700, generator=torch.Generator().manual_seed(1))
    indices, distances = nearest(real[order], real)
    assert torch.equal(indices, order)
    assert distances.max() == 0


def test_distance_worked_out_by_hand() -> None:
    black, white = torch.zeros(1, 28, 28, dtype=torch.uint8), torch.full((1, 28, 28), 255, dtype=torch.uint8)
    dot = black.clone()
    dot[0, 3, 4] = 255
    indices, distances = nearest(torch.cat([dot, white, black]), torch.cat([white, black]))
    assert indices.tolist() == [1, 0, 1]
    assert distances.tolist() == [1, 0, 0]  # white and black are 28 apart
    assert nearest(black, white)[1].item() == 28
