import torch

from wgan.model.losses import GENERATED, REAL, wasserstein_estimate, wasserstein_loss


def test_losses_against_numbers_worked_out_by_hand() -> None:
    scores = torch.tensor([[1.0], [2.0], [6.0]])  # mean 3
    assert wasserstein_loss(scores, REAL).item() == -3.0
    assert wasserstein_loss(scores, GENERATED).item() == 3.0


def test_the_gradient_of_a_score_is_the_label_over_the_batch_size() -> None:
    scores = torch.zeros(4, 1, requires_grad=True)
    wasserstein_loss(scores, REAL).backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [[-0.25]] * 4


def test_wasserstein_estimate_is_mean_score_of_real_minus_mean_score_of_generated() -> None:
    real, generated = torch.tensor([[5.0], [7.0]]), torch.tensor([[1.0], [3.0]])  # means 6 and 2
    c1, c2 = wasserstein_loss(real, REAL), wasserstein_loss(generated, GENERATED)
    assert wasserstein_estimate(c1, c2).item() == 4.0
