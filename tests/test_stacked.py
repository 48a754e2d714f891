import math
from pathlib import Path

import pytest
import torch
from conftest import SMALL, command, result

from wgan import PROJECT
from wgan.data.mnist import load_digits
from wgan.data.stacked import StackedMNIST
from wgan.quality.classifier import load_classifier
from wgan.quality.modes import COUNTS, ModeDivergence, Modes


def stacked(number: int) -> StackedMNIST:
    return StackedMNIST(number=number, held_out=9, batch_size=4, n_critic=1, seed=0)


def test_the_channels_are_digits_and_the_class_is_their_number() -> None:
    images, labels = stacked(50).load(train=True)
    assert (images.shape, images.dtype, labels.dtype) == ((50, 3, 28, 28), torch.uint8, torch.int64)
    known, digits = load_digits(PROJECT / "data", tuple(range(10)))
    for image, label in zip(images[:5], labels[:5].tolist(), strict=True):
        (found,) = {tuple(int(digits[(known[:, 0] == channel).flatten(1).all(dim=1)][0]) for channel in image)}
        assert label == 100 * found[0] + 10 * found[1] + found[2]


def test_an_image_is_a_function_of_its_number() -> None:
    few, many = (stacked(number).load(train=True) for number in (5, 70))
    assert torch.equal(few[0], many[0][:5])
    assert torch.equal(few[1], many[1][:5])
    assert len(many[1].unique()) > 60
    assert not torch.equal(stacked(5).load(train=False)[0][:5], few[0])


def test_counts_are_those_of_mnist() -> None:
    _, digits = load_digits(PROJECT / "data", tuple(range(10)))
    assert tuple(torch.bincount(digits).tolist()) == COUNTS


@pytest.fixture(scope="module")
def recognised() -> torch.Tensor:
    """An image of each digit, (10, 28, 28), that the classifier takes for it."""
    images, digits = load_digits(PROJECT / "data", tuple(range(10)), train=False)
    found = load_classifier().classify(images[:500])[1]
    right = found == digits[:500]
    return torch.stack([images[:500][right & (digits[:500] == digit)][0, 0] for digit in range(10)])


def test_modes_are_counted(recognised: torch.Tensor) -> None:
    every = torch.cartesian_prod(*[torch.arange(10)] * 3)
    metric = Modes()
    metric.update(recognised[every[:7]])
    metric.update(recognised[every[[0, 3, 500]]])
    assert metric.compute() == 8
    assert metric.found[[0, 3, 6, 7, 500]].tolist() == [2, 2, 1, 0, 1]


def test_the_same_images_are_classified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(2, 3, 28, 28, dtype=torch.uint8)
    for metric in (first := Modes(), second := ModeDivergence()):
        metric.update(images)
        monkeypatch.setattr("wgan.quality.modes.load_classifier", None)
    assert torch.equal(first.found, second.found)
    assert first.compute() == 1


def test_the_divergence_of_few_modes_is_known(recognised: torch.Tensor) -> None:
    shares = [count / sum(COUNTS) for count in COUNTS]
    metric = ModeDivergence()
    metric.update(recognised[torch.tensor([[1, 2, 3]] * 3 + [[9, 9, 9]])])
    first, second = shares[1] * shares[2] * shares[3], shares[9] ** 3
    wanted = 0.75 * math.log(0.75 / first) + 0.25 * math.log(0.25 / second)
    assert metric.compute().item() == pytest.approx(wanted, rel=1e-6)


def test_real_images_have_nearly_all_modes() -> None:
    modes, divergence = Modes(), ModeDivergence()
    images, labels = stacked(3000).load(train=True)
    for metric in (modes, divergence):
        metric.update(images)
    assert abs(modes.compute() - len(labels.unique())) <= 5
    assert divergence.compute() == pytest.approx(999 / (2 * len(images)), abs=0.03)


def test_a_run_counts_modes_and_can_be_opened_as_a_strangers(tmp_path: Path) -> None:
    few = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "callbacks.quality.n=10")
    typed = (
        "experiment=stacked_mnist",
        "data.number=1000",
        "data.held_out=500",
        "data.batch_size=4",
        "trainer=cpu",
        *few,
        *SMALL,
    )
    done = command("train.py", *typed, "callbacks.quality.final_n=12", "hydra.run.dir=run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    figures = result(tmp_path / "run")
    assert 1 <= figures["modes"] <= 12
    assert figures["objective"] == figures["kl"] > math.log(1000 / 12) - 1
    assert 370 < figures["modes_floor"] < 420  # of 500 images: 1,000 (1 - exp(-0.5)) on average
    assert figures["kl_floor"] == pytest.approx(math.log(2) + 0.18, abs=0.2)
    assert command("train.py", "resume=run", "trainer.max_epochs=2", cwd=tmp_path).returncode == 0
    assert command("evaluate.py", "run=run", "n=12", cwd=tmp_path).returncode == 0
