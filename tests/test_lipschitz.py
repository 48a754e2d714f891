"""Methods by which the critic is kept Lipschitz, and what all of them must keep: bits, and runs that can go on."""

import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from conftest import BARE, configuration, rows
from PIL import Image
from test_resuming import assert_equal
from test_tensorboard import events_of
from torch import Tensor, nn
from torch.autograd import gradcheck

from wgan.errors import UserError
from wgan.model.gradient_penalty import GradientPenalty
from wgan.model.lipschitz import measure_gradient_norms
from wgan.model.networks import Critic
from wgan.model.spectral_norm import SpectralNorm
from wgan.run.building import build_model
from wgan.run.training import train

SHAPE = (1, 28, 28)
METHODS = ("clipping", "gradient_penalty", "spectral_norm")


class LinearCritic(nn.Module):
    """C(x) = w . x"""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.view(-1, 1)


def images(n: int, seed: int) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(("norm", "weight"), [(0.0, 10.0), (1.0, 10.0), (3.5, 10.0), (3.5, 0.25)])
def test_the_penalty_of_a_linear_critic(norm: float, weight: float) -> None:
    direction = torch.randn(784, generator=torch.Generator().manual_seed(0))
    critic = LinearCritic(norm * direction / direction.norm())
    penalty = GradientPenalty(penalty_weight=weight).penalty(critic, images(8, 1), images(8, 2), rng())
    assert penalty.item() == pytest.approx(weight * (norm - 1) ** 2, abs=1e-5, rel=1e-6)


def test_the_gradient_of_the_penalty_for_a_linear_critic() -> None:
    """Of (||w|| - 1)^2 it is 2 (||w|| - 1) w / ||w||."""
    critic = LinearCritic(torch.full((784,), 0.1))
    GradientPenalty(penalty_weight=1.0).penalty(critic, images(4, 1), images(4, 2), rng()).backward()
    norm = 0.1 * 28
    assert critic.weight.grad is not None
    assert torch.allclose(critic.weight.grad, torch.full((784,), 2 * (norm - 1) * 0.1 / norm))


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_second_order_gradients_agree_with_finite_differences(norm: str) -> None:
    critic = Critic(image_shape=(1, 8, 8), channels=2, norm=norm)
    critic.initialise(torch.Generator().manual_seed(0))
    critic.double()
    method = GradientPenalty(penalty_weight=1.0)
    real, generated = (images(3, seed)[:, :, :8, :8].double() for seed in (1, 2))
    names, weights = zip(*critic.named_parameters(), strict=True)

    def penalty(*values: Tensor) -> Tensor:
        def at_values(points: Tensor) -> Tensor:
            found: Tensor = torch.func.functional_call(critic, dict(zip(names, values, strict=True)), (points,))
            return found

        return method.penalty(at_values, real, generated, rng())  # type: ignore[arg-type]

    large = [weight.detach().mul(10).requires_grad_() for weight in weights]
    assert gradcheck(penalty, large, eps=1e-6, atol=1e-5, rtol=1e-3)


def test_the_points_of_the_penalty_lie_on_the_segments_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    def look(_: nn.Module, points: Tensor) -> Tensor:
        seen.append(points)
        return torch.ones(len(points))

    monkeypatch.setattr("wgan.model.gradient_penalty.measure_gradient_norms", look)
    real, generated = images(1000, 1), images(1000, 2)
    GradientPenalty(penalty_weight=1.0).penalty(Critic(), real, generated, rng())
    shares = (seen[0] - generated) / (real - generated)
    share = shares.flatten(1).median(dim=1).values
    assert torch.allclose(seen[0], share.view(-1, 1, 1, 1) * (real - generated) + generated, atol=1e-5)
    assert share.min() >= 0
    assert share.max() <= 1
    assert share.mean().item() == pytest.approx(0.5, abs=3 / math.sqrt(12 * 1000))


def test_norms_of_gradients_are_of_each_image_alone() -> None:
    critic = Critic(norm="layer")
    both = measure_gradient_norms(critic, images(6, 1))
    assert torch.allclose(both[2:4], measure_gradient_norms(critic, images(6, 1)[2:4]), rtol=1e-4)


def test_the_largest_singular_value_of_each_layer_is_1() -> None:
    critic = Critic(norm="none")
    critic.initialise(torch.Generator().manual_seed(0))
    method = SpectralNorm()
    method.prepare(critic)
    for _ in range(500):  # steps of the power iteration
        critic(images(2, 1))
    weights = [cast(Tensor, critic[number].weight) for number in (0, 3, 7)]
    for weight in weights:
        assert torch.linalg.svdvals(weight.flatten(1))[0].item() == pytest.approx(1, abs=0.01)
    figures = method.figures(critic)
    assert list(figures) == ["singular_value_1", "singular_value_2", "singular_value_3"]
    assert all(figure.item() == pytest.approx(1, abs=0.01) for figure in figures.values())


@pytest.mark.parametrize("name", ["gradient_penalty", "spectral_norm"])
def test_batch_norm_in_the_critic_is_refused(name: str) -> None:
    with pytest.raises(UserError) as refused:
        build_model(configuration(f"model/lipschitz={name}", "model.critic_norm=batch"), SHAPE)
    assert str(refused.value) == (
        f"model/lipschitz={name}: does not go with batch norm in the critic, which mixes the images of a batch; set "
        "model.critic_norm=layer or none"
    )


def test_a_penalty_with_alternating_updates_is_refused() -> None:
    with pytest.raises(UserError, match=r"^model.critic_update=alternating: .*set model.critic_update=joint$"):
        build_model(configuration("model/lipschitz=gradient_penalty", "model.critic_update=alternating"), SHAPE)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("model.penalty_weight=-1", "must be a number, 0 or more"),
        ("model.penalty_weight=inf", "must be a number, 0 or more"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(typed: str, words: str) -> None:
    with pytest.raises(UserError, match=f"^{typed}: {words}$"):
        build_model(configuration("model/lipschitz=gradient_penalty", typed), SHAPE)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_leaves_the_global_random_state_alone_and_follows_the_seed(name: str) -> None:
    cfg = configuration(*BARE, f"model/lipschitz={name}")
    state = torch.get_rng_state()
    first, second = (build_model(cfg, SHAPE).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    third = build_model(cfg, SHAPE).state_dict()
    for other in (second, third):
        assert first.keys() == other.keys()
        assert all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", ["gradient_penalty", "spectral_norm"])
def test_a_run_goes_on_to_the_same_bits_and_nothing_that_looks_changes_them(name: str, tmp_path: Path) -> None:
    method = f"model/lipschitz={name}"
    train(configuration(*BARE, method, "trainer.max_epochs=2"), tmp_path / "whole")
    train(configuration(*BARE, method), tmp_path / "parts")
    train(configuration(*BARE, method, "trainer.max_epochs=2"), tmp_path / "parts", resume=True)
    train(configuration(*BARE, method, "trainer.max_epochs=2", "~callbacks.critic_weights"), tmp_path / "unseen")
    whole, parts, unseen = (
        torch.load(tmp_path / folder / "checkpoints" / "last.ckpt", weights_only=True)
        for folder in ("whole", "parts", "unseen")
    )
    for other in (parts, unseen):
        for kind in ("state_dict", "optimizer_states", "losses"):
            assert_equal(other[kind], whole[kind])
    figures = {"gradient_penalty": ("penalty", "gradient_norm"), "spectral_norm": ("singular_value_3",)}[name]
    table = rows(tmp_path / "parts", "critic.csv")
    assert (tmp_path / "parts" / "critic.csv").read_bytes() == (tmp_path / "whole" / "critic.csv").read_bytes()
    assert [(row["iteration"], row["epoch"]) for row in table] == [("3", "1"), ("6", "2")]
    events = events_of(tmp_path / "parts")
    for figure in ("gradient_norm_real", "gradient_norm_generated", *figures):
        points, wanted = (each.Scalars(f"lipschitz/{figure}") for each in (events, events_of(tmp_path / "whole")))
        assert [(point.step, point.value) for point in points] == [(point.step, point.value) for point in wanted]
        assert [point.step for point in points] == [3, 6]
        assert [point.value for point in points] == pytest.approx([float(row[figure]) for row in table], rel=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_the_deeper_networks_on_images_in_colour_in_bf16(name: str, tmp_path: Path) -> None:
    rng, root = np.random.default_rng(0), tmp_path / "images"
    root.mkdir()
    for k in range(10):
        Image.fromarray(rng.integers(256, size=(44, 44, 3), dtype=np.uint8)).save(root / f"{k}.png")
    images = ("data=images", f"data.root={root}", "data.size=44", "data.batch_size=2")
    train(
        configuration(*BARE, *images, f"model/lipschitz={name}", "trainer.precision=bf16-mixed"),
        folder := tmp_path / "run",
    )
    assert all(math.isfinite(float(value)) for row in rows(folder) for value in row.values())
