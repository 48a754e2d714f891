"""Runs in which both networks are told the class."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BARE, PROJECT, TINY, configuration, result, rows
from PIL import Image
from torch import Tensor, nn

from wgan.data.mnist import MNISTDigits, load_digits
from wgan.errors import UserError
from wgan.model.gradient_penalty import GradientPenalty
from wgan.model.labels import encode_labels, find_classes, give_labels, list_sample_labels
from wgan.model.networks import GREY_28, Critic, Generator
from wgan.model.randomness import Purpose, open_stream
from wgan.quality.classes import measure_classes
from wgan.quality.figures import Reference
from wgan.run.building import build_model
from wgan.run.generator import load_generator
from wgan.run.training import train
from wgan.run.trust import load_trusted

CONDITIONAL = ("model.conditional=true", "data.digit=[3,8]")
METHODS = {
    "clipping": (),
    "joint": ("model.critic_update=joint", "model.clip_scope=all"),
    "gradient_penalty": ("model/lipschitz=gradient_penalty",),
    "spectral_norm": ("model/lipschitz=spectral_norm",),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished conditional run."""
    folder = tmp_path_factory.mktemp("conditional") / "run"
    train(configuration(*TINY, *CONDITIONAL, "callbacks.quality.n=20", "callbacks.quality.final_n=40"), folder)
    return folder


def test_labels_have_width_0_without_classes() -> None:
    assert encode_labels(torch.tensor([8, 3, 8]), (3, 8)).tolist() == [[0, 1], [1, 0], [0, 1]]
    assert encode_labels(torch.tensor([8, 3]), ()).shape == (2, 0)
    critic = Critic()
    assert give_labels(critic, torch.empty(2, 0)) is critic


def test_the_image_of_a_number_is_of_the_same_class_whatever_n() -> None:
    assert list_sample_labels(25, (3, 8)).tolist() == [3] * 10 + [8] * 10 + [3] * 5
    assert list_sample_labels(4, ()).tolist() == [0] * 4


def test_the_critic_projects_its_features() -> None:
    critic = Critic(label_dim=2, channels=4, norm="none")
    images, labels = torch.rand(3, 1, 28, 28) * 2 - 1, torch.eye(2)[[0, 1, 1]]
    features = nn.Sequential(*list(critic)[:-1])(images)
    linear = critic[-1]
    assert isinstance(linear, nn.Linear)
    weight, bias = (each[[0]] + each[[1, 2, 2]] for each in (linear.weight, linear.bias))  # the common one, the class's
    scores = critic(images, labels)
    assert torch.allclose(scores.flatten(), (features * weight).sum(1) + bias, atol=1e-6)
    assert not torch.allclose(critic(images, labels.flip(1)), scores)
    critic(images[:1], labels[:1]).sum().backward()
    assert linear.weight.grad is not None
    assert [bool(row.any()) for row in linear.weight.grad] == [True, True, False]


def test_the_label_changes_the_image() -> None:
    generator = Generator(latent_dim=3, label_dim=2, channels=4).eval()
    latents, labels = torch.randn(2, 3), torch.eye(2)
    assert not torch.allclose(generator(latents, labels), generator(latents, labels.flip(1)))


def test_what_labels_add_to_the_networks() -> None:
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    assert count(Critic(label_dim=10)) - count(Critic()) == 10 * (64 * 7 * 7 + 1)
    assert count(Generator(latent_dim=50, label_dim=10)) - count(Generator(latent_dim=50)) == 10 * 128 * 7 * 7
    assert list(Critic(label_dim=10).state_dict()) == list(Critic().state_dict())


class CriticOfClasses(nn.Module):
    """C(x, y) = slope of y * x_0"""

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return images.flatten(1)[:, :1] * (labels @ torch.tensor([[1.0], [3.0]]))


@pytest.mark.parametrize(("digits", "penalty"), [([3, 3], 0.0), ([8, 8], 40.0), ([3, 8], 20.0)])
def test_the_penalty_is_that_of_the_labels_of_each_pair(digits: list[int], penalty: float) -> None:
    critic = give_labels(CriticOfClasses(), encode_labels(torch.tensor(digits), (3, 8)))
    real, generated = torch.rand(2, 2, *GREY_28)
    method = GradientPenalty(penalty_weight=10.0)
    assert method.penalty(critic, real, generated, np.random.default_rng(0)).item() == pytest.approx(penalty)


def batches(seed: int, epoch: int) -> list[tuple[Tensor, Tensor]]:
    """What the iterations of an epoch get, of threes and eights."""
    data = MNISTDigits(root="data", digit=[3, 8], batch_size=64, n_critic=2, seed=seed)
    data.setup("fit")
    data.labels = encode_labels(data.training_set[1], (3, 8))
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    return [(images, labels) for images, labels in loader]


def test_labels_are_those_of_the_images_and_a_function_of_seed_epoch_and_batch() -> None:
    found = batches(0, 1)
    images, digits = load_digits(PROJECT / "data", (3, 8))
    for batch in (0, 100):
        real, labels = found[batch]
        drawn = open_stream(0, Purpose.REAL_IMAGES, 1, batch).integers(len(images), size=64)
        asked = open_stream(0, Purpose.LABELS, 1, batch).integers(len(images), size=64)
        assert torch.equal(((real + 1) * 127.5).round().to(torch.uint8), images[drawn])
        assert torch.equal(torch.tensor([3, 8])[labels.argmax(1)], digits[np.concatenate([drawn, asked])])
    every = torch.cat([labels for _, labels in found])
    assert every.mean(0)[0].item() == pytest.approx((digits == 3).float().mean().item(), abs=0.015)  # as frequent
    assert all(torch.equal(one[1], other[1]) for one, other in zip(found, batches(0, 1), strict=True))
    assert not torch.equal(found[0][1], batches(0, 0)[0][1])
    assert not torch.equal(found[0][1], batches(1, 1)[0][1])


@pytest.mark.parametrize("method", METHODS)
def test_both_networks_learn_of_classes_and_a_run_goes_on_with_the_same_bits(tmp_path: Path, method: str) -> None:
    typed = (*BARE, *CONDITIONAL, *METHODS[method])
    train(configuration(*typed, "trainer.max_epochs=2"), tmp_path / "whole")
    train(configuration(*typed), tmp_path / "parts")
    train(configuration(*typed, "trainer.max_epochs=2"), tmp_path / "parts", resume=True)
    for name in ("generator.safetensors", "metrics.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    before = build_model(configuration(*typed), GREY_28, (3, 8)).state_dict()
    after = torch.load(tmp_path / "whole" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    last = "7.parametrizations.weight.original" if method == "spectral_norm" else "7.weight"
    for moved in (before[f"critic.{last}"] != after[f"critic.{last}"], before["generator.0.weight"].T[50:] != 0):
        assert moved.flatten(1).any(1).all()  # in each class
    assert (before["generator.0.weight"] != after["generator.0.weight"])[:, 50:].any(0).all()


def test_the_generator_knows_its_classes_from_its_file_and_configuration(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / ".hydra", tmp_path / ".hydra")
    shutil.copy(run / "generator.safetensors", tmp_path)
    cfg = load_trusted(tmp_path, None)
    assert find_classes(load_generator(tmp_path, cfg)) == (3, 8)
    assert find_classes(load_generator(run, cfg, "epoch=001")) == (3, 8)
    cfg.model.conditional = False
    assert find_classes(build_model(cfg, GREY_28).generator) == ()


def test_classes_of_a_stranger_can_be_far_more_than_their_file(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    path = folder / "checkpoints" / "last.ckpt"
    contents = torch.load(path, weights_only=True)
    contents["state_dict"]["generator.class_of_label"] = torch.zeros(1, dtype=torch.int64).expand(10**12)
    torch.save(contents, path)
    with pytest.raises(UserError, match=r"last\.ckpt or \.hydra/config\.yaml is damaged"):
        load_generator(folder, load_trusted(folder, None), "last")


def test_images_of_a_class(run: Path, tmp_path: Path, run_main: Callable[..., str]) -> None:
    for asked in ("all", "3", "8"):
        assert run_main("generate.py", f"run={run}", f"class={asked}", "n=40", f"out={asked}.npz") == ""
    assert run_main("generate.py", f"run={run}", "n=40", "out=all.png") == ""
    mixed, threes, eights = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("all", "3", "8"))
    assert np.array_equal(mixed, np.concatenate([threes[:10], eights[10:20], threes[20:30], eights[30:]]))
    assert not np.array_equal(threes, eights)
    grid = np.asarray(Image.open(tmp_path / "all.png"))  # with a row of ten a class, as that of the run
    assert grid.shape == (4 * 60 + 4, 10 * 60 + 4)
    assert np.array_equal(grid, np.asarray(Image.open(run / "samples" / "epoch=001.png"))[: 4 * 60 + 4])
    assert run_main("generate.py", f"run={run}", "class=8", "n=20", "mode=interpolation", "out=way.npz") == ""
    assert run_main("generate.py", f"run={run}", "class=5") == (
        "error: class=5: the run has no such class; choose one of 3, 8"
    )
    assert run_main("generate.py", f"run={run}", "class=x") == "error: class=x: must be all, or a class, such as 3"


def test_a_run_without_classes_has_no_images_of_one(tmp_path: Path, run_main: Callable[..., str]) -> None:
    train(configuration(*BARE), tmp_path / "run")
    line = "error: class=7: this run has no classes, since model.conditional is false; leave class out"
    assert run_main("generate.py", "run=run", "class=7") == line
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert not any("class" in name for name in state)


def test_figures_of_a_run(run: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    found = result(run)
    assert found["class_accuracy_floor"] > 0.98
    assert float(rows(run, "quality.csv")[-1]["class_accuracy"]) == found["class_accuracy"]
    table = rows(run, "classes.csv")
    assert [row["class"] for row in table] == ["3", "8"]
    accuracies = [float(row["class_accuracy"]) for row in table]
    assert found["class_accuracy"] == pytest.approx(sum(accuracies) / 2)  # of twenty images each
    assert run_main("evaluate.py", f"run={run}", "n=40") == ""
    measured = json.loads((run / "evaluation.json").read_text())
    assert measured["figures"]["class_accuracy"] == pytest.approx(found["class_accuracy"])
    for row in table:
        wanted = {name: float(value) for name, value in row.items() if name != "class"}
        assert measured["by_class"][row["class"]] == pytest.approx(wanted, rel=1e-4)
    assert capsys.readouterr().out.splitlines()[-3].split() == list(table[0])


def test_class_accuracy_of_real_digits() -> None:
    images, labels = load_digits(PROJECT / "data", tuple(range(10)), train=False)
    known = Reference(images[:1000], images[2000:2500], tuple(range(10)), labels[:1000], labels[2000:2500])
    assert known.floor["class_accuracy"] > 0.97
    assert "class_accuracy" not in known.measure(images[3000:3100])
    shuffled = labels[3000:5000][torch.randperm(2000, generator=torch.Generator().manual_seed(0))]
    assert known.measure(images[3000:5000], shuffled)["class_accuracy"] == pytest.approx(0.1, abs=0.03)
    by_class = measure_classes(known, images[3000:5000], labels[3000:5000])
    assert list(by_class) == list(range(10))
    assert all(figures["class_accuracy"] > 0.95 for figures in by_class.values())
    wrong = measure_classes(known, images[3000:5000], 9 - labels[3000:5000])
    assert all(figures["class_accuracy"] < 0.02 for figures in wrong.values())
    assert all(wrong[digit]["fid_mnist"] > 5 * by_class[digit]["fid_mnist"] for digit in by_class)


def test_one_class_is_refused(run_main: Callable[..., str], tmp_path: Path) -> None:
    line = "error: model.conditional=true: needs images of several classes; set 'data.digit=[3,8]' or all"
    assert run_main("train.py", *BARE, "model.conditional=true", "hydra.run.dir=run") == line
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_an_accuracy_of_classes_is_no_objective_without_them(run_main: Callable[..., str]) -> None:
    line = "error: objective=-class_accuracy: is not measured of these images; choose one of"
    assert run_main("train.py", *TINY, "objective=-class_accuracy", "hydra.run.dir=run").startswith(line)


class OwnCritic(nn.Module):
    """Gets the width of labels, and labels."""

    def __init__(self, *, label_dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(28 * 28 + label_dim, 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        scores: Tensor = self.layer(torch.cat([images.flatten(1), labels], dim=1))
        return scores


def test_networks_of_ones_own_take_labels_or_are_refused(tmp_path: Path) -> None:
    bare = (each for each in BARE if not each.startswith("+model.critic.channels"))
    own = ("model.critic._target_=test_conditional.OwnCritic", "model.clip_scope=all")
    train(configuration(*bare, *CONDITIONAL, *own), tmp_path)
    cfg = configuration(*CONDITIONAL, "~model.critic", "+model.critic={_target_:torch.nn.Sequential,_args_:[]}")
    with pytest.raises(UserError, match=r"^model\.conditional=true: Sequential takes no label_dim"):
        build_model(cfg, GREY_28, (3, 8))
