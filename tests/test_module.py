from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BARE, PROJECT, TINY, configuration
from torch import Tensor, nn
from torch.optim import RMSprop
from torchvision.datasets import MNIST

from wgan.model.networks import Critic, Generator
from wgan.model.randomness import Purpose, draw_latents, open_stream, open_weights_stream
from wgan.model.wgan import WGAN
from wgan.run.training import train


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def clipped(weights: dict[str, Tensor], clip_scope: str) -> list[Tensor]:
    return [weights[name] for name in weights if clip_scope == "all" or name in ("0.weight", "3.weight")]


class Update:
    """The weights around one optimizer step: before it, after it, and after the clip (critic only)."""

    def __init__(self, module: WGAN) -> None:
        self.critic = [weights(module.critic)]
        self.generator = [weights(module.generator)]

    def record(self, module: WGAN) -> None:
        self.critic.append(weights(module.critic))
        self.generator.append(weights(module.generator))


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Update]]:
    """Every update of a run that follows, in order."""
    found: list[tuple[str, Update]] = []
    update, update_critic = WGAN.update, WGAN.update_critic

    def spy(self: WGAN, optimizer: Any, loss: Tensor) -> None:
        of_critic = optimizer.param_groups[0]["params"][0] is next(self.critic.parameters())
        found.append(("critic" if of_critic else "generator", Update(self)))
        update(self, optimizer, loss)
        found[-1][1].record(self)

    def spy_critic(self: WGAN, optimizer: Any, loss: Tensor) -> None:
        update_critic(self, optimizer, loss)
        found[-1][1].record(self)

    monkeypatch.setattr(WGAN, "update", spy)
    monkeypatch.setattr(WGAN, "update_critic", spy_critic)
    return found


@pytest.mark.parametrize("n_critic", [1, 5])
@pytest.mark.parametrize(("critic_update", "each"), [("alternating", 2), ("joint", 1)])
def test_updates_of_an_iteration(
    updates: list[tuple[str, Update]], tmp_path: Path, n_critic: int, critic_update: str, each: int
) -> None:
    choice = (f"model.n_critic={n_critic}", f"model.critic_update={critic_update}")
    train(configuration(*BARE, *choice, "trainer.limit_train_batches=2"), tmp_path)
    assert [name for name, _ in updates] == (["critic"] * each * n_critic + ["generator"]) * 2


@pytest.mark.parametrize("clip_scope", ["kernels", "all"])
def test_what_an_update_changes(updates: list[tuple[str, Update]], tmp_path: Path, clip_scope: str) -> None:
    # The bound is so low and the rate so high that every update crosses the bound.
    choice = (f"model.clip_scope={clip_scope}", "model.clip_value=0.001", "optimizer.lr=2e-3")
    train(configuration(*BARE, *choice), tmp_path)
    for name, update in updates:
        if name == "generator":
            before, after = update.critic
            assert same(before, after), "the generator's update must not touch the critic"
            assert not same(*update.generator)
        else:
            before, stepped, after = update.generator
            assert same(before, stepped), "the critic's update must not touch the generator"
            assert same(stepped, after)
            before, stepped, after = update.critic
            assert not same(before, stepped)
            assert max(weight.abs().max().item() for weight in clipped(stepped, clip_scope)) > 0.0011
            bound = torch.tensor(0.001)
            assert all((weight.abs() <= bound).all() for weight in clipped(after, clip_scope)), "clip follows the step"
            if clip_scope == "kernels":
                assert all(torch.equal(stepped[k], after[k]) for k in stepped if k not in ("0.weight", "3.weight"))


def test_images_for_the_critic_come_from_training_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modes: list[bool] = []

    def forward(self: Generator, latents: Tensor) -> Tensor:
        modes.append(self.training)
        images: Tensor = nn.Sequential.forward(self, latents)  # type: ignore[no-untyped-call]
        return images

    monkeypatch.setattr(Generator, "forward", forward, raising=False)
    train(configuration(*BARE, "~callbacks.critic_weights"), tmp_path)
    assert modes == [True] * (5 + 1) * 3
    generator = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert generator["generator.4.num_batches_tracked"].item() == (5 + 1) * 3


def sevens() -> Tensor:
    mnist = MNIST(PROJECT / "data", download=True)
    images: Tensor = mnist.data[mnist.targets == 7].unsqueeze(1) / 127.5 - 1
    return images


@pytest.mark.parametrize(
    ("critic_update", "clip_scope"), [("alternating", "kernels"), ("joint", "all"), ("joint", "kernels")]
)
def test_a_plain_loop_gives_the_same_weights(tmp_path: Path, critic_update: str, clip_scope: str) -> None:
    """The algorithm written out with nothing of wgan.model.wgan, losses or lipschitz, nor of Lightning."""
    choice = (f"model.critic_update={critic_update}", f"model.clip_scope={clip_scope}", "model.n_critic=2", "seed=5")
    train(configuration(*BARE, *choice, "data.batch_size=8", "trainer.max_epochs=2"), tmp_path)

    images = sevens()

    generator, critic = Generator(latent_dim=50, channels=8), Critic(channels=8)
    torch_rng = open_weights_stream(5)
    generator.initialise(torch_rng)
    critic.initialise(torch_rng)
    critic_optimizer = RMSprop(critic.parameters(), lr=0.00005)
    generator_optimizer = RMSprop(generator.parameters(), lr=0.00005)

    def update_critic(loss: Tensor) -> None:
        critic_optimizer.zero_grad()
        loss.backward()
        critic_optimizer.step()
        with torch.no_grad():
            for name, parameter in critic.named_parameters():
                if clip_scope == "all" or name in ("0.weight", "3.weight"):
                    parameter.clamp_(-0.01, 0.01)

    for epoch, batch in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)):
        drawn = open_stream(5, Purpose.REAL_IMAGES, epoch, batch).integers(6265, size=2 * 4)
        real_images = images[torch.from_numpy(drawn)]
        latents = open_stream(5, Purpose.TRAINING_LATENTS, epoch, batch)
        for step in range(2):
            real = real_images[4 * step : 4 * (step + 1)]
            generated = generator(draw_latents(latents, 4, 50)).detach()
            if critic_update == "joint":
                update_critic(-critic(real).mean() + critic(generated).mean())
            else:
                update_critic(-critic(real).mean())
                update_critic(critic(generated).mean())
        generator_optimizer.zero_grad()
        (-critic(generator(draw_latents(latents, 8, 50))).mean()).backward()
        generator_optimizer.step()

    trained = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for prefix, network in (("generator", generator), ("critic", critic)):
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, trained[f"{prefix}.{name}"]), f"{prefix}.{name}"


def state(folder: Path, *overrides: str) -> dict[str, Tensor]:
    train(configuration(*overrides), folder)
    found: dict[str, Tensor] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return found


def test_same_seed_same_weights_to_the_bit(tmp_path: Path) -> None:
    first = state(tmp_path / "first", *TINY)
    torch.manual_seed(12345)  # the global state must not matter, nor what is recorded
    second = state(tmp_path / "second", *TINY, "~callbacks.samples", "~callbacks.critic_weights", "~callbacks.history")
    assert same(first, second)
    other = state(tmp_path / "other", *BARE, "seed=1")
    assert not torch.equal(first["generator.0.weight"], other["generator.0.weight"])


def test_optimizers_are_those_of_the_design(tmp_path: Path) -> None:
    state(tmp_path, *BARE)
    critic, generator = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"]
    for optimizer in (critic, generator):
        (group,) = optimizer["param_groups"]
        assert (group["lr"], group["alpha"], group["momentum"], group["weight_decay"]) == (5e-5, 0.99, 0, 0)
        assert not group["centered"]


def test_each_network_may_have_its_own_learning_rate_and_adam(tmp_path: Path) -> None:
    state(tmp_path, *BARE, "optimizer=adam", "optimizer.lr=1e-4", "optimizer.generator.lr=2e-4")
    critic, generator = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"]
    assert (critic["param_groups"][0]["lr"], generator["param_groups"][0]["lr"]) == (1e-4, 2e-4)
    assert list(critic["param_groups"][0]["betas"]) == [0.0, 0.9]


def test_a_warm_up_has_its_critic_steps_and_their_images_and_a_run_goes_on_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps: list[int] = []
    images: list[Tensor] = []
    training_step, update_critic = WGAN.training_step, WGAN.update_critic

    def count(self: WGAN, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        steps.append(0)
        images.append(batch[0])
        return training_step(self, batch, batch_idx)

    def update(self: WGAN, *arguments: Any) -> None:
        steps[-1] += 1
        update_critic(self, *arguments)

    monkeypatch.setattr(WGAN, "training_step", count)
    monkeypatch.setattr(WGAN, "update_critic", update)
    settings = ("model.critic_update=joint", "model.n_critic=1", "trainer.limit_train_batches=4")
    warmup = ("model.warmup_n_critic=4", "model.warmup_iterations=2", "model.warmup_every=3")
    train(configuration(*BARE, *settings, *warmup, "trainer.max_epochs=2"), tmp_path / "whole")
    # The first two of the iterations 0 to 7, and of these each third: 0, 3 and 6.
    assert steps == [4, 4, 1, 4, 1, 1, 4, 1]
    assert [len(real) for real in images] == [2 * number for number in steps]
    assert all(len(real.flatten(1).unique(dim=0)) > 1 for real in images)
    train(configuration(*BARE, *settings, *warmup), tmp_path / "parts")
    train(configuration(*BARE, *settings, *warmup, "trainer.max_epochs=2"), tmp_path / "parts", resume=True)
    assert steps[8:] == steps[:8]
    assert all(torch.equal(one, other) for one, other in zip(images[:8], images[8:], strict=True))
    whole, parts = (tmp_path / folder / "generator.safetensors" for folder in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()
    train(configuration(*BARE, *settings), tmp_path / "without")
    assert steps[16:] == [1, 1, 1, 1]
